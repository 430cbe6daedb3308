"""Who becomes champion: only tests on samples that nobody had learnt count."""

from dataclasses import replace

import numpy as np
import pytest

from models.evaluation import sigmoid
from models.features import COUNT, catalogue_hash
from models.learning import contest, kind_contest
from models.learning.batch import F8, Mask
from models.learning.config import DAY_MS, LearnerConfig
from models.learning.contest import Contest, Seat
from models.learning.learner import Learner
from models.snapshot import Logistic, Score, Snapshot
from tests.unit.learning_samples import CONFIG, at, batches, learn, progress

GATE = LearnerConfig(partitions=1)
CYCLE = GATE.cycle_ms


def seat(weight: float, created: int = 0, version: int = 1, bias: float = 0.0) -> Seat:
    """A model that looks at the first input alone."""
    body = Logistic([0.0] * COUNT, [1.0] * COUNT, [weight] + [0.0] * (COUNT - 1), bias, 1.0, 0.0, 0.5)
    return Seat(f"{version:064d}", Snapshot("churn", version, created, 9, catalogue_hash(), body, Score()))


def samples(n: int, seed: int = 3) -> tuple[F8, Mask]:
    """Inputs of which the first, with weight 1, tells how probable the label is."""
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=(n, COUNT))
    return inputs, generator.random(n) < sigmoid(inputs[:, 0])


def after_tests(champion: Seat | None, challenger: Seat, n: int) -> Contest:
    return contest.examine(Contest(champion, challenger), *samples(n))[0]


def test_the_first_needs_enough_tests_of_both_labels_and_an_area_above_the_bar() -> None:
    assert not contest.judge(after_tests(None, seat(1.0), GATE.first_tests - 1), DAY_MS, GATE).promote
    won = contest.judge(after_tests(None, seat(1.0), GATE.first_tests), DAY_MS, GATE)
    assert won.promote
    assert "area under the curve" in won.reason
    useless = contest.judge(after_tests(None, seat(0.0), 5_000), DAY_MS, GATE)
    assert (useless.promote, useless.drop) == (False, True)
    inputs, labels = samples(2_000)
    one_label = contest.examine(Contest(None, seat(1.0)), inputs[labels], labels[labels])[0]
    assert contest.judge(one_label, DAY_MS, GATE) == contest.Verdict(False, False, contest.judge(one_label, DAY_MS, GATE).reason)


def test_a_better_challenger_wins_and_a_worse_one_is_dropped_when_its_cycle_is_over() -> None:
    better = after_tests(seat(0.6), seat(0.9, version=2), 5_000)
    assert contest.judge(better, CYCLE, GATE).promote
    assert "better than version 1" in contest.judge(better, CYCLE, GATE).reason
    worse = contest.judge(after_tests(seat(1.0), seat(0.5, version=2), 5_000), CYCLE, GATE)
    assert (worse.promote, worse.drop) == (False, True)
    same = contest.judge(after_tests(seat(1.0), seat(1.0, version=2), 5_000), CYCLE, GATE)
    assert (same.promote, same.drop) == (False, True)


def test_a_small_gain_waits_for_the_cycle_and_a_clear_one_does_not() -> None:
    small = after_tests(seat(0.75), seat(0.95, version=2), 5_000)
    assert not contest.judge(small, CYCLE - 1, GATE).promote
    assert contest.judge(small, CYCLE, GATE).promote
    assert contest.judge(after_tests(seat(-1.0), seat(1.0, version=2), 600), DAY_MS, GATE).promote


def test_too_few_tests_beside_the_champion_decide_nothing() -> None:
    verdict = contest.judge(after_tests(seat(-1.0), seat(1.0), GATE.gate_tests - 1), 10 * CYCLE, GATE)
    assert (verdict.promote, verdict.drop) == (False, False)


def test_the_champion_s_tally_is_that_of_its_calibrated_logits() -> None:
    inputs, labels = samples(400)
    _, tally = contest.examine(Contest(seat(1.0)), inputs, labels)
    assert tally is not None
    p = sigmoid(inputs[:, 0])
    assert tally.brier == pytest.approx(float(((p - labels) ** 2).sum()))
    assert contest.examine(Contest(seat(1.0)), inputs[:0], labels[:0])[1] is None


def test_every_champion_was_tested_before_and_says_why() -> None:
    learner = Learner(CONFIG)
    seen: dict[str, int] = {}
    for epoch, day in enumerate(batches(50)):
        learner.epoch(at(epoch), day, progress(epoch))
        for family, champion in learner.state.champions.items():
            assert champion.reason
            assert champion.promoted_by == "learner"
            frozen = {"churn": learner.state.churn, "purchase": learner.state.purchase, "behaviour": learner.state.behaviour}
            if family in frozen and champion.version != seen.get(family):
                seat_ = frozen[family].champion  # type: ignore[attr-defined]
                assert seat_.snapshot.created < champion.promoted
            seen[family] = champion.version
    assert set(seen) == {"churn", "purchase", "behaviour", "value", "usual"}
    assert seen["purchase"] > 1


def test_under_manual_nothing_that_is_tested_is_promoted_without_a_word() -> None:
    learner = Learner(replace(CONFIG, promotion="manual"))
    outcomes = learn(learner, batches(40))
    assert set(learner.state.champions) <= {"usual"}
    assert learner.state.churn.ready
    assert learner.state.behaviour.ready
    assert b'"ready":true' in outcomes[-1].manifest


def test_kinds_without_champion_or_tests_stay_candidates() -> None:
    empty = kind_contest.KindContest()
    assert not kind_contest.judge(empty, 0, GATE).promote
