"""What the processes of a soak take, and whether it grows; and how late changes are."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.benchmarks.machine import resident

_MB = 1 << 20
MOST_GROWTH = 1.15
"""Of memory, from the middle third of a soak to its last: the median of either."""
LEAST_MINUTES = 10
"""A shorter soak has not seen all of its customers a third before its end."""


@dataclass
class Memory:
    """MB of a part of a deployment over time: (s since the beginning, MB), one a second."""

    seen: list[tuple[float, float]] = field(default_factory=list)

    def look(self, at: float, pids: Iterable[int]) -> None:
        """Adds one."""
        self.seen.append((at, sum(map(resident, pids)) / _MB))

    def third(self, which: int) -> float:
        """The median of the first, second or last third, 0 to 2."""
        n = len(self.seen)
        return statistics.median(mb for _, mb in self.seen[which * n // 3 : (which + 1) * n // 3])

    @property
    def growth(self) -> float:
        """From the middle third to the last, as a ratio."""
        return self.third(2) / self.third(1)

    def __str__(self) -> str:
        thirds = ", ".join(f"{self.third(which):.0f}" for which in range(3))
        return f"{thirds} MB in its thirds (median), {max(mb for _, mb in self.seen):.0f} at most, grown {self.growth:.2f} times"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that a share (0 to 1) of them does not exceed; NaN of none."""
    if not values:
        return math.nan
    return sorted(values)[min(len(values) - 1, math.ceil(share * len(values)) - 1)]


def delays(found: Sequence[float]) -> str:
    """In a sentence. found: seconds."""
    if not found:
        return "none seen"
    shares = ((0.5, "p50"), (0.99, "p99"), (0.999, "p99.9"))
    said = ", ".join(f"{name} {percentile(found, share) * 1000:,.0f} ms" for share, name in shares)
    return f"{said} of {len(found):,} changes"
