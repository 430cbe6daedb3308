"""The champions' scores of one customer: churn, purchase, value, and the nearest kinds of customers.

The documents are silent here, and the rule was read from the code (`models/champions.py` and the kernel):

- A logit is the bias less every folded weight x mean, in order of the catalogue, plus every transformed feature x folded weight
  in that order; a folded weight is weight / scale.
- A kind's centre is taken back to the transformed features (centre x scale + mean), and distances weigh 1 / (scale x scale).
- The shrunken pace of a value is max(1, orders_per_month x horizon_days / 30); the factors are multiplied as in `_value`.
- There is no value without a champion for purchase, and then no threshold of values either.
- Of two kinds equally far, the one that stands first in the snapshot is the nearest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from models.features import CATALOGUE
from models.snapshot import Behaviour, Family, Logistic, Snapshot, Usual, Value
from tests.oracle.features import total

Figures = dict[str, float | None]
"""Features and scores by name; None: unknown."""

HABITS = tuple(feature.name for feature in CATALOGUE if feature.habit)
NAMES = tuple(feature.name for feature in CATALOGUE)


@dataclass(frozen=True, slots=True)
class Line:
    """A logistic model on transformed features."""

    weights: dict[str, float]
    means: dict[str, float]
    bias: float
    slope: float
    intercept: float
    threshold: float

    def probability(self, y: Mapping[str, float]) -> float:
        logit = self.bias
        for name, weight in self.weights.items():
            logit += y[name] * weight
        try:
            return 1.0 / (1.0 + math.exp(-(self.slope * logit + self.intercept)))
        except OverflowError:
            return 0.0

    def terms(self, y: Mapping[str, float]) -> dict[str, float]:
        """What each feature adds to the logit against the usual customer."""
        return {name: weight * (y[name] - self.means[name]) for name, weight in self.weights.items()}


@dataclass(frozen=True, slots=True)
class Near:
    """The nearest kind, the squared distances to it and to the second nearest, and that to the present kind."""

    kind: int
    first: float
    second: float
    present: float


@dataclass(frozen=True, slots=True)
class Kinds:
    """Kinds of customers: centres by id and their middle, over the transformed habits, and what a squared difference weighs."""

    centres: dict[int, dict[str, float]]
    middle: dict[str, float]
    weight: dict[str, float]
    margin: float

    def near(self, y: Mapping[str, float], present: int) -> Near:
        distances = {kind: self._distance(centre, y) for kind, centre in self.centres.items()}
        ranked = sorted(distances, key=lambda kind: distances[kind])
        second = distances[ranked[1]] if len(ranked) > 1 else math.inf
        return Near(ranked[0], distances[ranked[0]], second, distances.get(present, math.inf))

    def _distance(self, centre: Mapping[str, float], y: Mapping[str, float]) -> float:
        return total((y[h] - centre[h]) * (y[h] - centre[h]) * self.weight[h] for h in HABITS)


@dataclass(frozen=True, slots=True)
class Models:
    """The champions; None: there is none of the family yet. median, spread: of each feature."""

    churn: Line | None = None
    purchase: Line | None = None
    kinds: Kinds | None = None
    value: Value | None = None
    median: dict[str, float] = field(default_factory=dict)
    spread: dict[str, float] = field(default_factory=dict)


def models(snapshots: Mapping[Family, Snapshot]) -> Models:
    """The champions that these snapshots hold."""
    bodies = {family: snapshot.body for family, snapshot in snapshots.items()}
    churn, purchase, behaviour, value = (bodies.get(f) for f in ("churn", "purchase", "behaviour", "value"))
    usual = bodies.get("usual")
    return Models(
        churn=_line(churn) if isinstance(churn, Logistic) else None,
        purchase=_line(purchase) if isinstance(purchase, Logistic) else None,
        kinds=_kinds(behaviour) if isinstance(behaviour, Behaviour) else None,
        value=value if isinstance(value, Value) else None,
        median=_named(usual.median) if isinstance(usual, Usual) else {},
        spread=_named(usual.spread) if isinstance(usual, Usual) else {},
    )


def scores(champions: Models, x: Mapping[str, float], y: Mapping[str, float]) -> Figures:
    """Probabilities, value and the models' own thresholds; None without a champion."""
    churn, purchase, value = champions.churn, champions.purchase, champions.value
    buys = purchase.probability(y) if purchase else None
    valued = value if buys is not None else None
    return {
        "churn": churn.probability(y) if churn else None,
        "purchase": buys,
        "value_365d": _value(valued, buys, x) if valued and buys is not None else None,
        "churn_threshold": churn.threshold if churn else None,
        "purchase_threshold": purchase.threshold if purchase else None,
        "value_mid": valued.quantiles[0] if valued else None,
        "value_high": valued.quantiles[1] if valued else None,
    }


def _value(body: Value, purchase: float, x: Mapping[str, float]) -> float:
    a_year = body.factor * 365.0 / body.horizon_days
    order = (x["orders"] * x["average_order"] + body.strength * body.usual_order) / (x["orders"] + body.strength)
    pace = max(1.0, x["orders_per_month"] * (body.horizon_days / 30.0))
    return a_year * purchase * order * pace


def _named(numbers: list[float]) -> dict[str, float]:
    return dict(zip(NAMES, numbers, strict=True))


def _line(body: Logistic) -> Line:
    weights = {name: w / s for name, w, s in zip(NAMES, body.weights, body.scale, strict=True)}
    bias = body.bias
    for name, mean in zip(NAMES, body.mean, strict=True):
        bias -= weights[name] * mean
    return Line(weights, _named(body.mean), bias, body.slope, body.intercept, body.threshold)


def _kinds(body: Behaviour) -> Kinds:
    scale, mean = dict(zip(HABITS, body.scale, strict=True)), dict(zip(HABITS, body.mean, strict=True))
    centres = {
        cluster.id: {h: place * scale[h] + mean[h] for h, place in zip(HABITS, cluster.centre, strict=True)}
        for cluster in body.clusters
    }
    middle = {h: total(centre[h] for centre in centres.values()) / len(centres) for h in HABITS}
    return Kinds(centres, middle, {h: 1.0 / (scale[h] * scale[h]) for h in HABITS}, body.margin)
