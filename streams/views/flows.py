"""Flows by the hour: how many customers moved from which segment to which, at event time, each change counted once.

Every hour of every partition knows the offset of the last change counted in it. A change that is delivered again is at
or below that and is passed over; so a stored hour is right whenever it was stored, and reading again from an older
position than the stored hours' cannot double anything. Change ids would do as well, but would have to be kept.

Records, as the table stores them: `<partition>/<hour>` -> StoredHour, `<partition>/position` -> the next offset.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from streams.views.answers import Flow

HOURS_KEPT = 400 * 24
"""Hours before the newest one that are kept: a year and a month."""

Move = tuple[str, str | None, str | None]
"""Segmentation, previous segment, current segment."""

_POSITION = "position"
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


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(StoredHour).decode


class _Hour:
    __slots__ = ("counts", "offset")

    def __init__(self, offset: int, counts: dict[Move, int]) -> None:
        self.offset, self.counts = offset, counts

    def stored(self) -> StoredHour:
        return StoredHour(self.offset, [(*move, count) for move, count in self.counts.items()])


def hour_of(at: str) -> int:
    """Hours since 1970 of an RFC 3339 time. Raises ValueError."""
    moment = datetime.fromisoformat(at)
    if moment.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone")
    return (moment - _EPOCH) // _HOUR


def hour_text(hour: int) -> str:
    """The beginning of an hour, RFC 3339."""
    return (_EPOCH + hour * _HOUR).strftime("%Y-%m-%dT%H:%M:%SZ")


def _hour_key(place: tuple[int, int]) -> bytes:
    partition, number = place
    return f"{partition}/{hour_text(number)}".encode()


def _place(key: bytes) -> tuple[int, int]:
    partition, _, hour = key.decode().partition("/")
    return int(partition), hour_of(hour)


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

    def take_records(self) -> tuple[dict[bytes, bytes | None], dict[bytes, bytes]]:
        """What to store since the last call, by key: hours (None: too old to keep), then positions.

        Positions are to be stored when all hours are: they say that everything below them is in an hour that is there.
        """
        oldest = (self._newest or 0) - HOURS_KEPT
        stale = sorted(place for place in self._hours if place[1] <= oldest)
        changed, self._dirty = sorted(self._dirty.difference(stale)), set()
        hours: dict[bytes, bytes | None] = {}
        for place in stale:
            del self._hours[place]
            hours[_hour_key(place)] = None
        for place in changed:
            hours[_hour_key(place)] = _encode(self._hours[place].stored())
        positions = {f"{partition}/{_POSITION}".encode(): b"%d" % place for partition, place in self._next.items()}
        return hours, positions

    def offer_again(self, hours: Iterable[bytes]) -> None:
        """Storing the records of these keys failed: they come again with the next call of `take_records`."""
        self._dirty.update(place for place in map(_place, hours) if place in self._hours)

    def take_back(self, records: Mapping[bytes, bytes]) -> None:
        """Takes in what was stored, in any order and from any moment between two writes."""
        for key, value in records.items():
            partition, _, name = key.decode().partition("/")
            if name == _POSITION:
                self._next[int(partition)] = int(value)
            else:
                self._take_back_hour(_place(key), _decode(value))

    def _take_back_hour(self, place: tuple[int, int], stored: StoredHour) -> None:
        partition, number = place
        counts = {(segmentation, previous, current): count for segmentation, previous, current, count in stored.counts}
        self._hours[place] = _Hour(stored.offset, counts)
        self._next.setdefault(partition, 0)
        self._newest = number if self._newest is None else max(self._newest, number)

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
