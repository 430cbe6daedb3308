"""`shoal simulate`: the simulated shop's events into the input topics."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from itertools import chain
from pathlib import Path

import numpy as np
from rich.console import Console

from streams.replay.errors import ReplayError
from streams.replay.event import RawRecord, ReplayEvent
from streams.replay.pace import Pace
from streams.replay.produce import ReplayReport, run
from streams.replay.progress import progress_bar
from streams.settings import Settings
from streams.simulator.generate import generate_events, write_truth
from streams.simulator.malformed import malformed, mixed
from streams.simulator.population import FIRST_DAY, Config


def simulate(
    settings: Settings,
    customers: int = 20_000,
    days: int = 90,
    seed: int = 1,
    *,
    start: date | None = None,
    drift_at: int | None = None,
    bad: int = 0,
    rate: float | None = None,
    speed: float | None = None,
    trail_days: float = 0.0,
    truth: Path | None = None,
    console: Console | None = None,
) -> ReplayReport:
    """Simulates customers and writes what they do, with ticks where the clock is ticks.

    `start`: first day, UTC. `drift_at`: day on which personas swap habits. `bad`: malformed records among the events of
    the first day. `rate`: events a second, `speed`: event time a second, else as fast as the broker takes them.
    `truth`: file for what each customer really is, JSON lines. Raises ReplayError, TopicError and BrokerError.
    """
    config = Config(customers, days, seed, start or FIRST_DAY, drift_at=drift_at)
    faults = config.faults()
    if faults:
        raise ReplayError("; ".join(faults))
    if truth is not None:
        write_truth(config, truth)
    with progress_bar(console, None, f"{customers:,} simulated customers") as watch:
        return run(settings, _events(config, bad), pace=Pace(rate, speed), trail_days=trail_days, watch=watch)


def _events(config: Config, bad: int) -> Iterable[ReplayEvent | RawRecord]:
    every = generate_events(config)
    first = next(every)
    events: Iterable[ReplayEvent] = chain(first, chain.from_iterable(every))
    if not bad:
        return events
    rng = np.random.Generator(np.random.PCG64([config.seed, 4]))
    return mixed(events, malformed(rng, bad), len(first), rng)
