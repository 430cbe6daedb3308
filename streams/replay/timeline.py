"""Sets ticks between events: the tick of T = k * period stands after all events before T and before those from T on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from streams.contracts.control import Tick
from streams.replay.errors import ReplayError
from streams.replay.event import RawRecord, ReplayEvent, iso_ms

MAX_GAP = 100_000
"""Ticks between two events; more of them come from a wrong date rather than from a quiet shop."""


def with_ticks(
    events: Iterable[ReplayEvent | RawRecord], period_ms: int, trail_ms: int = 0
) -> Iterator[ReplayEvent | RawRecord | Tick]:
    """Events and ticks in the order of the log; raw records stay between their neighbours.

    The first tick is the first multiple of `period_ms` after the first event, the last one, marked final, the first
    multiple after the last event, or `trail_ms` (rounded up to whole periods) after that. Raises ReplayError when
    events are not in time order, or lie absurdly far apart.
    """
    tick = last = None
    for event in events:
        if isinstance(event, RawRecord):
            yield event
            continue
        if tick is None or last is None:
            tick = next_tick(event.at, period_ms)
        elif event.at < last:
            raise ReplayError(
                f"an event of {iso_ms(event.at)} follows one of {iso_ms(last)}: under ticks they must be in time order"
            )
        last = event.at
        _check_gap(event.at, tick, period_ms)
        while tick <= event.at:
            yield Tick(tick)
            tick += period_ms
        yield event
    if tick is None:
        return
    end = tick + -(-trail_ms // period_ms) * period_ms
    _check_gap(end, tick, period_ms)
    while tick < end:
        yield Tick(tick)
        tick += period_ms
    yield Tick(end, final=True)


def next_tick(at: int, period_ms: int) -> int:
    """The first multiple of the period after `at`."""
    return (at // period_ms + 1) * period_ms


def _check_gap(at: int, tick: int, period_ms: int) -> None:
    if (at - tick) // period_ms > MAX_GAP:
        raise ReplayError(
            f"between {iso_ms(tick)} and {iso_ms(at)} lie more than {MAX_GAP:,} ticks: correct the dates, or raise period_ms"
        )
