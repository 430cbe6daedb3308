"""Watches the champions' losses for drift with river's ADWIN. It raises an alarm for people; it decides nothing.

ADWIN cannot be written down as numbers, so it starts anew with the process, and what it says is no part of a manifest.
Source: Bifet and Gavaldà, "Learning from time-changing data with adaptive windowing" (2007).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from river.drift import ADWIN
from river.stats import Var

from models.snapshot import Tally

_FEWEST: Final = 20
"""Tests of an epoch below which its mean says too little."""
_SETTLED: Final = 30
"""Epochs that say what is usual. ADWIN's bound is made for signals between 0 and 1, so losses are measured against these."""
_REACH: Final = 4.0
"""Usual deviations that fill the half of that range: noise stays small in it, a change of level does not."""
_FALSE: Final = 0.05
"""ADWIN's bound on false alarms."""
_SHOWN_FOR: Final = 7
"""Epochs that an alarm stands."""


@dataclass(slots=True)
class _Family:
    usual: Var = field(default_factory=Var)
    detector: ADWIN = field(default_factory=lambda: ADWIN(delta=_FALSE, clock=1))  # type: ignore[no-untyped-call]
    seen: int = 0
    standing: int = 0

    def update(self, loss: float) -> bool:
        """Whether the loss has risen to another level just now."""
        self.standing = max(0, self.standing - 1)
        self.seen += 1
        if self.seen <= _SETTLED:
            self.usual.update(loss)
            return False
        deviation = max(float(self.usual.get()) ** 0.5, 1e-9)
        before = float(self.detector.estimation)
        signal = 0.5 + (loss - float(self.usual.mean.get())) / (2.0 * _REACH * deviation)
        self.detector.update(min(max(signal, 0.0), 1.0))  # type: ignore[no-untyped-call]
        if not self.detector.drift_detected:
            return False
        risen = float(self.detector.estimation) > before
        # What is usual is learnt anew at the new level.
        self.usual, self.detector, self.seen = Var(), ADWIN(delta=_FALSE, clock=1), 0  # type: ignore[no-untyped-call]
        self.standing = _SHOWN_FOR if risen else self.standing
        return risen


class DriftWatch:
    """One detector a family, fed with the mean loss of each epoch's tests."""

    def __init__(self) -> None:
        self._families: dict[str, _Family] = {}

    def update(self, tallies: Mapping[str, Tally]) -> list[str]:
        """After an epoch: families whose losses have risen to another level just now."""
        fed = [(f, t.log_loss / t.n) for f, t in sorted(tallies.items()) if t.n >= _FEWEST and t.log_loss > 0.0]
        return [family for family, loss in fed if self._families.setdefault(family, _Family()).update(loss)]

    def standing(self) -> dict[str, bool]:
        """Whether an alarm stands, by family watched."""
        return {family: watched.standing > 0 for family, watched in self._families.items()}
