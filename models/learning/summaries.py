"""What is usual, and what customers are worth: running summaries that hold a fixed number of figures."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from models.features import COUNT, INDEX
from models.learning.batch import F8
from models.learning.config import DAY_MS
from models.learning.scoring import order_values
from models.snapshot import Usual, Value

_WINDOW: Final = 7
"""Epochs that medians are averaged over: those of a cycle of daily epochs, so that each customer has been looked at."""
_NORMAL: Final = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""
_MEAN_NORMAL: Final = 1.2533
_LEAST: Final = 0.01
_HALF_LIFE_MS: Final = 28.0 * DAY_MS
_STRENGTH: Final = 1.5
_QUANTILES: Final = (0.5, 0.8)


class Middle(msgspec.Struct, frozen=True):
    """One epoch's medians and spreads [COUNT] of n customers, rounded to six digits."""

    n: int
    median: list[float]
    spread: list[float]


class Summary(msgspec.Struct, frozen=True):
    """The last epochs' middles, and the fading mean of the usual order (weight `orders`)."""

    middles: list[Middle] = []
    at: int = 0
    orders: float = 0.0
    usual_order: float = 0.0


class Worth(msgspec.Struct, frozen=True):
    """How a purchase model's predicted spend compares with what was spent, fading; and quantiles of value at factor 1.

    `beside`: what the champion predicted for the same samples, for a challenger. `n`: customers behind the quantiles.
    """

    at: int = 0
    predicted: float = 0.0
    realised: float = 0.0
    beside: float = 0.0
    n: float = 0.0
    quantiles: list[float] = []


def observe(summary: Summary, at: int, features: F8) -> Summary:
    """After the customers of an epoch: raw features [n, COUNT], not matured."""
    if not len(features):
        return summary
    median = np.median(features, axis=0)
    distances = np.abs(features - median)
    spread = _NORMAL * np.median(distances, axis=0)
    # Most customers share the value: then the mean distance says more.
    spread = np.where(spread > 0.0, spread, _MEAN_NORMAL * distances.mean(axis=0))
    middle = Middle(len(features), _rounded(median), _rounded(spread))
    buyers = features[:, INDEX["orders"]] > 0.0
    fade = 0.5 ** ((at - summary.at) / _HALF_LIFE_MS)
    orders = summary.orders * fade + float(buyers.sum())
    mean = summary.usual_order
    if buyers.any():
        here = float(np.median(features[buyers, INDEX["average_order"]]))
        mean += float(buyers.sum()) / orders * (here - mean)
    return Summary([*summary.middles, middle][-_WINDOW:], at, orders, mean)


def usual(summary: Summary) -> Usual:
    """The middle customer of the last epochs."""
    weights = np.array([float(m.n) for m in summary.middles])
    weights /= weights.sum()
    median, spread = np.zeros(COUNT), np.zeros(COUNT)
    for weight, middle in zip(weights.tolist(), summary.middles, strict=True):
        median += weight * np.array(middle.median)
        spread += weight * np.array(middle.spread)
    return Usual(_rounded(median), _rounded(np.maximum(spread, _LEAST)))


def seen(summary: Summary) -> int:
    """Customers behind the summary's window."""
    return sum(middle.n for middle in summary.middles)


def compare(worth: Worth, at: int, predicted: float, realised: float, beside: float = 0.0) -> Worth:
    """After an epoch's matured samples: sums of predicted (factor 1) and realised spend, and of the champion's prediction."""
    fade = 0.5 ** ((at - worth.at) / _HALF_LIFE_MS)
    return msgspec.structs.replace(
        worth,
        at=at,
        predicted=worth.predicted * fade + predicted,
        realised=worth.realised * fade + max(realised, 0.0),
        beside=worth.beside * fade + beside,
    )


def succeed(champion: Worth, challenger: Worth) -> Worth:
    """What a challenger takes over as it becomes champion.

    Spend has a heavy tail, and a challenger has seen weeks of it at most: so it inherits the champion's long comparison,
    rescaled by what the two predicted for the same samples, which hardly varies.
    """
    if champion.predicted <= 0.0 or challenger.beside <= 0.0:
        return challenger
    predicted = champion.predicted * challenger.predicted / challenger.beside
    return msgspec.structs.replace(
        champion, predicted=predicted, n=challenger.n, quantiles=challenger.quantiles or champion.quantiles
    )


def rank(worth: Worth, values: F8) -> Worth:
    """After an epoch's customers: their 365-day values at factor 1."""
    if not len(values):
        return worth
    here = np.quantile(values, _QUANTILES)
    n = min(worth.n, 4.0 * _WINDOW * len(values)) + len(values)
    before = np.array(worth.quantiles or here)
    return msgspec.structs.replace(worth, n=n, quantiles=(before + len(values) / n * (here - before)).tolist())


def value(worth: Worth, summary: Summary, horizon_days: float) -> Value | None:
    """The value model that goes with a purchase model; None before anything was spent and ranked."""
    if worth.predicted <= 0.0 or worth.realised <= 0.0 or not worth.quantiles:
        return None
    factor = float(np.clip(worth.realised / worth.predicted, 0.1, 10.0))
    mid, high = (factor * q for q in worth.quantiles)
    return Value(float(horizon_days), factor, summary.usual_order, _STRENGTH, [mid, max(mid, high)])


def spend(features: F8, probabilities: F8, summary: Summary, horizon_days: float) -> F8:
    """Predicted spend in the horizon at factor 1, [n] of raw features."""
    return probabilities * order_values(features, summary.usual_order, _STRENGTH, horizon_days)


def moved(before: Value, after: Value) -> bool:
    """Whether a new value model says something else than the present one: by more than a tenth."""
    pairs = [(before.factor, after.factor), *zip(before.quantiles, after.quantiles, strict=True)]
    return any(abs(a - b) > 0.1 * max(abs(b), 1e-9) for b, a in pairs)


def _rounded(values: F8) -> list[float]:
    return [float(f"{v:.6g}") for v in values.tolist()]
