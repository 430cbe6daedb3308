"""Flows by the hour: how many customers moved from which segment to which, at event time, each change counted once.

Every hour of every partition knows the offset of the last change counted in it. A change that is delivered again is at
or below that and is passed over; so a stored hour is right whenever it was stored, and reading again from an older
position than the stored hours' cannot double anything. Change ids would do as well, but would have to be kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from streams.views.answers import Flow

HOURS_KEPT = 400 * 24
"""Hours before the newest one that are kept: a year and a month."""

Move = tuple[str, str | None, str | None]
"""Segmentation, previous segment, current segment."""

_HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Segment(msgspec.Struct, frozen=True):
    segment: str


class Moved(msgspec.Struct, frozen=True):
    """The part of a `Change` that is counted."""

    segmentation: str
    previous: _Segment | None
    current: _Segment | None
    at: str


class StoredHour(msgspec.Struct, frozen=True):
    """An hour of one partition as the table keeps it: the offset counted last, and the counts of the moves."""

    offset: int
    counts: list[tuple[str, str | None, str | None, int]]


class _Hour:
    __slots__ = ("counts", "offset")

    def __init__(self, offset: int, counts: dict[Move, int]) -> None:
        self.offset, self.counts = offset, counts


def hour_of(at: str) -> int:
    """Hours since 1970 of an RFC 3339 time. Raises ValueError."""
    moment = datetime.fromisoformat(at)
    if moment.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone")
    return (moment - _EPOCH) // _HOUR


def hour_text(hour: int) -> str:
    """The beginning of an hour, RFC 3339."""
    return (_EPOCH + hour * _HOUR).strftime("%Y-%m-%dT%H:%M:%SZ")


class Flows:
    """Counts of moves by (partition, hour). `next_offset` of a partition is the first offset not counted yet."""

    def __init__(self) -> None:
        self._hours: dict[tuple[int, int], _Hour] = {}
        self._dirty: set[tuple[int, int]] = set()
        self._next: dict[int, int] = {}
        self._hour_of_prefix: dict[str, int] = {}
        self._newest: int | None = None

    def next_offset(self, partition: int) -> int:
        """Where reading goes on."""
        return self._next.get(partition, 0)

    def positions(self) -> dict[int, int]:
        """The next offset of each partition that anything is known of."""
        return dict(self._next)

    def newest_hour(self) -> int | None:
        """The hour of the newest change; None before any."""
        return self._newest

    def count(self, partition: int, offset: int, moved: Moved) -> None:
        """Counts a change unless it was counted. Raises ValueError when its time is not one."""
        number = self._hour(moved.at)
        self._next[partition] = max(self._next.get(partition, 0), offset + 1)
        if self._newest is None or number > self._newest:
            self._newest = number
        elif number <= self._newest - HOURS_KEPT:
            return
        place = partition, number
        hour = self._hours.get(place)
        if hour is None:
            hour = self._hours[place] = _Hour(-1, {})
        if offset <= hour.offset:
            return
        move = (
            moved.segmentation,
            moved.previous.segment if moved.previous else None,
            moved.current.segment if moved.current else None,
        )
        hour.counts[move] = hour.counts.get(move, 0) + 1
        hour.offset = offset
        self._dirty.add(place)

    def window(self, hours: int, segmentation: str | None = None) -> tuple[int, int, list[Flow]] | None:
        """First hour, last hour and flows, in order, of the last `hours` hours up to the newest; None before any."""
        if self._newest is None:
            return None
        first = self._newest - hours + 1
        flows = [flow for number in range(first, self._newest + 1) for flow in self._of_hour(number, segmentation)]
        return first, self._newest, flows

    def take_changed(self) -> Iterator[tuple[int, int, StoredHour | None]]:
        """(partition, hour, what to store) for what changed since the last call; None for an hour too old to keep."""
        oldest = (self._newest or 0) - HOURS_KEPT
        stale = [place for place in self._hours if place[1] <= oldest]
        dirty, self._dirty = self._dirty.difference(stale), set()
        for place in stale:
            del self._hours[place]
            yield *place, None
        for place in sorted(dirty):
            hour = self._hours[place]
            counts = [(*move, count) for move, count in hour.counts.items()]
            yield *place, StoredHour(hour.offset, counts)

    def mark_changed(self, partition: int, hour: int) -> None:
        """Storing this hour failed: offer it again."""
        if (partition, hour) in self._hours:
            self._dirty.add((partition, hour))

    def restore_hour(self, partition: int, hour: int, stored: StoredHour) -> None:
        """Takes an hour back from the table."""
        counts = {(segmentation, previous, current): count for segmentation, previous, current, count in stored.counts}
        self._hours[partition, hour] = _Hour(stored.offset, counts)
        self._next.setdefault(partition, 0)
        self._newest = hour if self._newest is None else max(self._newest, hour)

    def restore_position(self, partition: int, next_offset: int) -> None:
        """All changes of the partition below `next_offset` are in the hours that were taken back."""
        self._next[partition] = next_offset

    def _of_hour(self, number: int, segmentation: str | None) -> list[Flow]:
        """An hour's moves over all partitions, in order."""
        sums: dict[Move, int] = {}
        for partition in self._next:
            hour = self._hours.get((partition, number))
            for move, count in hour.counts.items() if hour else ():
                if segmentation is None or move[0] == segmentation:
                    sums[move] = sums.get(move, 0) + count
        ordered = sorted(sums.items(), key=lambda item: (item[0][0], item[0][1] or "", item[0][2] or ""))
        return [Flow(hour_text(number), *move, count) for move, count in ordered]

    def _hour(self, at: str) -> int:
        """`hour_of`, looked up by the text up to the hour where that says it all."""
        if not at.endswith("Z"):
            return hour_of(at)
        number = self._hour_of_prefix.get(at[:13])
        if number is None:
            if len(self._hour_of_prefix) > 10_000:
                self._hour_of_prefix.clear()
            number = self._hour_of_prefix[at[:13]] = hour_of(at)
        return number
