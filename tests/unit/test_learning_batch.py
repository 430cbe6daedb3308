"""Samples are put in one order; what would poison a model is left out and counted."""

import math

import numpy as np
import pytest

from models.check import decode_snapshot
from models.errors import SequenceError
from models.features import COUNT, LOGGED
from models.learning.batch import Matured, Record, gather, transformed
from models.learning.learner import Learner
from tests.unit.learning_samples import CONFIG, at, progress, records

PLAIN = [1.0] * COUNT


def altered(place: int, value: float) -> list[float]:
    return [value if j == place else x for j, x in enumerate(PLAIN)]


def test_samples_are_in_order_of_id_then_time_then_kind() -> None:
    matured = Matured(1, 0, 0.0)
    given = [
        Record("b", 1, PLAIN, None),
        Record("a", 2, PLAIN, matured),
        Record("a", 2, PLAIN, None),
        Record("a", 1, PLAIN, matured),
    ]
    batch = gather(given)
    assert list(zip(batch.ids, batch.t0.tolist(), batch.labelled.tolist(), strict=True)) == [
        ("a", 1, True), ("a", 2, False), ("a", 2, True), ("b", 1, False),
    ]  # fmt: skip
    assert batch.events.tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(
    "record",
    [
        Record("x", 1, altered(3, math.nan), None),
        Record("x", 1, altered(0, math.inf), None),
        Record("x", 1, altered(7, -math.inf), None),
        Record("x", 1, altered(0, -1.0), None),
        Record("x", 1, altered(5, 1e13), None),
        Record("x", 1, PLAIN[1:], None),
        Record("x", 1, [], None),
        Record("x", 1, PLAIN, Matured(-1, 0, 0.0)),
        Record("x", 1, PLAIN, Matured(1, 1, math.nan)),
        Record("x", 1, PLAIN, Matured(1, 1, 1e13)),
    ],
)
def test_what_would_poison_a_model_is_left_out_and_counted(record: Record) -> None:
    batch = gather([Record("a", 1, PLAIN, None), record, Record("z", 1, PLAIN, None)])
    assert (batch.ids, batch.rejected) == (("a", "z"), 1)
    assert np.isfinite(transformed(batch.features)).all()


def test_a_sample_that_comes_twice_stops_the_learner() -> None:
    with pytest.raises(SequenceError, match="came twice"):
        gather([Record("a", 1, PLAIN, None), Record("b", 1, PLAIN, None), Record("a", 1, PLAIN, None)])
    gather([Record("a", 1, PLAIN, None), Record("a", 1, PLAIN, Matured(0, 0, 0.0)), Record("a", 2, PLAIN, None)])


def test_no_samples_is_an_epoch_too() -> None:
    batch = gather([])
    assert len(batch) == 0
    assert batch.features.shape == (0, COUNT)
    learner = Learner(CONFIG)
    learner.epoch(at(0), batch, progress(0))
    assert learner.state.epoch == at(0)


def test_transformed_takes_logs_where_the_catalogue_says_so() -> None:
    inputs = transformed(np.full((1, COUNT), 3.0))
    assert inputs[0].tolist() == [math.log1p(3.0) if logged else 3.0 for logged in LOGGED]


def test_absurd_but_finite_samples_leave_the_models_finite_and_of_use() -> None:
    days = records(40)
    for day in days[5:]:
        day.append(Record("zz-bot", day[0].t0, [1e11] * COUNT, Matured(4_000_000_000, 4_000_000_000, 1e11)))
        day.append(Record("zz-null", day[0].t0, [0.0] * COUNT, Matured(0, 0, 0.0)))
    learner = Learner(CONFIG)
    for epoch, day in enumerate(days):
        outcome = learner.epoch(at(epoch), gather(day), progress(epoch))
        for name, data in outcome.snapshots:
            decode_snapshot(data, name=name)
    auc = learner.scores()["purchase"].auc
    assert auc is not None
    assert auc > 0.6
