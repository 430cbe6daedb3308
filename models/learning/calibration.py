"""Calibration: Platt's line through a model's own test logits, so that "30 %" happens in three cases of ten.

Source: J. Platt, "Probabilistic outputs for support vector machines" (1999), fitted by Newton's method to a fading
histogram of logits predicted before their labels were learnt.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from models.evaluation import sigmoid
from models.learning.batch import F8, Mask
from models.snapshot import Score

_BINS: Final = 128
_LIMIT: Final = 8.0
_WIDTH: Final = 2 * _LIMIT / _BINS
_HALF_LIFE_MS: Final = 28.0 * 86_400_000.0
_PRIOR: Final = 10.0
"""The identity weighs as much as so many tests."""


class Histogram(msgspec.Struct, frozen=True):
    """Fading counts of test logits by label, `_BINS` each; `at` ms: when they were last faded."""

    at: int = 0
    negatives: list[float] = []
    positives: list[float] = []


def observe(histogram: Histogram, at: int, logits: F8, labels: Mask) -> Histogram:
    """The histogram after these tests at time `at` (ms)."""
    counts = np.zeros((2, _BINS))
    if histogram.positives:
        fade = 0.5 ** ((at - histogram.at) / _HALF_LIFE_MS)
        counts += fade * np.array([histogram.negatives, histogram.positives])
    bins = np.clip((logits + _LIMIT) / _WIDTH, 0, _BINS - 1).astype(np.int64)
    counts[0] += np.bincount(bins[~labels], minlength=_BINS)
    counts[1] += np.bincount(bins[labels], minlength=_BINS)
    # What has faded to nothing is dropped, so that an old histogram does not grow digits.
    counts[counts < 1e-6] = 0.0
    return Histogram(at, counts[0].tolist(), counts[1].tolist())


def fit(histogram: Histogram) -> tuple[float, float]:
    """Slope (> 0) and intercept of the calibrated logit; (1, 0) while there is nothing to fit to."""
    if not histogram.positives:
        return 1.0, 0.0
    counts = np.array([histogram.negatives, histogram.positives])
    if counts[0].sum() < 1.0 or counts[1].sum() < 1.0:
        return 1.0, 0.0
    middles = -_LIMIT + (np.arange(_BINS) + 0.5) * _WIDTH
    total = counts[0] + counts[1]
    slope, intercept = 1.0, 0.0
    for _ in range(50):
        p = sigmoid(slope * middles + intercept)
        excess, weight = counts[1] - total * p, total * p * (1.0 - p)
        g_slope = float((excess * middles).sum()) - _PRIOR * (slope - 1.0)
        g_intercept = float(excess.sum())
        h_ss = float((weight * middles * middles).sum()) + _PRIOR
        h_si = float((weight * middles).sum())
        h_ii = float(weight.sum()) + 1e-9
        determinant = h_ss * h_ii - h_si * h_si
        step_slope = (h_ii * g_slope - h_si * g_intercept) / determinant
        step_intercept = (h_ss * g_intercept - h_si * g_slope) / determinant
        # A Newton step from far away may overshoot.
        slope += min(max(step_slope, -1.0), 1.0)
        intercept += min(max(step_intercept, -2.0), 2.0)
        if abs(step_slope) + abs(step_intercept) < 1e-10:
            break
    if not (0.05 < slope < 20.0 and abs(intercept) < 20.0):
        return 1.0, 0.0
    return slope, intercept


def threshold(histogram: Histogram, slope: float, intercept: float) -> float:
    """The calibrated probability that tells the two labels apart best (Youden's J); .5 while nothing is known."""
    if not histogram.positives:
        return 0.5
    negatives, positives = np.array(histogram.negatives), np.array(histogram.positives)
    if negatives.sum() < 1.0 or positives.sum() < 1.0:
        return 0.5
    # Cutting above bin i: the share of positives above it less the share of negatives above it.
    above = 1.0 - np.cumsum(positives) / positives.sum() - (1.0 - np.cumsum(negatives) / negatives.sum())
    edge = -_LIMIT + (int(np.argmax(above)) + 1) * _WIDTH
    return float(np.clip(sigmoid(np.array(slope * edge + intercept)), 0.01, 0.99))


def score(histogram: Histogram, slope: float, intercept: float) -> Score:
    """How the calibrated model did on its own tests, as far as they have not faded."""
    if not histogram.positives:
        return Score()
    negatives, positives = np.array(histogram.negatives), np.array(histogram.positives)
    total = float((negatives + positives).sum())
    if negatives.sum() < 1.0 or positives.sum() < 1.0:
        return Score(n=round(total))
    p = sigmoid(slope * (-_LIMIT + (np.arange(_BINS) + 0.5) * _WIDTH) + intercept)
    below = np.cumsum(negatives) - negatives
    return Score(
        n=round(total),
        auc=float((positives * (below + 0.5 * negatives)).sum() / (negatives.sum() * positives.sum())),
        log_loss=-float((positives * np.log(p) + negatives * np.log1p(-p)).sum() / total),
        brier=float((positives * (1.0 - p) ** 2 + negatives * p**2).sum() / total),
    )
