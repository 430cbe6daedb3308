"""What a worker says of itself while it is pushed, a few times a second; and what can be read from a row of such looks."""

from __future__ import annotations

import statistics
from bisect import bisect_left
from collections.abc import Sequence

import msgspec

LOOKS, CLOCK, COUNTS = "LIMITS_LOOKS", "LIMITS_CLOCK", "LIMITS_COUNTS"
"""Variables: the file that looks go to; start and anchor of the clock; whether transactions are counted."""
Places = dict[int, int]


class Look(msgspec.Struct):
    """at: s since 1970. cpu: s of all threads. The rest by partition, of those that run.

    applied, committed: next offsets of `events`; swept: the last finished sweep, ms; sweeping: how many are in one; epoch: of
    the champions; definitions: of those that decide. Since the worker began: transactions; records that they wrote, and of those
    changes. largest: the records of the largest one since the look before.
    """

    at: float
    cpu: float
    customers: int = 0
    applied: Places = {}
    committed: Places = {}
    swept: Places = {}
    epoch: Places = {}
    sweeping: int = 0
    definitions: list[str] = []
    transactions: int = 0
    records: int = 0
    changes: int = 0
    largest: int = 0

    @property
    def done(self) -> int:
        """Records applied, of topics that begin at 0."""
        return sum(self.applied.values())

    @property
    def durable(self) -> int:
        """Records committed."""
        return sum(self.committed.values())


class Taken(msgspec.Struct):
    """A stretch in which events were taken: seconds, how many a second, and CPU us for each."""

    seconds: float
    rate: float
    cpu_us: float

    def __str__(self) -> str:
        return f"{self.cpu_us:.1f} us of CPU an event, {self.rate:,.0f} events a second"


def taken(looks: Sequence[Look], begin: int, end: int) -> Taken:
    """From the first look at which `begin` records were applied to the first at which `end` were. Raises ValueError."""
    first = next((look for look in looks if look.done >= begin), None)
    last = next((look for look in looks if look.done >= end), None)
    if first is None or last is None or last.done <= first.done:
        raise ValueError(f"no stretch from {begin:,} to {end:,} records can be told apart in {len(looks)} looks")
    n, seconds = last.done - first.done, last.at - first.at
    return Taken(seconds, n / max(seconds, 1e-3), (last.cpu - first.cpu) / n * 1e6)


def waits(looks: Sequence[Look], appended: Sequence[tuple[int, int, float]]) -> list[float]:
    """How long each record took from its append to its commit, s. appended: partition, offset, s since 1970.

    Raises ValueError if one was never committed.
    """
    ends = {p: ([look.committed.get(p, 0) for look in looks], [look.at for look in looks]) for p in {a[0] for a in appended}}
    found = []
    for partition, offset, at in appended:
        offsets, times = ends[partition]
        place = bisect_left(offsets, offset + 1)
        if place == len(offsets):
            raise ValueError(f"the record at offset {offset} of partition {partition} was never committed")
        found.append(max(0.0, times[place] - at))
    return found


def drained(looks: Sequence[Look], partition: int, end: int) -> float:
    """When all records of a partition before `end` were committed, s since 1970. Raises ValueError if they never were."""
    at = next((look.at for look in looks if look.committed.get(partition, 0) >= end), None)
    if at is None:
        raise ValueError(f"partition {partition} was never committed up to offset {end}")
    return at


def typical(memory: Sequence[tuple[float, float]], begin: float, end: float) -> float:
    """The median MB of a stretch; memory: (s since 1970, MB)."""
    return statistics.median(mb for at, mb in memory if begin <= at <= end)


def most(memory: Sequence[tuple[float, float]], begin: float, end: float) -> float:
    """The most MB of a stretch."""
    return max(mb for at, mb in memory if begin <= at <= end)
