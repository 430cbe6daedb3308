"""Score one customer with the champions: churn, purchase, value, nearest kinds of customers."""

from __future__ import annotations

import numpy as np
from numba import njit

from models.features import COUNT, HABITS, INDEX
from models.kernel.tables import F8, Int, Model

CHURN, PURCHASE, VALUE, CHURN_THRESHOLD, PURCHASE_THRESHOLD, VALUE_MID, VALUE_HIGH = range(COUNT, COUNT + 7)
_COUNT = COUNT
_HABITS = np.array(HABITS)
_ORDERS, _AVERAGE, _PACE = INDEX["orders"], INDEX["average_order"], INDEX["orders_per_month"]


@njit(cache=True, inline="always")
def _probability(y: F8, weights: F8, linear: F8, k: Int) -> float:
    z = linear[k, 0]
    for j in range(_COUNT):
        z += y[j] * weights[j]
    return float(1.0 / (1.0 + np.exp(-(linear[k, 1] * z + linear[k, 2]))))


@njit(cache=True)
def score(model: Model, x: F8, y: F8) -> None:
    """Fills x[COUNT:] (scores and thresholds); NaN for a family without a champion. `y`: transformed features."""
    for j in range(_COUNT, _COUNT + 7):
        x[j] = np.nan
    if model.ready[0]:
        x[CHURN] = _probability(y, model.churn, model.linear, 0)
        x[CHURN_THRESHOLD] = model.linear[0, 3]
    if model.ready[1]:
        x[PURCHASE] = _probability(y, model.purchase, model.linear, 1)
        x[PURCHASE_THRESHOLD] = model.linear[1, 3]
        if model.ready[3]:
            v = model.value
            order = (x[_ORDERS] * x[_AVERAGE] + v[2] * v[1]) / (x[_ORDERS] + v[2])
            x[VALUE] = v[0] * x[PURCHASE] * order * max(1.0, x[_PACE] * v[3])
            x[VALUE_MID] = v[4]
            x[VALUE_HIGH] = v[5]


@njit(cache=True)
def nearest(model: Model, y: F8, present: Int) -> tuple[Int, float, float, float]:
    """Id of the nearest cluster, its squared distance, the second's, and that of cluster id `present` (inf if it is gone)."""
    best, first, second, now = 0, np.inf, np.inf, np.inf
    for c in range(model.cluster.shape[0]):
        d = 0.0
        for h in range(_HABITS.shape[0]):
            e = y[_HABITS[h]] - model.centres[c, h]
            d += e * e * model.habit_scale[h]
        if model.cluster[c] == present:
            now = d
        if d < first:
            best, first, second = int(model.cluster[c]), d, first
        elif d < second:
            second = d
    return best, first, second, now
