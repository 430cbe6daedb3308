"""What is done to a run, and when: drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal, get_args

from streams.errors import ShoalError
from tests.chaos.crew import LEARNER

Kind = Literal["kill", "scale", "freeze"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Act = Literal["kill", "add", "stop", "freeze"]


@dataclass(frozen=True, slots=True)
class Fault:
    """At `share` (0 to 1) of the input, and `delay_s` later, `act` on `name`; a killed one starts `again_s` later."""

    share: float
    delay_s: float
    act: Act
    name: str
    again_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """So many workers at first, and what happens then, in order."""

    workers: int
    faults: tuple[Fault, ...]


def kinds(text: str) -> tuple[Kind, ...]:
    """`kill,scale` and the like. Raises ShoalError."""
    words = text.split(",")
    wrong = [word for word in words if word not in KINDS]
    if wrong:
        alone = "; wall, malformed and splits are runs of their own (make chaos FAULTS=wall)"
        raise ShoalError(f"--faults {text}: {', '.join(wrong)} is none; they are {', '.join(KINDS)}{alone}")
    return tuple(kind for kind in KINDS if kind in words)


def draw(wanted: tuple[Kind, ...], rng: Random) -> Schedule:
    """Two or three kills of workers, one of the learner in every other run; from one worker to two and back; a freeze."""
    workers = 1 if "scale" in wanted else rng.choice((1, 2))
    faults: list[Fault] = []

    def add(low: float, high: float, act: Act, name: str) -> None:
        faults.append(Fault(rng.uniform(low, high), rng.uniform(0.0, 0.3), act, name, rng.uniform(0.0, 0.5)))

    if "scale" in wanted:
        add(0.1, 0.3, "add", "work-1")
        add(0.55, 0.75, "stop", rng.choice(("work-0", "work-1")))
    if "kill" in wanted:
        for _ in range(rng.choice((2, 3))):
            add(0.02, 0.95, "kill", f"work-{rng.randrange(workers)}")
        if rng.random() < 0.5:
            add(0.02, 0.95, "kill", LEARNER)
    if "freeze" in wanted:
        add(0.1, 0.8, "freeze", f"work-{rng.randrange(workers)}")
    return Schedule(workers, tuple(sorted(faults, key=lambda fault: fault.share)))
