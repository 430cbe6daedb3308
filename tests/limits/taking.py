"""A worker on a topic that is full: it takes all of it, and what that costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from streams.settings import Settings
from tests.benchmarks.load import events, write
from tests.limits.input import Event
from tests.limits.looks import Look, Taken, taken
from tests.limits.member import worker
from tests.limits.place import CUSTOMERS, Place, sized

WITHIN_S = 600.0
_WARMING = 200_000
WARM = 0.1
"""Of the events, before the measured ones: compiled code is loaded, most customers are there."""


@dataclass(frozen=True, slots=True)
class Run:
    """How one went. looks: all. peak: MB at most. ready: when all partitions ran, s since 1970."""

    looks: list[Look]
    cost: Taken
    peak: float
    ready: float


def pour(settings: Settings, events: Iterable[Event]) -> None:
    """Writes events to the input."""
    write(settings.bootstrap_servers, settings.topic("events"), events)


def warm(there: Place, scale: float) -> None:
    """Has a worker take some events that are not measured: a broker is slower while its own code is compiled."""
    settings, total = there.deployment("warm"), sized(_WARMING, scale)
    pour(settings, events(total, CUSTOMERS))
    take(settings, there.logs("warm"), total)


def take(settings: Settings, folder: Path, total: int) -> Run:
    """Has a worker take the `total` events that stand in the input. Raises ShoalError when it does not come to the end."""
    with worker(settings, folder) as member:
        ready = member.ready(settings.partitions)
        member.until(lambda look: look.durable >= total, WITHIN_S, f"{total:,} events were not taken")
        member.stop()
        cost = taken(member.looks, round(WARM * total), total)
        return Run(member.looks, cost, max(mb for _, mb in member.memory), ready.at)
