"""What a soak stands on: a broker that can be harmed and forgets what is old, a fast clock, a load."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Final

import msgspec
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not marked as exported
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from streams.admin import admin
from streams.clock import ScaledClock
from streams.errors import ShoalError
from streams.settings import DAY_MS, Settings
from streams.simulator import Config
from tests.benchmarks.machine import both_compilers
from tests.chaos.armed import Arms
from tests.chaos.committed import committed
from tests.chaos.crew import LEARNER, Crew
from tests.chaos.ground import Ground, ground
from tests.chaos.site import Site, begin, site_of
from tests.soak.load import A_DAY, Sent
from tests.soak.recorder import Recorder

DAY_S: Final = 20.0
"""A day of the clock, in seconds: a sweep, and what the learner makes of a day, are as often."""
PARTITIONS = 4
WORKERS: Final = ("work-0", "work-1")
_DISK_MB = 14_000
_SEGMENT = 64 << 20
_FORGETFUL: Final[Mapping[str, str]] = MappingProxyType(
    {"log.segment.bytes": str(_SEGMENT), "log.retention.check.interval.ms": "5000"}
)
_KEPT: Final = {"events": 16 * _SEGMENT, "segment-changes": 4 * _SEGMENT, "samples": 4 * _SEGMENT}
"""Bytes of a partition, of topics that would fill the disk. Of events as many as come in some ten minutes: what is deleted
before it is read ends a worker, and after a broker's death workers are behind by minutes."""
_LONGEST_POLL_MS: Final = 10_000
"""For so long a group waits for members that died with the broker."""
_TRIED = 2_000_000
_TRIED_CUSTOMERS = 200_000
_WITHIN_S = 300.0
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Stand:
    """A broker with the topics of one soak, and the clock that everybody goes by."""

    site: Site
    ground: Ground
    settings: Settings
    arms: Arms

    @property
    def clock(self) -> ScaledClock:
        """A day in DAY_S seconds."""
        return ScaledClock(self.arms.start_ms, self.arms.speed, self.arms.anchor_ms)

    @property
    def inputs(self) -> list[tuple[str, int]]:
        """The partitions of `events`."""
        return [(self.settings.topic("events"), partition) for partition in range(PARTITIONS)]

    def crew(self, folder: Path, seed: int) -> Crew:
        """Nobody yet."""
        folder.mkdir(parents=True)
        return Crew(self.settings, folder, Random(seed), usual=self.arms, ground=self.ground)

    def load(self, *arguments: str) -> subprocess.Popen[bytes]:
        """`tests.soak.load`, which says in the end what it has sent."""
        arms = self.arms
        command = [
            sys.executable,
            "-m",
            "tests.soak.load",
            "--clock",
            f"{arms.start_ms},{arms.speed},{arms.anchor_ms}",
            *arguments,
        ]
        environment = {**os.environ, **Crew(self.settings, Path(), Random()).environment()}
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)


def sent(load: subprocess.Popen[bytes]) -> Sent:
    """What a load says in the end. Raises ShoalError if it did not come so far."""
    said, _ = load.communicate(timeout=_WITHIN_S)
    if load.returncode:
        raise ShoalError(f"the load ended with {load.returncode}; what it could not write stands above")
    return msgspec.json.decode(said, type=Sent)


@contextmanager
def stand() -> Iterator[tuple[Site, Ground]]:
    """A broker for all that follows: one that is here for a while, so it has both of Java's compilers."""
    both_compilers()
    with ground(_DISK_MB, _FORGETFUL) as harmed:
        yield site_of(harmed.running), harmed


def prepared(site: Site, harmed: Ground) -> Stand:
    """Empty topics, and a clock that begins in a moment."""
    kafka = {"max.poll.interval.ms": str(_LONGEST_POLL_MS)}
    settings = site.settings(partitions=PARTITIONS, clock="wall", horizon_days=6, sample_every_days=3, kafka=kafka)
    begin(settings)
    client = admin(settings)  # it must live until it has answered
    futures = client.incremental_alter_configs(
        [
            ConfigResource(
                ResourceType.TOPIC,
                settings.topic(name),
                incremental_configs=[ConfigEntry("retention.bytes", str(kept), incremental_operation=AlterConfigOpType.SET)],
            )
            for name, kept in _KEPT.items()
        ]
    )
    for future in futures.values():
        future.result(timeout=10)
    anchor = time.time_ns() // 1_000_000
    return Stand(site, harmed, settings, Arms(start_ms=Config().start_ms, speed=DAY_MS / 1000 / DAY_S, anchor_ms=anchor))


def fastest(site: Site, harmed: Ground, folder: Path, seed: int) -> float:
    """Events a second that go through all of it, from a load that sends as fast as it can to two workers' commits.

    All customers are new; the learner runs and a recorder reads along. Load, broker and readers share the machine, as they do
    in the soak: what workers take of a topic that is full already is more, and cannot be had there.
    """
    there = prepared(site, harmed)
    crew, recorder = there.crew(folder, seed), Recorder(there.settings, b"77")
    recorder.start()
    try:
        for name in (LEARNER, *WORKERS):
            crew.start(name)
        _wait("the workers are not ready", lambda: crew.restored() >= PARTITIONS, crew)
        begun = time.monotonic()
        load = there.load("--events", str(_TRIED), "--customers", str(_TRIED_CUSTOMERS), "--seed", str(seed))
        made = sent(load)
        with committed(there.settings, there.inputs) as so_far:
            _wait("not all events were taken", lambda: so_far() >= made.records, crew)
        taken = made.records / (time.monotonic() - begun)
        crew.stop(*crew.alive)
        recorder.finish()
    finally:
        crew.end()
    return taken


def _wait(otherwise: str, done: Callable[[], bool], crew: Crew) -> None:
    deadline = time.monotonic() + _WITHIN_S
    while not done():
        crew.look()
        if time.monotonic() > deadline:
            raise ShoalError(f"{otherwise} within {_WITHIN_S:.0f} s; logs: {crew.folder}")
        time.sleep(_LOOK_S)


def customers_of(rate: float) -> int:
    """How many make so many events a second, at A_DAY events a day of DAY_S seconds."""
    return max(1_000, round(rate * DAY_S / A_DAY))
