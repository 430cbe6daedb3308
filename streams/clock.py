"""Clocks: time as an argument, so that tests and audits can hand in their own."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Milliseconds since 1970, and seconds of a clock that never goes back."""

    def now_ms(self) -> int: ...
    def monotonic(self) -> float: ...


class WallClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds."""
        return time.perf_counter()


class ScaledClock:
    """A clock that runs `speed` times as fast from `start_ms` on; anchored at `anchor_ms` of the machine's clock.

    Processes that share start, anchor and speed agree on the time.
    """

    def __init__(self, start_ms: int, speed: float, anchor_ms: int) -> None:
        self._start, self._speed, self._anchor = start_ms, speed, anchor_ms

    def now_ms(self) -> int:
        """Milliseconds since 1970, scaled."""
        return self._start + int((time.time_ns() // 1_000_000 - self._anchor) * self._speed)

    def monotonic(self) -> float:
        """Seconds, not scaled."""
        return time.perf_counter()
