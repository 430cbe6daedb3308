"""Scores agree with their definitions, and tallies with the scores of all tests at once."""

import numpy as np
import pytest

from models.evaluation import add, auc, best_single, calibration_error, log_losses, pool, sigmoid, tally
from models.snapshot import Score, Tally


def predictions(n: int, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    logits = generator.normal(-1.0, 1.5, n)
    return logits, generator.random(n) < sigmoid(0.8 * logits)


def test_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    generator = np.random.default_rng(0)
    scores = generator.integers(0, 12, 80).astype(float)
    labels = generator.random(80) < 0.4
    pairs = [1.0 if p > n else 0.5 if p == n else 0.0 for p in scores[labels] for n in scores[~labels]]
    assert auc(scores, labels) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_auc_needs_both_labels() -> None:
    assert auc(np.arange(3.0), np.ones(3, bool)) is None
    assert auc(np.arange(3.0), np.zeros(3, bool)) is None


def test_pooled_tallies_score_like_all_tests_at_once() -> None:
    logits, labels = predictions(20_000)
    days = zip(np.array_split(logits, 30), np.array_split(labels, 30), strict=True)
    score = pool(tally(z, y) for z, y in days)
    p = sigmoid(logits)
    assert score.n == 20_000
    exact = auc(logits, labels)
    assert exact is not None
    assert score.auc == pytest.approx(exact, abs=1e-3)
    assert score.log_loss == pytest.approx(float(-np.where(labels, np.log(p), np.log1p(-p)).mean()), rel=1e-12)
    assert score.brier == pytest.approx(float(((p - labels) ** 2).mean()), rel=1e-12)
    assert score.ece == pytest.approx(calibration_error(p, labels), abs=2e-3)


def test_a_calibrated_model_has_a_small_error_and_a_bold_one_a_large() -> None:
    logits, labels = predictions(50_000)
    honest, bold = pool([tally(0.8 * logits, labels)]).ece, pool([tally(4.0 * logits, labels)]).ece
    assert honest is not None
    assert bold is not None
    assert honest < 0.01 < 0.1 < bold


def test_extreme_logits_are_counted_and_cost_a_finite_loss() -> None:
    logits, labels = np.array([1e6, -1e6, 1e6]), np.array([True, False, False])
    score = pool([tally(logits, labels)])
    assert score.auc == pytest.approx(0.75)
    assert log_losses(logits, labels).tolist() == pytest.approx([0.0, 0.0, -np.log(1e-15)])


def test_nothing_tested_scores_nothing() -> None:
    assert pool([]) == Score()
    assert pool([Tally(0)]) == Score()
    assert add([Tally(0), Tally(0)]) == Tally(0)


def test_distances_and_spend_pool_too() -> None:
    assert pool([Tally(10, inertia=5.0), Tally(30, inertia=35.0)]) == Score(n=40, inertia=1.0)
    assert pool([Tally(10, predicted=50.0, realised=30.0), Tally(1, predicted=10.0, realised=20.0)]).ratio == pytest.approx(1.2)


def test_the_best_single_feature_may_point_either_way() -> None:
    labels = np.array([False, False, True, True])
    features = np.array([[0.0, 9.0, 1.0], [0.0, 8.0, 2.0], [0.0, 1.0, 1.5], [0.0, 2.0, 3.0]])
    assert best_single(features, labels) == (1, 1.0)
