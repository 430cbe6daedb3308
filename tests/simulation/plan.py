"""What a seed says of one schedule: its input, its workers, and which faults may strike how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Final

from tests.chaos.line import Line, Twists, shop

LINES: Final = 24
"""Different inputs; schedules take them in turn, so that each undisturbed run serves many."""
PARTITIONS: Final = 2
_CUSTOMERS, _DAYS = 6, 6

STEP_FAULTS: Final = ("kill", "abort", "expire", "request lost", "reply lost", "abort in commit", "kill in commit")
"""Strike at a step of a worker."""
TURN_FAULTS: Final = ("zombie", "join", "leave", "time out", "clean", "late marker", "late model", "misheard")
"""Strike between two turns. clean: the log cleaner; time out: a transaction's time is over; misheard: who was expelled hears
that its partitions are revoked."""
FAULTS: Final = (*STEP_FAULTS, *TURN_FAULTS)


@dataclass(frozen=True, slots=True)
class Plan:
    """A schedule before it runs. `rates`: of each fault that may strike, a share of steps or turns; the others never do.

    storm: turns after which nothing strikes any more, so that every schedule ends.
    """

    seed: int
    line: int
    workers: int
    batch: int
    sweep_cap: int
    stride_s: float
    storm: int
    rates: dict[str, float]


def draw(seed: int, rates: Mapping[str, float] | None = None) -> Plan:
    """The plan of a seed, or one whose faults are these.

    Some schedules see one fault only, others nearly all, so that rare pairs of them meet.
    """
    rng = Random(seed)
    share = rng.choice((0.15, 0.5, 0.9))
    chosen = [fault for fault in FAULTS if rng.random() < share] or [rng.choice(FAULTS)]
    drawn = {fault: rng.choice((0.001, 0.005, 0.02)) for fault in chosen}
    return Plan(
        seed=seed,
        line=seed % LINES,
        workers=rng.choice((1, 2, 2, 3)),
        batch=rng.choice((1, 5, 40, 2_000)),
        sweep_cap=rng.choice((10, 10, 20_000)),
        stride_s=rng.choice((0.002, 0.01, 0.2)),
        storm=rng.choice((100, 400, 1_000)),
        rates=drawn if rates is None else dict(rates),
    )


def in_transactions(line: int) -> int:
    """In transactions of how many records an input was written, whose markers leave gaps between offsets; 0: in none."""
    return 7 if line % 3 == 0 else 0


@cache
def line_of(number: int) -> Line:
    """Input `number`: a few customers, some days, and all that a worker must cope with."""
    return shop(_CUSTOMERS, _DAYS, PARTITIONS, 1 + number, Twists(0.1, 0.1, bad=2, commands=3, repeated_ticks=1))
