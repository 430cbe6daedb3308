"""`shoal work`, whole and real, that writes how it stands to a file a few times a second.

LIMITS_LOOKS=FILE SHOAL_BOOTSTRAP_SERVERS=... python -m tests.limits.watched work --slot 0
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any
from unittest import mock

import msgspec

from streams.broker.protocol import TP, Headers, Record
from streams.cli.main import main as shoal
from streams.clock import ScaledClock
from streams.scoring import main as scoring
from streams.scoring import worker as turning
from streams.scoring.transaction import Transaction
from streams.scoring.worker import Worker
from tests.limits.looks import CLOCK, COUNTS, LOOKS, Look, Places

_EVERY_S = 0.05


class Tally:
    """Of transactions, since the process began; `largest` since it was last asked for."""

    def __init__(self) -> None:
        self.transactions = self.records = self.changes = self.largest = 0


class Counted(Transaction):
    """Counts what is written into it."""

    tally = Tally()
    _now = _moved = 0

    def write(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers | None = None) -> None:
        """Into the open transaction."""
        self._now += 1
        super().write(topic, partition, key, value, headers)

    def write_all(self, topic: str, partition: int, records: Iterable[Record]) -> None:
        """Into the open transaction."""
        before = self._now
        super().write_all(topic, partition, self._each(records))
        if topic.endswith("segment-changes"):
            self._moved += self._now - before

    def _each(self, records: Iterable[Record]) -> Iterator[Record]:
        for record in records:
            self._now += 1
            yield record

    def commit(self, offsets: Mapping[TP, int]) -> None:
        """Commits, and counts it when it is durable."""
        super().commit(offsets)
        tally = self.tally
        tally.transactions += 1
        tally.records += self._now
        tally.changes += self._moved
        tally.largest = max(tally.largest, self._now)
        self._now = self._moved = 0

    def abort(self) -> None:
        """Gives it up; it does not count."""
        super().abort()
        self._now = self._moved = 0

    def abandon(self) -> None:
        """Leaves it to the broker; it does not count."""
        super().abandon()
        self._now = self._moved = 0


class Watched(Worker):
    """Says how it stands after a turn, and after each commit which offsets are durable."""

    out: int
    """Of the file that looks go to."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._durable: Places = {}
        self._looked = 0.0

    def step(self) -> None:
        """A turn, then a look if it is time for one."""
        super().step()
        if time.monotonic() - self._looked > _EVERY_S:
            self._looked = time.monotonic()
            os.write(self.out, msgspec.json.encode(self._look()) + b"\n")

    def _commit(self) -> None:
        super()._commit()
        self._durable = {number: slot.partition.events_at for number, slot in self.slots.items() if slot.running}

    def _look(self) -> Look:
        used, tally = resource.getrusage(resource.RUSAGE_SELF), Counted.tally
        running = {number: slot.partition for number, slot in self.slots.items() if slot.running}
        largest, tally.largest = tally.largest, 0
        return Look(
            at=time.time(),
            cpu=used.ru_utime + used.ru_stime,
            customers=sum(len(partition.engine.table) for partition in running.values()),
            applied={number: partition.events_at for number, partition in running.items()},
            committed=self._durable,
            swept={number: partition.cursor.swept for number, partition in running.items()},
            epoch={number: partition.cursor.epoch for number, partition in running.items()},
            sweeping=sum(partition.cursor.sweeping >= 0 for partition in running.values()),
            definitions=sorted({partition.cursor.definitions for partition in running.values()}),
            transactions=tally.transactions,
            records=tally.records,
            changes=tally.changes,
            largest=largest,
        )


def main() -> None:
    """Runs it."""
    Watched.out = os.open(os.environ[LOOKS], os.O_WRONLY | os.O_APPEND)
    mock.patch.object(scoring, "Worker", Watched).start()
    if COUNTS in os.environ:
        mock.patch.object(turning, "Transaction", Counted).start()
    if CLOCK in os.environ:
        start, anchor = map(int, os.environ[CLOCK].split(","))
        mock.patch.object(scoring, "WallClock", partial(ScaledClock, start, 1.0, anchor)).start()
    shoal()


if __name__ == "__main__":
    main()
