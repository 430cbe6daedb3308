"""What is done to a run, and when: drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final, Literal, get_args

from streams.errors import ShoalError
from tests.chaos.armed import Act as Strike
from tests.chaos.armed import Arms
from tests.chaos.crew import LEARNER
from tests.chaos.points import BEGUN, GIVING_UP, POINTS

Kind = Literal[
    "kill", "scale", "freeze", "point", "stall", "clock", "learner", "models",
    "broker", "coordinator", "hole", "cut", "slow", "disk",
]  # fmt: skip
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
GROUND: Final = ("broker", "coordinator", "hole", "cut", "slow", "disk")
"""Kinds that harm the broker or the way to it."""
Act = Literal["kill", "add", "stop", "freeze", "rival", "garbage", "broker", "hole", "cut", "slow", "disk"]
MOST_KINDS = 4
LONGEST_POLL_S = 4.0
"""What the workers of a run with all faults may take between two polls."""
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Fault:
    """At `share` (0 to 1) of the input, `act` on `name`: a worker, the learner, or a way; undone after `seconds`."""

    share: float
    act: Act
    name: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """So many workers at first, with which arms, and what happens then, in order."""

    workers: int
    faults: tuple[Fault, ...]
    arms: tuple[Arms, ...] = ()
    kinds: tuple[Kind, ...] = ()
    usual: Arms = Arms()  # noqa: RUF009 frozen

    @property
    def harms_ground(self) -> bool:
        """Whether the broker is out of reach at times."""
        return any(kind in GROUND for kind in self.kinds)


def kinds(text: str) -> tuple[Kind, ...]:
    """`kill,scale` and the like, or `all`. Raises ShoalError."""
    words = list(KINDS) if text == "all" else text.split(",")
    wrong = [word for word in words if word not in KINDS]
    if wrong:
        alone = "; wall, malformed and splits are runs of their own (make chaos FAULTS=wall)"
        raise ShoalError(f"--faults {text}: {', '.join(wrong)} is none; they are all, or {', '.join(KINDS)}{alone}")
    return tuple(kind for kind in KINDS if kind in words)


class _Draw:
    """The faults of one run as they are drawn."""

    def __init__(self, wanted: tuple[Kind, ...], rng: Random, points: Iterator[str]) -> None:
        self.rng = rng
        self.points = points
        self.workers = 1 if "scale" in wanted else rng.choice((1, 2))
        self.faults: list[Fault] = []
        self.arms: list[Arms] = []

    def add(self, low: float, high: float, act: Act, name: str, seconds: float = 0.0) -> None:
        self.faults.append(Fault(self.rng.uniform(low, high), act, name, seconds))

    def worker(self) -> str:
        return f"work-{self.rng.randrange(self.workers)}"

    def way(self) -> str:
        return self.rng.choice(("A", "B"))

    def kill(self) -> None:
        """Two or three kills of workers, one of the learner in every other run."""
        for _ in range(self.rng.choice((2, 3))):
            self.add(0.02, 0.95, "kill", self.worker(), self.rng.uniform(0.0, 0.5))
        if self.rng.random() < 0.5:
            self.add(0.02, 0.95, "kill", LEARNER, self.rng.uniform(0.0, 0.5))

    def scale(self) -> None:
        """From one worker to two, in one of three runs to four, and back to one."""
        most = self.rng.choice((2, 2, 4))
        for slot in range(1, most):
            self.add(0.1, 0.3, "add", f"work-{slot}")
        for slot in self.rng.sample(range(most), most - 1):
            self.add(0.55, 0.75, "stop", f"work-{slot}")

    def freeze(self) -> None:
        self.add(0.1, 0.8, "freeze", self.worker(), 5.0)

    def point(self) -> None:
        """A worker dies at a named point, and so do its successor and that one's."""
        for _ in range(3):
            self._arm(next(self.points), self.rng.choice(("die", "die", "die soon")), self.rng.uniform(0.0, 0.02))

    def stall(self) -> None:
        self._arm(
            self.rng.choice(("polled", "applied", "stretch swept", "rows written", "offsets sent")), "stall", LONGEST_POLL_S + 2.0
        )

    def coordinator(self) -> None:
        """The broker, and with it the coordinator of transactions, goes away in the middle of a commit."""
        self._arm(self.rng.choice(("all written", "offsets sent", "committed", GIVING_UP)), "kill the broker", 0.0)

    def _arm(self, point: str, act: Strike, seconds: float) -> None:
        passage = self.rng.randint(1, POINTS[point].often)
        self.arms.append(Arms(point=point, passage=passage, act=act, seconds=seconds))

    def clock(self) -> None:
        """The first worker's clock is an hour off."""
        self.arms.insert(0, Arms(ahead_ms=self.rng.choice((-_HOUR_MS, _HOUR_MS))))

    def learner(self) -> None:
        """It is killed, frozen so that its snapshots come late, or started twice by mistake."""
        act: Act = self.rng.choice(("kill", "freeze", "rival"))
        self.add(0.05, 0.8, act, LEARNER, 5.0 if act == "freeze" else 0.2)

    def models(self) -> None:
        """Snapshots and manifests that are none stand in `models`."""
        for _ in range(3):
            self.add(0.0, 0.9, "garbage", LEARNER)

    def broker(self) -> None:
        self.add(0.05, 0.9, "broker", "", self.rng.uniform(0.0, 4.0))

    def hole(self) -> None:
        self.add(0.05, 0.8, "hole", self.way(), self.rng.choice((2.0, 5.0, 12.0)))

    def cut(self) -> None:
        for _ in range(3):
            self.add(0.02, 0.95, "cut", self.way())

    def slow(self) -> None:
        self.add(0.05, 0.5, "slow", self.way(), 4.0)

    def disk(self) -> None:
        self.add(0.1, 0.8, "disk", "", 1.0)


def in_turn(rng: Random) -> Iterator[str]:
    """The named points without end, shuffled, each once before any comes again: many runs together leave none out."""
    while True:
        yield from rng.sample(list(POINTS), len(POINTS))


def draw(wanted: tuple[Kind, ...], rng: Random, points: Iterator[str]) -> Schedule:
    """All wanted kinds in one run; of many, one to four of them. `points`: `in_turn`, of all runs together."""
    chosen = wanted if len(wanted) <= MOST_KINDS else tuple(sorted(rng.sample(wanted, rng.randint(1, MOST_KINDS))))
    drawn = _Draw(chosen, rng, points)
    how: Mapping[Kind, Callable[[], None]] = {kind: getattr(drawn, kind) for kind in KINDS}
    for kind in chosen:
        how[kind]()
    faults = sorted(drawn.faults, key=lambda fault: fault.share)
    # A partition begins once: in the first life, or never.
    arms = sorted(drawn.arms, key=lambda one: one.point != BEGUN)
    return Schedule(drawn.workers, tuple(faults), tuple(arms), chosen)
