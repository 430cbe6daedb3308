"""The champions of one manifest, made ready: arrays for the kernel, names and usual values for the evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.errors import SnapshotError
from models.features import COUNT, HABITS, catalogue_hash
from models.kernel.tables import F8, Model
from models.snapshot import Behaviour, Family, Logistic, Snapshot, Usual, Value


@dataclass(frozen=True, slots=True, eq=False)
class Champions:
    """Who decides. `versions` by family; `median`, `spread` [COUNT] are NaN before the first `usual` snapshot.

    `standard` [3, COUNT]: mean and 1 / scale of churn's inputs are folded away in `model`; what reasons need is kept here:
    churn and purchase weights on standardised inputs are recovered as model weights x spread.
    """

    model: Model
    versions: Mapping[Family, int]
    means: F8
    median: F8
    spread: F8
    cluster_names: Mapping[int, str]
    thresholds: tuple[float | None, float | None, float | None]


def no_champions() -> Champions:
    """Before the first promotion: rules decide alone."""
    return champions({})


def _fold(body: Logistic, linear: F8, k: int) -> F8:
    """Weights on transformed features, with the scaler's mean folded into the bias."""
    scale, weights = np.array(body.scale), np.array(body.weights)
    folded = weights / scale
    bias = body.bias
    for w, m in zip(folded.tolist(), body.mean, strict=True):
        bias -= w * m
    linear[k] = bias, body.slope, body.intercept, body.threshold
    return np.asarray(folded, np.float64)


def champions(snapshots: Mapping[Family, Snapshot]) -> Champions:
    """Raises SnapshotError if a family's body is of another kind or made for other features."""
    faults = [
        f"family {family}: made for features {snapshot.features}, this version has {catalogue_hash()}"
        for family, snapshot in sorted(snapshots.items())
        if snapshot.features != catalogue_hash()
    ]
    bodies = {family: snapshot.body for family, snapshot in snapshots.items()}
    ready, linear = np.zeros(4, np.uint8), np.zeros((2, 4))
    logits: list[F8] = [np.zeros(COUNT), np.zeros(COUNT)]
    means = np.zeros((2, COUNT))
    logistic: tuple[Family, Family] = ("churn", "purchase")
    for k, family in enumerate(logistic):
        body = bodies.get(family)
        if isinstance(body, Logistic):
            logits[k] = _fold(body, linear, k)
            means[k] = body.mean
            ready[k] = 1
        elif body is not None:
            faults.append(f"family {family}: a {type(body).__name__} where a Logistic belongs")
    habit_scale, centres, cluster, margin = np.ones(len(HABITS)), np.zeros((1, len(HABITS))), np.zeros(1, np.uint8), np.ones(1)
    names: dict[int, str] = {}
    behaviour = bodies.get("behaviour")
    if isinstance(behaviour, Behaviour):
        scale, mean = np.array(behaviour.scale), np.array(behaviour.mean)
        habit_scale = 1.0 / (scale * scale)
        centres = np.array([c.centre for c in behaviour.clusters]) * scale + mean
        cluster = np.array([c.id for c in behaviour.clusters], np.uint8)
        margin[0] = behaviour.margin
        names = {c.id: c.name for c in behaviour.clusters}
        ready[2] = 1
    elif behaviour is not None:
        faults.append(f"family behaviour: a {type(behaviour).__name__} where a Behaviour belongs")
    value, value_body = np.zeros(6), bodies.get("value")
    if isinstance(value_body, Value):
        horizon = value_body.horizon_days
        value[:4] = value_body.factor * 365.0 / horizon, value_body.usual_order, value_body.strength, horizon / 30.0
        value[4:] = value_body.quantiles
        ready[3] = 1
    elif value_body is not None:
        faults.append(f"family value: a {type(value_body).__name__} where a Value belongs")
    median, spread, usual = np.full(COUNT, np.nan), np.full(COUNT, np.nan), bodies.get("usual")
    if isinstance(usual, Usual):
        median, spread = np.array(usual.median), np.array(usual.spread)
    elif usual is not None:
        faults.append(f"family usual: a {type(usual).__name__} where a Usual belongs")
    if faults:
        raise SnapshotError("champions", faults)
    across = np.ascontiguousarray(centres.T)
    model = Model(ready, logits[0], logits[1], linear, habit_scale, across, centres.mean(axis=0), cluster, margin, value)
    return Champions(
        model=model,
        versions={family: snapshots[family].version for family in sorted(snapshots)},
        means=means,
        median=median,
        spread=spread,
        cluster_names=names,
        thresholds=(
            float(linear[0, 3]) if ready[0] else None,
            float(linear[1, 3]) if ready[1] else None,
            float(value[5]) if ready[3] else None,
        ),
    )
