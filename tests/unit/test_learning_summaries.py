"""Calibration, sampling rate, what is usual and what customers are worth."""

import numpy as np
import pytest

from models.evaluation import sigmoid
from models.features import COUNT, INDEX
from models.learning import calibration, summaries
from models.learning.config import DAY_MS, LearnerConfig
from models.learning.rate import next_rate
from models.snapshot import Tally
from streams.learning.drift import DriftWatch

CONFIG = LearnerConfig(partitions=1)


def test_platt_s_line_undoes_what_was_done_to_the_logits() -> None:
    generator = np.random.default_rng(4)
    true = generator.normal(-1.0, 1.2, 30_000)
    labels = generator.random(30_000) < sigmoid(true)
    histogram = calibration.observe(calibration.Histogram(), DAY_MS, (true + 0.7) / 0.5, labels)
    slope, intercept = calibration.fit(histogram)
    assert slope == pytest.approx(0.5, abs=0.03)
    assert intercept == pytest.approx(-0.7, abs=0.05)
    score = calibration.score(histogram, slope, intercept)
    assert score.n == 30_000
    assert score.auc is not None
    assert 0.75 < score.auc < 0.85


@pytest.mark.parametrize("labels", [np.zeros(50, bool), np.ones(50, bool), np.zeros(0, bool)])
def test_without_both_labels_nothing_is_calibrated(labels: np.ndarray) -> None:
    histogram = calibration.observe(calibration.Histogram(), DAY_MS, np.linspace(-3, 3, len(labels)), labels)
    assert calibration.fit(histogram) == (1.0, 0.0)
    assert calibration.threshold(histogram, 1.0, 0.0) == 0.5


def test_useless_logits_give_a_positive_slope_still() -> None:
    generator = np.random.default_rng(4)
    logits = generator.normal(0.0, 2.0, 4_000)
    labels = generator.random(4_000) < sigmoid(-logits)
    slope, _ = calibration.fit(calibration.observe(calibration.Histogram(), DAY_MS, logits, labels))
    assert slope > 0.0


def test_old_tests_fade() -> None:
    up, down = np.full(1_000, 2.0), np.full(1_000, -2.0)
    histogram = calibration.observe(calibration.Histogram(), DAY_MS, up, np.zeros(1_000, bool))
    histogram = calibration.observe(histogram, 29 * DAY_MS, down, np.ones(1_000, bool))
    assert sum(histogram.negatives) == pytest.approx(500.0)
    assert sum(histogram.positives) == 1_000.0


def test_the_threshold_tells_the_labels_apart() -> None:
    generator = np.random.default_rng(8)
    logits = np.concatenate([generator.normal(-2, 0.5, 900), generator.normal(2, 0.5, 100)])
    labels = np.arange(1_000) >= 900
    cut = calibration.threshold(calibration.observe(calibration.Histogram(), 0, logits, labels), 1.0, 0.0)
    assert ((sigmoid(logits) > cut) == labels).mean() > 0.99


@pytest.mark.parametrize("customers", [0, 10, 60_000, 70_000, 500_000, 5_000_000])
def test_an_epoch_stays_below_its_bound(customers: int) -> None:
    k = next_rate(1, customers, CONFIG)
    assert 2 * customers / 7 / k < CONFIG.most_samples
    assert k & (k - 1) == 0
    assert next_rate(k, customers, CONFIG) == k


