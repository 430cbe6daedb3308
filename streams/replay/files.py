"""`shoal replay`: a file, or the real customers that ship with Shoal, into the input topics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path

from rich.console import Console

from streams.replay.errors import BadRows
from streams.replay.event import ReplayEvent, shifted
from streams.replay.events import read
from streams.replay.mapping import Mapping, load_mapping
from streams.replay.order import Ordered, in_order
from streams.replay.pace import Pace
from streams.replay.produce import ReplayReport, run
from streams.replay.progress import progress_bar
from streams.settings import Settings


def replay_file(
    settings: Settings,
    path: Path,
    *,
    mapping: Mapping | None = None,
    skip_bad: bool = False,
    rate: float | None = None,
    speed: float | None = None,
    trail_days: float = 0.0,
    shift_to: int | None = None,
    console: Console | None = None,
) -> ReplayReport:
    """Replays a file of JSON lines, CSV or parquet.

    `rate`: events a second, `speed`: event time a second, else as fast as the broker takes them. `trail_days`: ticks
    after the last event. `shift_to`: time in ms that the last event gets, all others shift as much. Raises ReplayError
    for what is wrong with the file, BrokerError and TopicError.
    """
    pace = Pace(rate, speed)
    bad = BadRows(skip=skip_bad)
    # A large file is read twice; its bad rows are to be counted once.
    counters = iter((bad, BadRows(skip=skip_bad)))
    ordered = in_order(lambda: read(path, mapping, next(counters)))
    say = _sayer(console)
    if bad.count:
        say(f"{path}: {bad.count:,} bad rows left out, the first: {'; '.join(bad.first)}")
    if ordered.sorted:
        say(f"{path} is not in order of time: its {ordered.count:,} events were sorted")
    report = _produce(settings, ordered, path.name, pace, trail_days, shift_to, console)
    return replace(report, skipped=bad.count, sorted=ordered.sorted)


def replay_online_retail(
    settings: Settings,
    *,
    rate: float | None = None,
    speed: float | None = None,
    trail_days: float = 0.0,
    shift_to: int | None = None,
    console: Console | None = None,
) -> ReplayReport:
    """Replays a year of a real shop: 22,190 orders and refunds of 4,372 customers (UCI Online Retail, CC0)."""
    ordered = in_order(online_retail)
    return _produce(settings, ordered, "Online Retail", Pace(rate, speed), trail_days, shift_to, console)


def online_retail() -> Iterator[ReplayEvent]:
    """The events of Online Retail, in order of time."""
    package = files("streams.replay")
    with as_file(package / "online_retail.csv.xz") as path, as_file(package / "online_retail.toml") as mapping:
        yield from read(path, load_mapping(mapping))


def _produce(
    settings: Settings,
    ordered: Ordered,
    what: str,
    pace: Pace,
    trail_days: float,
    shift_to: int | None,
    console: Console | None,
) -> ReplayReport:
    events = ordered.events
    if shift_to is not None:
        events = map(partial(shifted, by_ms=shift_to - ordered.last), events)
    with progress_bar(console, ordered.count, what) as watch:
        return run(settings, events, pace=pace, trail_days=trail_days, watch=watch)


def _sayer(console: Console | None) -> Callable[[str], None]:
    return (lambda text: console.print(text, highlight=False)) if console is not None else (lambda _: None)
