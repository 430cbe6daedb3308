"""How fast a replay goes: events a second, a multiple of the events' own time, or as fast as the broker takes them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from streams.replay.errors import ReplayError

_NAP = 0.002
"""Seconds ahead of time that are not worth a sleep."""


@dataclass(frozen=True, slots=True)
class Pace:
    """`rate`: events a second; `speed`: seconds of event time a second; neither: no limit."""

    rate: float | None = None
    speed: float | None = None
    monotonic: Callable[[], float] = field(default=time.perf_counter)
    sleep: Callable[[float], None] = field(default=time.sleep)

    def __post_init__(self) -> None:
        if self.rate is not None and self.speed is not None:
            raise ReplayError("both a rate and a speed are given: choose one")
        for name, value in (("rate", self.rate), ("speed", self.speed)):
            if value is not None and not value > 0:
                raise ReplayError(f"{name} is {value}: it must be above 0")

    @property
    def limited(self) -> bool:
        """Whether it ever waits."""
        return self.rate is not None or self.speed is not None

    def ahead(self, elapsed: float, sent: int, event_ms: int) -> float:
        """Seconds until the next event, `event_ms` after the first, is due when `sent` went out in `elapsed` s."""
        if self.rate is not None:
            return sent / self.rate - elapsed
        if self.speed is not None:
            return event_ms / 1000 / self.speed - elapsed
        return 0.0

    def wait(self, seconds: float) -> None:
        """Sleeps unless it is too short to matter."""
        if seconds > _NAP:
            self.sleep(seconds)
