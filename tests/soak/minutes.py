"""What happens in each minute of a soak: one kind of fault after another, in an order drawn from a seed."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Final

import msgspec

from tests.chaos.armed import Arms
from tests.chaos.crew import Crew
from tests.chaos.hand import Hand
from tests.chaos.schedule import GROUND, KINDS, Fault, draw, in_turn

RULES: Final = "rules"
"""Other definitions come into force."""
_SPREAD_S = 12.0
"""The faults of a minute begin within so many seconds of its own."""
_BACK_S = 25.0
_FIRST = "work-0"
_MORE = "work-2"


def order(rng: Random, *, disk: bool) -> Iterator[str]:
    """Kinds without end, each once before any comes again."""
    kinds = [*(kind for kind in KINDS if disk or kind != "disk"), RULES]
    while True:
        yield from rng.sample(kinds, len(kinds))


@dataclass
class Minutes:
    """Does what a minute's kind says, with `hand`.

    usual: arms of every worker. rules: brings other definitions into force; it is told how often it did so before.
    """

    hand: Hand
    rng: Random
    usual: Arms
    rules: Callable[[int], None]
    _agenda: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _changed: int = 0
    _points: Iterator[str] = field(init=False)

    def __post_init__(self) -> None:
        self._points = in_turn(self.rng)

    def begin(self, kind: str, at: float) -> None:
        """Plans a minute that begins at a time (s)."""
        if kind == RULES:
            self._plan(at, partial(self.rules, self._changed))
            self._changed += 1
        elif kind == "scale":
            self._act(at, Fault(0.0, "add", _MORE))
            self._act(at + _BACK_S, Fault(0.0, "stop", _MORE))
        else:
            known = next(one for one in KINDS if one == kind)
            schedule = draw((known,), self.rng, self._points)
            for fault in schedule.faults:
                self._act(at + fault.share * _SPREAD_S, fault)
            if schedule.arms:
                self._plan(at, partial(self._arm, schedule.arms))
            if kind == "clock":  # and it goes right again
                self._act(at + _BACK_S, Fault(0.0, "kill", _FIRST))
        self.hand.crew.forgiving = kind in GROUND or self.hand.crew.forgiving

    def look(self, now: float) -> None:
        """Does what is due at a time (s)."""
        while self._agenda and self._agenda[0][0] <= now:
            heapq.heappop(self._agenda)[2]()

    @property
    def busy(self) -> bool:
        """Whether something is planned or still to be undone."""
        return bool(self._agenda) or self.hand.busy

    def _plan(self, at: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (at, next(self._numbers), what))

    def _act(self, at: float, fault: Fault) -> None:
        self._plan(at, partial(self.hand.act, fault))

    def _arm(self, arms: Sequence[Arms]) -> None:
        """The first worker is killed; its next lives are armed."""
        crew: Crew = self.hand.crew
        crew.next_arms += [
            msgspec.structs.replace(
                one, speed=self.usual.speed, start_ms=self.usual.start_ms + one.ahead_ms, anchor_ms=self.usual.anchor_ms
            )
            for one in arms
        ]
        self.hand.act(Fault(0.0, "kill", _FIRST))
