"""A run on the wall clock, on real Kafka, with kill -9, then `shoal audit replay` on it: every decision must agree.

    python -m tests.chaos.wall --seed 1

The clock is injected and fast: a day takes three seconds. Workers are killed on two days, other definitions come into force
on another, some events are dated ahead. Then entries of a copy of the journal are altered, one of each kind, with the old
hashes and with new ones: each must be named.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from random import Random
from zlib import crc32

from confluent_kafka import Producer

from streams.broker.confluent import KafkaBroker
from streams.broker.protocol import TP, Reader
from streams.clock import ScaledClock
from streams.contracts import journal
from streams.errors import AuditError, ShoalError
from streams.replay.event import ReplayEvent
from streams.scoring.audit import Audit, check_chain, read_all
from streams.settings import DAY_MS, Settings
from streams.simulator import Config, generate_events
from tests.chaos.armed import Arms
from tests.chaos.crew import LEARNER, Crew
from tests.chaos.forgery import forged, place_of
from tests.chaos.program import ended, say
from tests.chaos.site import Site, begin, broker

DAYS, DAY_SECONDS, CUSTOMERS = 26, 3.0, 300
KILLS, NEW_RULES = (9, 17), 13
AHEAD_MS = 2 * 3_600_000
KINDS = ("start", "manifest", "definitions", "sweep", "clamp")
_ROOT = Path(__file__).parents[2]
_RULES = _ROOT / "streams" / "presets" / "retail_definitions.toml"
_WITHIN_S = 60.0
_VERDICT = re.compile(
    r"partition (\d+): equal\. ([\d,]+) changes from ([\d,]+) records, ([\d,]+) entries: ([\d,]+) sweeps, ([\d,]+) manifests, "
    r"([\d,]+) changes of definitions"
)


@dataclass
class WallRun:
    """Events at the times at which they happen, by a clock that all processes share."""

    site: Site
    seed: int
    folder: Path
    settings: Settings = field(init=False)
    config: Config = field(init=False)
    clock: ScaledClock = field(init=False)
    crew: Crew = field(init=False)
    sent: int = 0

    def __post_init__(self) -> None:
        self.settings = self.site.settings(clock="wall", horizon_days=4, sample_every_days=2, batch=200)
        self.config = Config(customers=CUSTOMERS, days=DAYS, seed=self.seed)
        start, speed, anchor = self.config.start_ms, DAY_MS / 1000 / DAY_SECONDS, time.time_ns() // 1_000_000 + 4_000
        self.clock = ScaledClock(start, speed, anchor)
        self.crew = Crew(self.settings, self.folder, Random(self.seed), usual=Arms(start_ms=start, speed=speed, anchor_ms=anchor))

    def run(self) -> None:
        """All days; returns when everything is committed and the workers have ended in order."""
        begin(self.settings)
        for name in (LEARNER, "work-0", "work-1"):
            self.crew.start(name)
        try:
            self._feed()
            self._settle()
            self.crew.stop(*self.crew.alive)
        finally:
            self.crew.end()

    def _feed(self) -> None:
        producer = Producer({"bootstrap.servers": self.settings.bootstrap_servers, "linger.ms": 5, "enable.idempotence": True})
        rng = Random(self.seed)
        # One event in fifty comes before its time: its clock goes wrong, and the worker clamps it.
        early = [(e.at - (AHEAD_MS if rng.random() < 0.02 else 0), e) for e in chain.from_iterable(generate_events(self.config))]
        day = -1
        for at, event in sorted(early, key=lambda one: one[0]):
            while self.clock.now_ms() < at:
                time.sleep(0.002)
            if (at - self.config.start_ms) // DAY_MS != day:
                day = (at - self.config.start_ms) // DAY_MS
                self._of_the_day(day)
            self._send(producer, event)
        if left := producer.flush(30):
            raise ShoalError(f"{left} events were not written")

    def _send(self, producer: Producer, event: ReplayEvent) -> None:
        partition = crc32(event.key) % self.settings.partitions
        producer.produce(self.settings.topic("events"), event.value, event.key, partition)
        producer.poll(0)
        self.sent += 1

    def _of_the_day(self, day: int) -> None:
        self.crew.look()
        if day in KILLS:
            name = f"work-{KILLS.index(day)}"
            self.crew.kill(name)
            self.crew.start(name)
        if day == NEW_RULES:
            rules = self.folder / "rules.toml"
            rules.write_text(_RULES.read_text(encoding="utf-8").replace("version = 1", "version = 2", 1), encoding="utf-8")
            say(self._shoal("definitions", "apply", str(rules)).stdout.strip())

    def _settle(self) -> None:
        """Until the audit would find all events committed."""
        reader, deadline = KafkaBroker(self.settings).connection(self.settings.group_name(), "chaos-look"), time.monotonic()
        try:
            inputs = [TP(self.settings.topic("events"), p) for p in range(self.settings.partitions)]
            while sum(max(0, at) for at in reader.committed(inputs).values()) < self.sent:
                if time.monotonic() > deadline + _WITHIN_S:
                    raise ShoalError(f"the workers have not taken all {self.sent:,} events {_WITHIN_S:.0f} s after the last one")
                time.sleep(0.1)
        finally:
            reader.close()

    def audit(self) -> list[str]:
        """`shoal audit replay` as a person runs it; what is wrong with what it says."""
        ended = self._shoal("audit", "replay")
        say(ended.stdout.strip())
        found = [tuple(int(n.replace(",", "")) for n in line.groups()) for line in _VERDICT.finditer(ended.stdout)]
        wrong = [] if ended.returncode == 0 else [f"its exit status is {ended.returncode}: {ended.stderr.strip()[-300:]}"]
        if len(found) != self.settings.partitions:
            wrong.append(f"{len(found)} of {self.settings.partitions} partitions are equal")
        elif sum(records for _, _, records, *_ in found) != self.sent:
            wrong.append(f"{sum(records for _, _, records, *_ in found)} of {self.sent} events were audited")
        else:
            least = [min(column) for column in zip(*found, strict=True)][4:]
            needed = ((least[0], 20, "sweeps"), (least[1], 3, "manifests"), (least[2], 1, "changes of definitions"))
            wrong += [f"a partition has {n} {what}, {wanted} are wanted" for n, wanted, what in needed if n < wanted]
        return wrong

    def forgeries(self) -> list[str]:
        """Alters one entry of each kind in a copy of a journal; says who is not named."""
        link, topic = KafkaBroker(self.settings), self.settings.topic
        reader, wrong = link.reader("chaos-forger"), []
        audit = Audit(self.settings, link, lambda _: None)
        journals = [self._entries(reader, number) for number in range(self.settings.partitions)]
        for kind in KINDS:
            there = [(number, place) for number, held in enumerate(journals) if (place := place_of(held, kind)) is not None]
            if not there:
                wrong.append(f"no journal has an entry {kind}")
                continue
            (number, place), entries = there[0], journals[there[0][0]]
            events = read_all(reader, topic("events"), number)
            changes = [m.value() or b"" for m in read_all(reader, topic("segment-changes"), number)]
            for resealed in (False, True):
                data = forged(entries, place, resealed=resealed)
                try:
                    copied = check_chain(list(enumerate(data)), f"copy[{number}]")
                    audit.recompute(number, data, copied, events, changes)
                except AuditError as error:
                    say(f"altered {kind}{' with new hashes' if resealed else ''}: {error}")
                else:
                    wrong.append(f"entry {place} of partition {number}, {kind}, was altered and nobody noticed")
        audit.close()
        reader.close()
        return wrong

    def _entries(self, reader: Reader, number: int) -> list[journal.Entry]:
        return [journal.decode(m.value() or b"") for m in read_all(reader, self.settings.topic("journal"), number)]

    def _shoal(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **self.crew.environment()}
        shoal = [sys.executable, "-m", "streams.cli.main", *command]
        return subprocess.run(shoal, cwd=_ROOT, env=environment, capture_output=True, text=True, timeout=300)


def main(arguments: list[str] | None = None) -> int:
    """0 when the audit agrees with every decision, and each forgery is named."""
    options = argparse.ArgumentParser(prog="python -m tests.chaos.wall", description=(__doc__ or "").splitlines()[0])
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args(arguments)
    return ended("wall", partial(_run, given.seed))


def _run(seed: int) -> int:
    with broker("kafka") as site:
        run = WallRun(site, seed, Path(tempfile.mkdtemp(prefix="shoal-wall-")))
        run.run()
        say(f"{run.sent:,} events of {DAYS} days, {run.crew.kills} workers killed; logs: {run.folder}")
        wrong = run.audit()
        wrong += run.forgeries()
    for fault in wrong:
        say(f"WRONG: {fault}")
    say("every decision agrees, every altered entry is named" if not wrong else f"{len(wrong)} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
