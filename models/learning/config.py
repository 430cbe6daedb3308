"""What the learner is told once: horizons, cycle, gate. A change of it takes effect with the next epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class LearnerConfig:
    """Durations in ms or days as named.

    `partitions`: of the topic `samples`. `cycle_ms`: time in which every customer is sampled once, and from one
    candidate to the next. `seed` drives the seeding of clusters, nothing else.
    """

    partitions: int
    period_ms: int = DAY_MS
    horizon_days: float = 30.0
    sample_every_days: float = 7.0
    promotion: Literal["auto", "manual"] = "auto"
    seed: int = 1
    most_samples: int = 20_000
    """An epoch's samples stay below this: then 1 in 2, 4, 8 ... customers is sampled."""

    first_tests: int = 300
    """A first champion needs so many tests, with an area under the curve above `first_auc`."""
    first_labels: int = 20
    first_auc: float = 0.55
    gate_tests: int = 500
    """A challenger needs so many tests beside the champion, and a mean log loss lower by `gate_gain` (nats)."""
    gate_gain: float = 5e-4
    gate_inertia: float = 0.01
    """A challenger of the kinds of customers must be closer to them by this share."""
    gate_clear: float = 10.0
    """A challenger that is better by so many times the gate need not wait until its cycle is over."""

    @property
    def cycle_ms(self) -> int:
        """From one candidate to the next, ms."""
        return max(self.period_ms, round(self.sample_every_days * DAY_MS))
