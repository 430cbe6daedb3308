"""Puts events in the order of their time: ticks must stand after what came before them, and before what came after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from streams.replay.errors import ReplayError
from streams.replay.event import ReplayEvent, iso_ms

IN_MEMORY = 1_000_000
"""Events that are held to be sorted: about half a gigabyte."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """Events in time order. `count`: how many, where they were held. `sorted`: they stood in another order."""

    events: Iterable[ReplayEvent]
    count: int
    first: int
    last: int
    sorted: bool


def in_order(read: Callable[[], Iterator[ReplayEvent]], in_memory: int = IN_MEMORY) -> Ordered:
    """Events sorted by time, those of one time in the order of the file.

    A file of more than `in_memory` events is read twice instead, the first time to check that it is in order. Raises
    ReplayError when there is no event, or a large file is out of order.
    """
    events = read()
    held = list(islice(events, in_memory))
    if not held:
        raise ReplayError("there is no event to replay")
    more = next(events, None)
    if more is None:
        ordered = sorted(held, key=_time)
        return Ordered(ordered, len(held), ordered[0].at, ordered[-1].at, any(map(_differs, ordered, held)))
    return _checked(chain(held, [more], events), read, in_memory)


def _checked(events: Iterable[ReplayEvent], read: Callable[[], Iterator[ReplayEvent]], in_memory: int) -> Ordered:
    count, first, last = 0, 0, 0
    for event in events:
        if count == 0:
            first = last = event.at
        if event.at < last:
            raise ReplayError(
                f"event {count + 1:,} is of {iso_ms(event.at)}, after one of {iso_ms(last)}: a file of more than "
                f"{in_memory:,} events is not sorted in memory; sort it by time first"
            )
        last = event.at
        count += 1
    return Ordered(_Again(read), count, first, last, False)


class _Again:
    """Reads the file once more for each iteration."""

    def __init__(self, read: Callable[[], Iterator[ReplayEvent]]) -> None:
        self._read = read

    def __iter__(self) -> Iterator[ReplayEvent]:
        return self._read()


def _time(event: ReplayEvent) -> int:
    return event.at


def _differs(one: ReplayEvent, other: ReplayEvent) -> bool:
    return one is not other
