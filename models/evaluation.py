"""Scores of predictions: exact ones from arrays, and running ones from tallies that add up over epochs.

A tally keeps a histogram of predicted logits instead of the predictions, so that a month of tests fits into a few
kilobytes and any range of epochs can be scored again. With bins of 1/64 the area under the curve is off by less than .001.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.snapshot import Score, Tally

F8 = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]
I8 = NDArray[np.int64]
Labels = NDArray[np.bool_]

LOGIT_BINS = 1024
LOGIT_LIMIT = 8.0
"""Logits from -8 to 8 in so many bins; what lies beyond falls into the outermost."""

_WIDTH = 2.0 * LOGIT_LIMIT / LOGIT_BINS
_QUANTILE_BINS = 10
_LOWEST = 1e-15


def sigmoid(logits: Floats) -> F8:
    """Probabilities of logits, without overflow. Any shape."""
    e = np.exp(-np.abs(logits))
    probabilities: F8 = np.where(logits >= 0.0, 1.0, e) / (1.0 + e)
    return probabilities


def log_losses(logits: F8, labels: Labels) -> F8:
    """-log of the probability given to what happened, nats, at most 34.5: shape of `logits`."""
    losses: F8 = np.minimum(np.logaddexp(0.0, np.where(labels, -logits, logits)), -np.log(_LOWEST))
    return losses


def auc(scores: F8, labels: Labels) -> float | None:
    """Area under the ROC curve, exact, ties counted half; None while only one label is there."""
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return None
    # Mann and Whitney's count, a step for each distinct score.
    _, step = np.unique(scores, return_inverse=True)
    return _binned_auc(np.bincount(step[~labels], minlength=step.max() + 1), np.bincount(step[labels], minlength=step.max() + 1))


def best_single(features: F8, labels: Labels) -> tuple[int, float]:
    """Column of the feature that ranks best by itself, in either direction, and its area under the curve.

    `features` [n, m]. (0, .5) while only one label is there: what a model must beat to be worth its place.
    """
    best, column = 0.5, 0
    for j in range(features.shape[1]):
        area = auc(features[:, j], labels)
        if area is not None and max(area, 1.0 - area) > best:
            best, column = max(area, 1.0 - area), j
    return column, best


def logit_bin(logits: F8) -> I8:
    """The bin of each logit: int64, same shape."""
    inside = np.clip((logits + LOGIT_LIMIT) / _WIDTH, 0.0, LOGIT_BINS - 1.0)
    return inside.astype(np.int64)


def tally(logits: F8, labels: Labels) -> Tally:
    """The tests of one epoch of a classifier: logits and labels, [n] each."""
    bins = logit_bin(logits)
    positives = np.bincount(bins[labels], minlength=LOGIT_BINS)
    negatives = np.bincount(bins[~labels], minlength=LOGIT_BINS)
    occurring = np.flatnonzero(positives + negatives)
    probabilities = sigmoid(logits)
    return Tally(
        n=len(labels),
        log_loss=float(log_losses(logits, labels).sum()),
        brier=float(((probabilities - labels) ** 2).sum()),
        bins=occurring.tolist(),
        negatives=negatives[occurring].tolist(),
        positives=positives[occurring].tolist(),
    )


def add(tallies: Iterable[Tally]) -> Tally:
    """The sum of tallies, in the order given."""
    n = 0
    log_loss = brier = inertia = predicted = realised = 0.0
    negatives = np.zeros(LOGIT_BINS, np.int64)
    positives = np.zeros(LOGIT_BINS, np.int64)
    for t in tallies:
        if not t.n:
            continue
        n += t.n
        log_loss += t.log_loss
        brier += t.brier
        inertia += t.inertia
        predicted += t.predicted
        realised += t.realised
        if t.bins:
            negatives[t.bins] += np.array(t.negatives, np.int64)
            positives[t.bins] += np.array(t.positives, np.int64)
    occurring = np.flatnonzero(positives + negatives)
    return Tally(
        n, log_loss, brier, inertia, predicted, realised,
        occurring.tolist(), negatives[occurring].tolist(), positives[occurring].tolist(),
    )  # fmt: skip


def pool(tallies: Iterable[Tally]) -> Score:
    """The score over all tests in some tallies of one family: those of any range of manifests."""
    total = add(tallies)
    if not total.n:
        return Score()
    ratio = total.predicted / total.realised if total.realised > 0.0 else None
    if not total.bins:
        inertia = total.inertia / total.n if total.inertia > 0.0 else None
        return Score(n=total.n, inertia=inertia, ratio=ratio)
    negatives, positives = np.array(total.negatives, np.int64), np.array(total.positives, np.int64)
    return Score(
        n=total.n,
        auc=_binned_auc(negatives, positives),
        log_loss=total.log_loss / total.n,
        brier=total.brier / total.n,
        ece=_binned_ece(np.array(total.bins, np.int64), negatives, positives),
        ratio=ratio,
    )


def calibration_error(probabilities: F8, labels: Labels, bins: int = _QUANTILE_BINS) -> float:
    """Expected calibration error over quantile bins: mean distance between what was predicted and what happened."""
    order = np.argsort(probabilities, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return sum(len(part) * abs(float(labels[part].mean() - probabilities[part].mean())) for part in parts) / len(order)


def _binned_auc(negatives: I8, positives: I8) -> float | None:
    n, p = int(negatives.sum()), int(positives.sum())
    if not n or not p:
        return None
    below = np.cumsum(negatives) - negatives
    return float((positives * (below + 0.5 * negatives)).sum() / (n * p))


def _binned_ece(bins: I8, negatives: I8, positives: I8) -> float:
    counts = negatives + positives
    middles = sigmoid(-LOGIT_LIMIT + (bins + 0.5) * _WIDTH)
    total = int(counts.sum())
    # A histogram bin belongs to the quantile bin in which its middle sample lies.
    quantile = ((np.cumsum(counts) - 0.5 * counts) * _QUANTILE_BINS / total).astype(np.int64)
    predicted = np.bincount(quantile, middles * counts, minlength=_QUANTILE_BINS)
    happened = np.bincount(quantile, positives.astype(np.float64), minlength=_QUANTILE_BINS)
    return float(np.abs(predicted - happened).sum() / total)
