"""What an event costs four workers on one topic, beside one worker on the same topic: CPU, exactly-once, everything on.

python -m tests.benchmarks.workers [BOOTSTRAP] [--events N] [--rounds N]: prints a JSON line. Without BOOTSTRAP it starts a
Kafka of its own. The topic is full before anybody reads; all of a round hold their partitions, at rest, before any begins.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from streams.embedded.control import start_broker
from tests.benchmarks.gated_worker import settings_of, topics_on
from tests.benchmarks.load import CUSTOMERS, EVENTS, fill, make_topics
from tests.benchmarks.machine import both_compilers
from tests.benchmarks.worker_process import make_outputs
from tests.benchmarks.yardstick import ROOT, Figures, say

LIMIT = 1.15
PARTITIONS = 8
MANY = 4
_TOPIC = "bench.workers"
_LOOK_S = 0.1
_JOINED_WITHIN_S = 90.0
_DONE_WITHIN_S = 300.0
_ENDS_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Member:
    """A worker's process. `said`, `errors`: files that its output goes to."""

    process: subprocess.Popen[str]
    said: Path
    errors: Path

    def lines(self) -> list[Figures]:
        """What it has said so far. Raises RuntimeError with its last words when it has ended."""
        if self.process.poll() is not None:
            raise RuntimeError(f"a worker ended with {self.process.returncode}: {self.errors.read_text().strip()[-800:]}")
        whole, _, _ = self.said.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def begin(self) -> None:
        """The word it waits for."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> None:
        """Has it close, and waits until it has; by force where it takes too long."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def measure(bootstrap: str, topic: str, workers: int) -> Figures:
    """Reads the topic with so many workers: CPU us an event, all of them together, and the records that each took.

    Raises RuntimeError when one took none, or it does not come to its end.
    """
    settings = settings_of(bootstrap, PARTITIONS, f"bench.{uuid.uuid4().hex[:6]}.")
    make_outputs(settings, topics_on(topic, settings))
    command = [sys.executable, "-m", "tests.benchmarks.gated_worker", bootstrap, topic, str(PARTITIONS), settings.prefix]
    with tempfile.TemporaryDirectory(prefix="shoal-workers-") as folder, ExitStack() as crew:
        members = [_start(crew, Path(folder), [*command, str(slot)]) for slot in range(workers)]
        _wait(lambda: _all_hold(members), _JOINED_WITHIN_S, "the workers did not share the partitions evenly")
        for member in members:
            member.begin()
        _wait(lambda: all("records" in member.lines()[-1] for member in members), _DONE_WITHIN_S, "the topic was not read")
        rows = [member.lines()[-1] for member in members]
    records = [row["records"] for row in rows]
    if not all(records):
        raise RuntimeError(f"of {workers} workers one took no record at all: {records}")
    measured = sum(row["measured"] for row in rows)
    return {
        "cpu_us_per_event": round(sum(row["cpu_seconds"] for row in rows) / measured * 1e6, 3),
        "each_us": [round(row["cpu_seconds"] / row["measured"] * 1e6, 3) for row in rows],
        "records": records,
        "seconds": round(max(row["seconds"] for row in rows), 2),
    }


def _start(crew: ExitStack, folder: Path, command: list[str]) -> Member:
    said, errors = (folder / f"{command[-1]}.{kind}" for kind in ("out", "err"))
    with said.open("w") as out, errors.open("w") as err:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=out, stderr=err, text=True)
    member = Member(process, said, errors)
    crew.callback(member.end)
    return member


def _all_hold(members: list[Member]) -> bool:
    """Whether each holds its share, at rest, and together they hold all."""
    said = [member.lines() for member in members]
    if not all(said):
        return False
    holds = [lines[-1]["holds"] for lines in said]
    share = PARTITIONS // len(members)
    return all(len(one) == share for one in holds) and sorted(number for one in holds for number in one) == [*range(PARTITIONS)]


def _wait(until: Callable[[], bool], within_s: float, otherwise: str) -> None:
    deadline = time.monotonic() + within_s
    while not until():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{otherwise} within {within_s:.0f} s")
        time.sleep(_LOOK_S)


def rounds(bootstrap: str, events: int, times: int) -> Figures:
    """One worker, several, one, several: the median of the rounds' ratios, and what was seen."""
    make_topics(bootstrap, [_TOPIC], PARTITIONS)
    say(f"writing {events:,} events of {CUSTOMERS:,} customers to {PARTITIONS} partitions")
    fill(bootstrap, _TOPIC, events, CUSTOMERS)
    seen: dict[int, list[Figures]] = {1: [], MANY: []}
    for k in range(times):
        for workers, found in seen.items():
            found.append(measure(bootstrap, _TOPIC, workers))
            last = found[-1]
            say(
                f"round {k + 1} of {times}: workers: {workers}, {last['cpu_us_per_event']:.2f} us an event, {last['seconds']} s, "
                f"records: {', '.join(format(n, ',') for n in last['records'])} (load {os.getloadavg()[0]:.1f})"
            )
    ratios = [many["cpu_us_per_event"] / one["cpu_us_per_event"] for one, many in zip(seen[1], seen[MANY], strict=True)]
    return {
        "customers": CUSTOMERS,
        f"growth_{MANY}_workers": round(statistics.median(ratios), 2),
        "workers": {
            "us": {str(n): round(statistics.median(row["cpu_us_per_event"] for row in found), 2) for n, found in seen.items()},
            "records": {str(n): found[-1]["records"] for n, found in seen.items()},
            "ratios": [round(ratio, 3) for ratio in ratios],
            "limit": LIMIT,
        },
    }


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bootstrap", nargs="?")
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    if asked.bootstrap:
        print(json.dumps(rounds(asked.bootstrap, asked.events, asked.rounds)), flush=True)
        return
    both_compilers()
    with start_broker("kafka", progress=say) as broker:
        print(json.dumps(rounds(broker.bootstrap_servers, asked.events, asked.rounds)), flush=True)


if __name__ == "__main__":
    main()
