"""Laws of the learner's arithmetic: order of arrival, grouping and resuming change nothing."""

from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import SequenceError
from models.evaluation import add, tally
from models.features import COUNT
from models.learning.batch import Batch, Matured, Record, gather
from models.learning.config import LearnerConfig
from models.learning.learner import Learner
from models.learning.matching import match
from models.learning.rate import next_rate
from models.snapshot import Tally
from streams.learning.gathering import Epoch, Gathering
from tests.integration.learner_input import mark_bytes, sample_bytes
from tests.unit.learning_samples import CONFIG, at, progress, records

DAYS = records(26)


def tallies(seed: int, n: int) -> list[Tally]:
    generator = np.random.default_rng(seed)
    sizes = generator.integers(0, 60, n)
    return [tally(generator.normal(0, 3, k), generator.random(k) < 0.4) for k in sizes]


@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(0, 12))
def test_tallies_add_up_however_they_are_grouped(seed: int, n: int, cut: int) -> None:
    parts = tallies(seed, n)
    cut = min(cut, n)
    whole, grouped = add(parts), add((add(parts[:cut]), add(parts[cut:])))
    assert (whole.n, whole.bins, whole.negatives, whole.positives) == (
        grouped.n, grouped.bins, grouped.negatives, grouped.positives,
    )  # fmt: skip
    assert abs(whole.log_loss - grouped.log_loss) < 1e-9 * max(1.0, whole.log_loss)
    assert sum(whole.negatives) + sum(whole.positives) == whole.n


@given(st.integers(0, 2**32))
@settings(max_examples=4)
def test_the_order_of_arrival_changes_nothing(seed: int) -> None:
    random = Random(seed)
    ordered, shuffled = Learner(CONFIG), Learner(CONFIG)
    for epoch, day in enumerate(DAYS):
        mixed = list(day)
        random.shuffle(mixed)
        assert ordered.epoch(at(epoch), gather(day), progress(epoch)) == shuffled.epoch(at(epoch), gather(mixed), progress(epoch))


@given(st.lists(st.integers(0, len(DAYS) - 2), max_size=4))
@settings(max_examples=4)
def test_resuming_any_number_of_times_changes_nothing(stops: list[int]) -> None:
    steady, restless = Learner(CONFIG), Learner(CONFIG)
    for epoch, day in enumerate(DAYS):
        batch = gather(day)
        outcome = steady.epoch(at(epoch), batch, progress(epoch))
        assert restless.epoch(at(epoch), batch, progress(epoch)) == outcome
        if epoch in stops:
            restless = Learner(CONFIG, outcome.state)


numbers = st.floats(allow_nan=True, allow_infinity=True)
outcomes = st.none() | st.builds(Matured, st.integers(-2, 5), st.integers(-2, 5), numbers)
rows = st.builds(
    Record,
    st.text(max_size=6),
    st.integers(0, 3),
    st.lists(numbers, min_size=COUNT, max_size=COUNT) | st.lists(numbers, max_size=3),
    outcomes,
)


@given(st.lists(rows, max_size=8))
@settings(max_examples=60)
def test_whatever_comes_the_batch_is_finite_sorted_and_complete(given_: list[Record]) -> None:
    try:
        batch: Batch = gather(given_)
    except SequenceError:
        keys = [(r.customer_id, r.t0, r.outcome is None) for r in given_]
        assert len(set(keys)) < len(keys)
        return
    assert len(batch) + batch.rejected == len(given_)
    assert np.isfinite(batch.features).all()
    assert np.isfinite(batch.spent).all()
    assert list(batch.ids) == sorted(batch.ids)


points = st.integers(0, 2**32).map(lambda seed: np.random.default_rng(seed))


@given(points, st.integers(0, 8), st.integers(1, 8), st.integers(0, 255))
def test_matched_ids_are_unique_and_in_range(generator: np.random.Generator, old: int, new: int, last: int) -> None:
    ids = generator.permutation(np.arange(1, 256))[:old].tolist()
    found = match(generator.normal(size=(old, 3)), ids, generator.normal(size=(new, 3)), last)
    assert len(set(found.ids)) == new
    assert all(1 <= i <= 255 for i in found.ids)
    assert set(found.born) == set(found.ids) - set(ids)
    assert set(found.ended) == set(ids) - set(found.ids)


@given(st.lists(st.integers(0, 20_000_000), min_size=1, max_size=20), st.integers(1, 60))
def test_the_sampling_rate_keeps_every_epoch_below_its_bound(sizes: list[int], every: int) -> None:
    config = LearnerConfig(partitions=1, sample_every_days=every)
    k = 1
    for customers in sizes:
        k = next_rate(k, customers, config)
        assert 2 * customers / every / k <= config.most_samples
        assert next_rate(k, customers, config) == k


@given(st.integers(0, 2**32), st.integers(1, 4))
@settings(max_examples=30)
def test_epochs_are_the_same_however_partitions_interleave_and_repeat(seed: int, partitions: int) -> None:
    random = Random(seed)
    logs: list[list[bytes]] = [[] for _ in range(partitions)]
    for epoch, day in enumerate(DAYS[:5]):
        shares = [day[i * 7 : i * 7 + 7] for i in range(partitions)]
        for log, share in zip(logs, shares, strict=True):
            log.extend(sample_bytes(record) for record in share)
            log.append(mark_bytes(epoch, len(share), 9))
    gathering = Gathering([0] * partitions, [-1] * partitions, -1)
    places = [0] * partitions
    taken: list[Epoch] = []
    while len(taken) < 5:
        p = random.randrange(partitions)
        if places[p] < len(logs[p]):
            gathering.feed(p, places[p], logs[p][places[p]])
            # Now and then the reader has been set back: what was delivered comes again.
            places[p] = max(0, places[p] - random.randrange(3)) if random.random() < 0.1 else places[p] + 1
        while (epoch_ := gathering.take()) is not None:
            taken.append(epoch_)
    assert [e.epoch for e in taken] == [at(epoch) for epoch in range(5)]
    for epoch, found in enumerate(taken):
        assert sorted(found.records) == sorted(record for i in range(partitions) for record in DAYS[epoch][i * 7 : i * 7 + 7])
        assert found.customers == 9 * partitions
    assert list(taken[-1].offsets) == [len(log) for log in logs]
