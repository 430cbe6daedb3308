"""Score many customers with a snapshot's arrays: the formulas of `models.snapshot`, vectorised.

Sums run along rows by numpy's own reduction, never through BLAS, whose results depend on its threads.
"""

from __future__ import annotations

import numpy as np

from models.features import HABITS, INDEX
from models.learning.batch import F8
from models.snapshot import Behaviour, Logistic

_HABITS = np.array(HABITS)
_ORDERS, _AVERAGE, _PACE = INDEX["orders"], INDEX["average_order"], INDEX["orders_per_month"]


def raw_logits(body: Logistic, inputs: F8) -> F8:
    """Logits before calibration: [n]. `inputs` [n, COUNT] transformed features."""
    weights = np.array(body.weights) / np.array(body.scale)
    folded: F8 = body.bias + ((inputs - np.array(body.mean)) * weights).sum(axis=1)
    return folded


def logits(body: Logistic, inputs: F8) -> F8:
    """Calibrated logits: [n]."""
    return body.slope * raw_logits(body, inputs) + body.intercept


def squared_distances(inputs: F8, centres: F8) -> F8:
    """Squared distances [n, k] of points [n, d] to centres [k, d]."""
    columns = [((inputs - centre) ** 2).sum(axis=1) for centre in centres]
    return np.stack(columns, axis=1)


def habits(inputs: F8) -> F8:
    """The columns of transformed features that tell kinds of customers apart: [n, len(HABITS)]."""
    return np.ascontiguousarray(inputs[:, _HABITS])


def cluster_distances(body: Behaviour, habit_inputs: F8) -> F8:
    """Squared standardised distances [n, k] to the clusters' centres, in their order."""
    standard = (habit_inputs - np.array(body.mean)) / np.array(body.scale)
    return squared_distances(standard, np.array([c.centre for c in body.clusters]))


def order_values(features: F8, usual_order: float, strength: float, horizon_days: float) -> F8:
    """Money expected of a customer who orders in the horizon: shrunken order value x pace. [n] of raw features."""
    orders = features[:, _ORDERS]
    order = (orders * features[:, _AVERAGE] + strength * usual_order) / (orders + strength)
    return order * np.maximum(1.0, features[:, _PACE] * (horizon_days / 30.0))