def test_the_rate_does_not_flip_at_its_edge() -> None:
    edge = next(n for n in range(50_000, 100_000, 100) if next_rate(1, n, CONFIG) == 2)
    assert next_rate(2, edge - 1_000, CONFIG) == 2
    assert next_rate(1, edge - 1_000, CONFIG) == 1
    assert next_rate(2, edge // 3, CONFIG) == 1
    assert next_rate(64, 10, CONFIG) == 1


def rows(n: int, seed: int = 1, **given: float | np.ndarray) -> np.ndarray:
    features = np.random.default_rng(seed).exponential(1.0, (n, COUNT))
    for name, value in given.items():
        features[:, INDEX[name]] = value
    return features


def test_the_usual_customer_is_the_median_of_the_last_epochs() -> None:
    summary = summaries.Summary()
    for epoch in range(20):
        summary = summaries.observe(summary, epoch * DAY_MS, rows(2_000, seed=epoch, orders=float(epoch >= 10)))
    usual = summaries.usual(summary)
    assert usual.median[INDEX["events"]] == pytest.approx(np.log(2.0), rel=0.03)
    assert usual.median[INDEX["orders"]] == 1.0
    assert min(usual.spread) > 0.0
    assert summaries.seen(summary) == 14_000


def test_a_figure_that_most_share_has_a_spread_from_the_others() -> None:
    coupons = np.where(np.arange(1_000) % 5 == 0, 0.8, 0.0)
    usual = summaries.usual(summaries.observe(summaries.Summary(), 0, rows(1_000, coupon_share=coupons)))
    assert usual.median[INDEX["coupon_share"]] == 0.0
    assert 0.1 < usual.spread[INDEX["coupon_share"]] < 0.5


def test_predicted_totals_are_those_realised() -> None:
    generator = np.random.default_rng(6)
    summary, worth = summaries.Summary(), summaries.Worth()
    for epoch in range(30):
        features = rows(500, seed=epoch, orders=3.0, average_order=80.0, orders_per_month=0.5)
        p = generator.uniform(0.1, 0.5, 500)
        spent = 60.0 * (generator.random(500) < p)
        summary = summaries.observe(summary, epoch * DAY_MS, features)
        predicted = summaries.spend(features, p, summary, 30.0)
        worth = summaries.compare(worth, epoch * DAY_MS, float(predicted.sum()), float(spent.sum()))
        worth = summaries.rank(worth, 365.0 / 30.0 * predicted)
    value = summaries.value(worth, summary, 30.0)
    assert value is not None
    assert value.factor == pytest.approx(60.0 / 80.0, rel=0.05)
    assert value.usual_order == 80.0
    mid, high = value.quantiles
    assert mid == pytest.approx(0.3 * 60.0 * 365 / 30, rel=0.07)
    assert high == pytest.approx(0.42 * 60.0 * 365 / 30, rel=0.07)


def test_before_anybody_spent_there_is_no_value_model() -> None:
    assert summaries.value(summaries.Worth(), summaries.Summary(), 30.0) is None
    nothing = summaries.compare(summaries.Worth(), DAY_MS, 100.0, 0.0)
    assert summaries.value(summaries.rank(nothing, np.ones(3)), summaries.Summary(), 30.0) is None


def test_drift_is_seen_when_losses_rise_and_not_while_they_wander() -> None:
    generator = np.random.default_rng(3)
    watch = DriftWatch()
    alarms: list[tuple[int, str]] = []
    for epoch in range(200):
        level = 0.3 if epoch < 120 else 0.42
        n = 400
        alarmed = watch.update({"churn": Tally(n, log_loss=n * (level + 0.02 * generator.normal()))})
        alarms.extend((epoch, family) for family in alarmed)
    assert alarms
    assert all(family == "churn" for _, family in alarms)
    assert 120 <= alarms[0][0] < 155
    assert watch.standing() == {"churn": False}
    assert DriftWatch().update({"churn": Tally(3, log_loss=90.0), "behaviour": Tally(90, inertia=5.0)}) == []


def test_a_challenger_inherits_the_long_comparison_rescaled_to_what_it_predicts() -> None:
    champion = summaries.Worth(at=5, predicted=1_000.0, realised=1_500.0, n=9.0, quantiles=[1.0, 2.0])
    challenger = summaries.Worth(at=5, predicted=60.0, realised=20.0, beside=50.0, n=4.0, quantiles=[1.5, 2.5])
    heir = summaries.succeed(champion, challenger)
    assert (heir.predicted, heir.realised, heir.quantiles) == (1_200.0, 1_500.0, [1.5, 2.5])
    assert summaries.succeed(summaries.Worth(), challenger) == challenger
