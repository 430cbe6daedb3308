"""Score one customer with the champions: churn, purchase, value, nearest kinds of customers."""

from __future__ import annotations

import numpy as np

from models.features import COUNT, HABITS, INDEX
from models.kernel.features import transform_one
from models.kernel.jit import flat, inlined
from models.kernel.tables import F8, Int, Model

CHURN, PURCHASE, VALUE, CHURN_THRESHOLD, PURCHASE_THRESHOLD, VALUE_MID, VALUE_HIGH = range(COUNT, COUNT + 7)
_COUNT = COUNT
_HABITS = np.array(HABITS)
_ORDERS, _AVERAGE, _PACE = INDEX["orders"], INDEX["average_order"], INDEX["orders_per_month"]


@inlined
def _probability(z: float, linear: F8, k: Int) -> float:
    return float(1.0 / (1.0 + np.exp(-(linear[k, 1] * z + linear[k, 2]))))


@flat
def score(model: Model, x: F8, y: F8, seen: F8) -> None:
    """Fills y with the transformed features (see `transform`), x[COUNT:] with scores and thresholds.

    NaN for a family without a champion.
    """
    for j in range(_COUNT, _COUNT + 7):
        x[j] = np.nan
    churn, purchase = model.linear[0, 0], model.linear[1, 0]
    for j in range(_COUNT):  # one after the other: each sum waits for its last addition
        transform_one(j, x, y, seen)
        churn += y[j] * model.churn[j]
        purchase += y[j] * model.purchase[j]
    if model.ready[0]:
        x[CHURN] = _probability(churn, model.linear, 0)
        x[CHURN_THRESHOLD] = model.linear[0, 3]
    if model.ready[1]:
        x[PURCHASE] = _probability(purchase, model.linear, 1)
        x[PURCHASE_THRESHOLD] = model.linear[1, 3]
        if model.ready[3]:
            v = model.value
            order = (x[_ORDERS] * x[_AVERAGE] + v[2] * v[1]) / (x[_ORDERS] + v[2])
            x[VALUE] = v[0] * x[PURCHASE] * order * max(1.0, x[_PACE] * v[3])
            x[VALUE_MID] = v[4]
            x[VALUE_HIGH] = v[5]


@flat
def nearest(model: Model, y: F8, present: Int, distances: F8) -> tuple[Int, float, float, float]:
    """Id of the nearest cluster, its squared distance, the second's, and that of cluster id `present` (inf if it is gone)."""
    best, first, second, now = np.int64(0), np.inf, np.inf, np.inf
    kinds = model.cluster.shape[0]
    for c in range(kinds):  # one sum does not wait for another kind's
        d = 0.0
        for h in range(_HABITS.shape[0]):
            e = y[_HABITS[h]] - model.centres[h, c]
            d += e * e * model.habit_scale[h]
        distances[c] = d
    for c in range(kinds):  # without branches: which kind is nearest cannot be guessed
        d, kind = distances[c], np.int64(model.cluster[c])
        now = d if kind == present else now
        closer = d < first
        best = kind if closer else best
        second = first if closer else min(second, d)
        first = d if closer else first
    return best, first, second, now
