"""Model quality on real customers, through the real engine: events in, samples matured, learnt, promoted, tested.

Anchors: the best single feature on the same rows, and batch k-means. Floors leave room for .01, as two machines may differ.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from models.evaluation import best_single
from models.features import INDEX
from models.learning import kinds, seeding
from models.learning.batch import F8, transformed
from models.learning.config import DAY_MS, LearnerConfig
from models.learning.kinds import Kinds
from models.learning.scoring import cluster_distances, habits, squared_distances
from models.snapshot import Behaviour
from streams.replay.events import read
from streams.replay.files import online_retail
from tests.quality.engine_run import Played, by_day, play, rand_index, shared

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

RFM = [INDEX["days_since_order"], INDEX["orders"], INDEX["spend_total"]]


@pytest.fixture(scope="module")
def retail() -> Played:
    """A year of Online Retail, which ships with Shoal."""
    return play(by_day(online_retail()))


@pytest.fixture(scope="module")
def cdnow() -> Played:
    """Eighteen months of CDNOW, where the file is there."""
    return play(by_day(read(shared("cdnow_sample_events.parquet"))))


def test_who_will_buy_in_online_retail(retail: Played) -> None:
    score = retail.score("purchase")
    features, bought = retail.tested()
    _, single = best_single(features, bought)
    assert score.n == len(bought) > 80_000
    assert score.auc is not None
    assert score.ece is not None
    assert score.auc >= 0.745
    assert score.auc > single + 0.01
    assert score.ece <= 0.025


def test_who_will_buy_at_cdnow(cdnow: Played) -> None:
    score = cdnow.score("purchase")
    features, bought = cdnow.tested()
    _, single = best_single(features, bought)
    assert score.auc is not None
    assert score.ece is not None
    assert score.auc >= 0.81
    assert score.auc > single
    assert score.ece <= 0.025


def test_who_will_leave(retail: Played) -> None:
    score = retail.score("churn")
    assert score.auc is not None
    assert score.ece is not None
    assert score.auc >= 0.74
    assert score.ece <= 0.025


def test_predicted_spend_adds_up_to_what_was_spent(retail: Played) -> None:
    ratio = retail.score("value").ratio
    assert ratio is not None
    assert 0.85 <= ratio <= 1.15


def test_champions_come_early_and_for_a_reason(retail: Played) -> None:
    first = next(i for i, m in enumerate(retail.manifests) if "purchase" in m.champions)
    assert 30 < first < 50
    versions = [m.champions["purchase"].version for m in retail.manifests[first:]]
    assert versions == sorted(versions)
    assert 10 < len(set(versions)) < 60
    assert all("better than" in m.champions["churn"].reason for m in retail.manifests[100:])


def test_the_learner_s_state_stays_small(retail: Played) -> None:
    assert max(retail.sizes) < 110_000


def test_kinds_keep_their_meaning_from_one_promotion_to_the_next(retail: Played) -> None:
    agreements = list(agreement(retail))
    assert len(agreements) >= 5
    assert np.median(agreements) >= 0.95
    assert min(agreements) >= 0.8


@pytest.mark.parametrize("shop", ["retail", "cdnow"])
def test_online_kinds_are_as_close_to_customers_as_batch_k_means(shop: str, request: pytest.FixtureRequest) -> None:
    played: Played = request.getfixturevalue(shop)
    days = [transformed(b.features[~b.labelled])[:, RFM] for b in played.batches]
    online, batch, apart = rfm_kinds(days)
    assert online / batch <= 1.05
    assert apart >= -0.03


def agreement(played: Played) -> Iterator[float]:
    """Adjusted Rand index of the kinds that two champions in a row give to the customers of that cycle, after two months."""
    before: Behaviour | None = None
    for number, manifest in enumerate(played.manifests):
        if "behaviour" not in manifest.champions:
            continue
        body = played.snapshots[manifest.champions["behaviour"].hash].body
        assert isinstance(body, Behaviour)
        if before is not None and body != before and number > 60:
            rows = np.concatenate([b.features[~b.labelled] for b in played.batches[number - 6 : number + 1]])
            inputs = habits(transformed(rows))
            yield rand_index(ids_given(before, inputs), ids_given(body, inputs))
        before = body


def ids_given(body: Behaviour, inputs: F8) -> np.ndarray:
    ids: np.ndarray = np.array([c.id for c in body.clusters])[cluster_distances(body, inputs).argmin(axis=1)]
    return ids


def rfm_kinds(days: Sequence[F8]) -> tuple[float, float, float]:
    """Five kinds by recency, frequency and money: inertia online and in batch, and how the silhouettes differ."""
    cycle, state = LearnerConfig(partitions=1).cycle_ms, Kinds()
    for number, inputs in enumerate(days):
        state = kinds.learn(state, inputs)
        if kinds.ready(state) and (state.line is None or kinds.seeding_due(state, number * DAY_MS, cycle)):
            state = kinds.seeded(state, number * DAY_MS, np.random.default_rng([1, number]), (5, 5))
    assert state.line is not None
    last = np.concatenate(days[-7:])
    points = (last - last.mean(axis=0)) / last.std(axis=0)
    online = squared_distances(points, (kinds.raw_centres(state.line) - last.mean(axis=0)) / last.std(axis=0))
    batch = seeding.cluster(points, 5, np.random.default_rng(0))
    apart = seeding.silhouette(online) - seeding.silhouette(squared_distances(points, batch.centres))
    return float(online.min(axis=1).mean()), batch.inertia, apart
