"""One of several workers on a full topic, whole and exactly-once: it joins, restores, and begins when it is told.

python -m tests.benchmarks.gated_worker BOOTSTRAP TOPIC PARTITIONS PREFIX SLOT

Prints JSON lines: the partitions it holds, at rest, whenever those change; and what its events cost when none is left. A
line on its input begins, the end of its input ends it. CPU of this process (user and system, all threads) an event after a
tenth of its events, until the last is committed.
"""

from __future__ import annotations

import argparse
import json
import select
import sys
from collections.abc import Sequence

from streams.broker.confluent import KafkaBroker
from streams.broker.confluent_connection import KafkaConnection
from streams.broker.protocol import TP
from streams.scoring.main import settle_memory
from streams.scoring.topics import Topics, topics_of
from streams.scoring.worker import Worker
from streams.settings import Settings, load_settings
from tests.benchmarks.worker_process import new_worker, usage
from tests.benchmarks.yardstick import Figures


class Gate(KafkaConnection):
    """Partitions that should be read wait, as after a rebalance, until `lift`."""

    def __init__(self, settings: Settings, group: str, transactional_id: str) -> None:
        super().__init__(settings, group, transactional_id)
        self.resume = self._wait

    def _wait(self, partitions: Sequence[TP]) -> None:
        """They stay paused."""

    def lift(self, partitions: Sequence[TP]) -> None:
        """Reads these, and from now on whatever should be read."""
        self.resume = self._intake.resume
        self.resume(partitions)


class GatedBroker(KafkaBroker):
    """Whose workers wait at a gate."""

    def connection(self, group: str, transactional_id: str) -> Gate:
        """A worker's link. Raises BrokerError, Fenced, SettingsError."""
        return Gate(self._settings, group, transactional_id)


def settings_of(bootstrap: str, partitions: int, prefix: str) -> Settings:
    """Of all the workers on these topics."""
    return load_settings(bootstrap_servers=bootstrap, prefix=prefix, clock="wall", partitions=partitions)


def topics_on(events: str, settings: Settings) -> Topics:
    """The topics of such workers: all their own but for the input."""
    return topics_of(settings)._replace(events=events)


def main() -> None:
    """Runs one worker."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, kind in (("bootstrap", str), ("topic", str), ("partitions", int), ("prefix", str), ("slot", int)):
        parser.add_argument(name, type=kind)
    asked = parser.parse_args()
    settings = settings_of(asked.bootstrap, asked.partitions, asked.prefix)
    worker, _ = new_worker(settings, topics_on(asked.topic, settings), GatedBroker(settings), asked.slot)
    worker.start()
    settle_memory()
    if _wait_for_the_word(worker):
        _tell(_take_all(worker))
        # Who left now would have the others measure a rebalance.
        while not _heard():
            worker.step()
    worker.close()


def _wait_for_the_word(worker: Worker) -> bool:
    """Keeps its place in the group meanwhile. False: there is nothing to begin."""
    told: list[int] | None = None
    while not _heard():
        worker.step()
        holds = sorted(worker.slots) if all(slot.running for slot in worker.slots.values()) else []
        if holds != told:
            _tell({"holds": holds})
            told = holds
    return bool(sys.stdin.readline())


def _heard() -> bool:
    """Whether a line, or the end, of the input is there."""
    return bool(select.select([sys.stdin], [], [], 0)[0])


def _take_all(worker: Worker) -> Figures:
    """Takes all events of the partitions held. Raises RuntimeError when those change meanwhile."""
    partitions = {number: slot.partition for number, slot in worker.slots.items()}
    ends = {number: worker.connection.watermarks(partition.events_tp)[1] for number, partition in partitions.items()}
    records, warmed, start = sum(ends.values()), 0, usage()
    assert isinstance(worker.connection, Gate)
    worker.connection.lift([tp for p in partitions.values() for tp in (p.events_tp, p.commands_tp)])
    done = 0
    while done < records or any(partition.dirty for partition in partitions.values()):
        worker.step()
        if {number: slot.partition for number, slot in worker.slots.items()} != partitions:
            raise RuntimeError(f"partitions {sorted(partitions)} became {sorted(worker.slots)} while they were measured")
        done = sum(partition.events_at for partition in partitions.values())
        if not warmed and done >= records // 10:
            warmed, start = done, usage()
    end = usage()
    return {"records": records, "measured": records - warmed, "seconds": end[0] - start[0], "cpu_seconds": end[1] - start[1]}


def _tell(told: Figures) -> None:
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
