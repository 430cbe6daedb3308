"""Churn and purchase: one river scaler, two river logistic regressions, learnt sample by sample from matured outcomes.

What is frozen into a snapshot is a running average of the weights (Polyak), which ranks better than the last ones.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
import numpy as np
from river import linear_model, optim, preprocessing
from river.utils import VectorDict

from models.features import COUNT
from models.learning import calibration
from models.learning.batch import F8, Batch, Mask
from models.learning.scoring import raw_logits
from models.snapshot import Logistic

Task = Literal["churn", "purchase"]
TASKS: Final[tuple[Task, ...]] = ("churn", "purchase")

_RATE: Final = 0.01
_AVERAGED_OVER: Final = 2_000
"""Samples that the average of the weights reaches back to."""
_STEP: Final = 50
"""Samples from one look at the weights to the next."""
_SCALED: Final = 128
"""Samples of an epoch that mean and spread are learnt from: enough for them, at a third of the cost of a sample."""
_FLOOR: Final = 0.05
"""Least scale: what has never varied must not become a giant when it first does."""
_CLIP: Final = 6.0
"""Standardised inputs are learnt from as if they were at most so far out, so that no single customer moves a weight by much."""


class Scaler(msgspec.Struct, frozen=True):
    """river's StandardScaler as numbers: samples seen, running mean and variance of each input."""

    n: int = 0
    mean: list[float] = []
    variance: list[float] = []


class Line(msgspec.Struct, frozen=True):
    """One regression as it is being learnt. `seen`, `positives`: samples learnt, and those with the label."""

    weights: list[float] = []
    bias: float = 0.0
    seen: int = 0
    positives: int = 0
    average: list[float] = []
    average_bias: float = 0.0
    tested: calibration.Histogram = calibration.Histogram()


class Classifiers(msgspec.Struct, frozen=True):
    """Everything that is needed to go on learning."""

    scaler: Scaler = Scaler()
    churn: Line = Line()
    purchase: Line = Line()

    def line(self, task: Task) -> Line:
        """The regression of a task."""
        return self.churn if task == "churn" else self.purchase


def labels_of(batch: Batch, rows: Mask, task: Task) -> Mask:
    """Labels of the matured samples: churned (no event in the horizon), bought (an order)."""
    return batch.events[rows] == 0 if task == "churn" else batch.orders[rows] >= 1


def spaced(rows: F8, most: int) -> F8:
    """At most so many of the rows [n, d], evenly spaced: in the order of ids, which says nothing of a customer."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def learn_scaler(scaler: Scaler, inputs: F8) -> Scaler:
    """The scaler after an epoch's samples [n, d], of which it takes a bounded number."""
    inputs = spaced(inputs, _SCALED)
    width = inputs.shape[1]
    keys = range(width)
    means = scaler.mean or [0.0] * width
    variances = scaler.variance or [0.0] * width
    river = preprocessing.StandardScaler._from_state(
        counts=dict.fromkeys(keys, scaler.n),
        means=dict(zip(keys, means, strict=True)),
        vars=dict(zip(keys, variances, strict=True)),
    )
    for row in inputs.tolist():
        river.learn_one(dict(enumerate(row)))  # type: ignore[no-untyped-call]
    return Scaler(scaler.n + len(inputs), [float(river.means[j]) for j in keys], [float(river.vars[j]) for j in keys])


def scale_of(scaler: Scaler, floor: float = _FLOOR) -> F8:
    """Standard deviations [d], never below the floor."""
    scale: F8 = np.maximum(np.sqrt(np.maximum(np.array(scaler.variance), 0.0)), floor)
    return scale


def learn(state: Classifiers, at: int, batch: Batch, inputs: F8) -> Classifiers:
    """The state after the matured samples of a batch, taken through at epoch `at`; `inputs` [n, COUNT] transformed."""
    rows = batch.labelled
    if not rows.any():
        return state
    matured = np.ascontiguousarray(inputs[rows])
    tested = {task: _test(state, task, at, matured, labels_of(batch, rows, task)) for task in TASKS}
    scaler = learn_scaler(state.scaler, matured)
    standard = np.clip((matured - np.array(scaler.mean)) / scale_of(scaler), -_CLIP, _CLIP)
    vectors = [dict(enumerate(row)) for row in standard.tolist()]
    churn, purchase = (_learn_line(state.line(task), vectors, labels_of(batch, rows, task), tested[task]) for task in TASKS)
    return Classifiers(scaler, churn, purchase)


def freeze(state: Classifiers, task: Task) -> Logistic:
    """The present model of a task, calibrated, as a snapshot's body."""
    line = state.line(task)
    slope, intercept = calibration.fit(line.tested)
    return Logistic(
        mean=state.scaler.mean,
        scale=scale_of(state.scaler).tolist(),
        weights=line.average,
        bias=line.average_bias,
        slope=slope,
        intercept=intercept,
        threshold=calibration.threshold(line.tested, slope, intercept),
    )


def _test(state: Classifiers, task: Task, at: int, inputs: F8, labels: Mask) -> calibration.Histogram:
    """The task's histogram of test logits after these samples, before they are learnt."""
    line = state.line(task)
    if line.seen < _AVERAGED_OVER // 10:
        return line.tested
    present = Logistic(state.scaler.mean, scale_of(state.scaler).tolist(), line.average, line.average_bias, 1.0, 0.0, 0.5)
    return calibration.observe(line.tested, at, raw_logits(present, inputs), labels)


def _learn_line(line: Line, vectors: list[dict[int, float]], labels: Mask, tested: calibration.Histogram) -> Line:
    """Learns one sample after the other with river, from explicit weights to explicit weights."""
    model = linear_model.LogisticRegression(optimizer=optim.SGD(_RATE), intercept_lr=_RATE)
    # river has no public way to put weights back; the integer keys keep their order whatever PYTHONHASHSEED says.
    model._weights = VectorDict(dict(enumerate(line.weights or [0.0] * COUNT)))
    model.intercept = line.bias
    model.optimizer.n_iterations = line.seen
    average, average_bias = np.array(line.average or [0.0] * COUNT), line.average_bias
    seen = line.seen
    truths = labels.tolist()
    for start in range(0, len(vectors), _STEP):
        part = vectors[start : start + _STEP]
        for vector, truth in zip(part, truths[start : start + _STEP], strict=True):
            model.learn_one(vector, truth)
        seen += len(part)
        share = max(len(part) / _AVERAGED_OVER, len(part) / seen)
        weights = model.weights
        average += share * (np.array([weights[j] for j in range(COUNT)]) - average)
        average_bias += share * (model.intercept - average_bias)
    weights = model.weights
    return Line(
        weights=[float(weights[j]) for j in range(COUNT)],
        bias=float(model.intercept),
        seen=seen,
        positives=line.positives + int(labels.sum()),
        average=average.tolist(),
        average_bias=float(average_bias),
        tested=tested,
    )
