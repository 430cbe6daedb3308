"""Kinds of customers: found where they are, kept under their ids, called by names that stay."""

import numpy as np
import pytest

from models.features import HABITS, INDEX, NAMES
from models.learning import kinds, seeding
from models.learning.batch import F8
from models.learning.config import DAY_MS
from models.learning.matching import match
from models.learning.naming import portraits
from models.learning.scoring import squared_distances
from models.snapshot import Behaviour

WIDTH = len(HABITS)
PLACE = {NAMES[i]: j for j, i in enumerate(HABITS)}


def blobs(generator: np.random.Generator, centres: F8, n: int, spread: float = 0.4) -> tuple[F8, np.ndarray]:
    """n points, each near one of the centres [k, d], and which."""
    members = generator.integers(0, len(centres), n)
    return centres[members] + spread * generator.normal(size=(n, centres.shape[1])), members


def corners(k: int, width: int = WIDTH) -> F8:
    """k places far from each other, all coordinates positive."""
    return 3.0 + 3.0 * np.eye(width)[:k]


def test_seeding_finds_what_is_there_whatever_the_draw() -> None:
    truth = corners(6)
    points, members = blobs(np.random.default_rng(1), truth, 600)
    for seed in range(5):
        found = seeding.cluster(points, 6, np.random.default_rng(seed))
        pairs = {(a, b) for a, b in zip(members.tolist(), found.members.tolist(), strict=True)}
        assert len(pairs) == 6
        assert found.inertia == pytest.approx(float(((points - truth[members]) ** 2).sum(axis=1).mean()), rel=0.03)


def test_seeding_bears_equal_points() -> None:
    found = seeding.cluster(np.ones((50, 3)), 5, np.random.default_rng(0))
    assert found.inertia == 0.0
    assert np.isfinite(found.centres).all()


def test_the_silhouette_is_best_at_the_true_number() -> None:
    points, _ = blobs(np.random.default_rng(2), corners(6), 800)
    scores = {
        k: seeding.silhouette(squared_distances(points, seeding.cluster(points, k, np.random.default_rng(0)).centres))
        for k in range(4, 9)
    }
    assert max(scores, key=scores.__getitem__) == 6


def fed(days: int, centres: F8, state: kinds.Kinds | None = None, seed: int = 5) -> kinds.Kinds:
    generator = np.random.default_rng(seed)
    state = state or kinds.Kinds()
    for _ in range(days):
        state = kinds.learn(state, blobs(generator, centres, 150)[0])
    return state


def enthroned(state: kinds.Kinds, before: Behaviour | None) -> tuple[kinds.Kinds, Behaviour, list[str]]:
    """The line's portrait as the new champion, and what is said of it."""
    state, body = kinds.portrayed(state, before)
    state, notes = kinds.promoted(state, before, body)
    return state, body, notes


def test_reseeding_the_same_customers_keeps_every_id_and_name() -> None:
    state = kinds.seeded(fed(4, corners(6)), DAY_MS, np.random.default_rng(1))
    state, first, _ = enthroned(state, None)
    assert [c.id for c in first.clusters] == [1, 2, 3, 4, 5, 6]
    champion = first
    for seed in range(4):
        state = fed(3, corners(6), state, seed=seed)
        state = kinds.seeded(state, DAY_MS * (10 + seed), np.random.default_rng(seed + 50))
        state, champion, notes = enthroned(state, champion)
        assert notes == []
        assert [(c.id, c.name) for c in champion.clusters] == [(c.id, c.name) for c in first.clusters]


def test_a_kind_that_goes_ends_and_a_new_one_gets_an_id_of_its_own() -> None:
    state = kinds.seeded(fed(4, corners(6)), DAY_MS, np.random.default_rng(1))
    state, first, _ = enthroned(state, None)
    changed = np.vstack([corners(5), 3.0 + 3.0 * np.eye(WIDTH)[9]])
    # The line's own centre of the one that ended may have moved to the new one by now; its id has not.
    state = kinds.seeded(fed(12, changed, state), 20 * DAY_MS, np.random.default_rng(2))
    state, second, notes = enthroned(state, first)
    gone = ({1, 2, 3, 4, 5, 6} - {c.id for c in second.clusters}).pop()
    assert [note.split(":")[0] for note in notes] == ["kind 7 was born", f"kind {gone} ended"]
    again = kinds.seeded(state, 30 * DAY_MS, np.random.default_rng(3))
    _, third, notes = enthroned(again, second)
    assert {c.id for c in third.clusters} == {c.id for c in second.clusters}
    assert notes == []


def test_ids_of_a_challenger_that_loses_are_given_again() -> None:
    state = kinds.seeded(fed(4, corners(6)), DAY_MS, np.random.default_rng(1))
    state, first, _ = enthroned(state, None)
    changed = fed(12, np.vstack([corners(5), 3.0 + 3.0 * np.eye(WIDTH)[9]]), state)
    changed, lost = kinds.portrayed(changed, first)
    _, won = kinds.portrayed(changed, first)
    assert {c.id for c in lost.clusters} == {c.id for c in won.clusters}
    assert changed.last_id == 6


def test_an_older_version_promoted_again_brings_its_names_back() -> None:
    state = kinds.seeded(fed(4, corners(6)), DAY_MS, np.random.default_rng(1))
    state, first, _ = enthroned(state, None)
    changed = fed(12, np.vstack([corners(5), 3.0 + 3.0 * np.eye(WIDTH)[9]]), state)
    changed, second, _ = enthroned(changed, first)
    back, notes = kinds.promoted(changed, second, first)
    assert {kind.id: kind.named.name for kind in back.named} == {c.id: c.name for c in first.clusters}
    assert any("kind 7 ended" in note for note in notes)


def test_the_pool_and_the_state_are_bounded() -> None:
    state = fed(60, corners(5))
    assert len(state.pool) == 512
    large = kinds.learn(state, blobs(np.random.default_rng(0), corners(5), 20_000)[0])
    assert len(large.pool) == 512


def test_a_line_follows_customers_that_move() -> None:
    state = kinds.seeded(fed(4, corners(5)), DAY_MS, np.random.default_rng(1), (5, 5))
    moved = fed(30, corners(5) + 0.5, state)
    assert moved.line is not None
    raw = np.array(moved.line.centres) * np.array(moved.line.scale) + np.array(moved.line.mean)
    nearest = squared_distances(corners(5) + 0.5, raw).min(axis=1)
    assert float(nearest.max()) < 0.1


def test_seeding_is_due_after_a_cycle_then_each_second_or_when_a_kind_has_nobody_left() -> None:
    week = 7 * DAY_MS
    state = kinds.seeded(fed(4, corners(5)), week, np.random.default_rng(1), (5, 5))
    assert not kinds.seeding_due(state, 2 * week - 1, week)
    assert kinds.seeding_due(state, 2 * week, week)
    state = kinds.seeded(state, 2 * week, np.random.default_rng(2), (5, 5))
    assert not kinds.seeding_due(state, 3 * week, week)
    assert kinds.seeding_due(state, 4 * week, week)
    alone = fed(60, corners(4), state)
    assert kinds.seeding_due(alone, 3 * week, week)


def test_matching_prefers_the_continuation_of_each() -> None:
    old = np.array([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]])
    new = np.array([[0.1, 5.2], [0.3, 0.1], [5.1, -0.2]])
    assert match(old, [4, 9, 2], new, 9) == ([2, 4, 9], [], [])


def test_ids_go_round_and_skip_those_in_use() -> None:
    old = np.array([[0.0, 0.0], [5.0, 0.0]])
    new = np.array([[0.0, 0.1], [5.0, 0.1], [50.0, 50.0], [-50.0, 50.0]])
    assert match(old, [1, 255], new, 254) == ([1, 255, 2, 3], [2, 3], [])
    assert match(np.zeros((0, 2)), [], new, 0).ids == [1, 2, 3, 4]


def customer(**habits: float) -> F8:
    row = np.zeros(WIDTH)
    for name, value in habits.items():
        row[PLACE[name]] = value
    return row


USUAL, SPREAD = customer(average_order=4.0, orders_per_month=0.7), np.ones(WIDTH)


@pytest.mark.parametrize(
    ("habits", "name"),
    [
        ({"night_share": 2.0, "mobile_share": 1.5, "conversion": -1.0}, "Late-night mobile browsers"),
        ({"discount_share": 3.0, "orders_per_month": 2.0}, "Discount-driven frequent buyers"),
        ({"weekend_share": 2.0, "mobile_share": 1.0}, "Weekend mobile customers"),
        ({"abandonment": 2.0}, "Cart abandoners"),
        ({}, "Middle-of-the-road customers"),
    ],
)
def test_names_are_words_for_what_stands_out(habits: dict[str, float], name: str) -> None:
    centre = USUAL + customer(**habits)
    (portrait,) = portraits([1], centre[None], USUAL, SPREAD, {})
    assert portrait.named.name == name
    assert portrait.description.endswith(".")
    assert set(portrait.distinct) >= set(habits)


def test_those_who_never_bought_are_called_so() -> None:
    centre = customer(mobile_share=1.0)
    (portrait,) = portraits([1], centre[None], USUAL, SPREAD, {})
    assert portrait.named.name == "Mobile visitors yet to buy"


def test_names_are_unique_and_a_true_one_stays() -> None:
    centres = np.stack([USUAL + customer(night_share=2.0, evening_share=e) for e in (0.0, 0.1, 1.0)])
    found = portraits([1, 2, 3], centres, USUAL, SPREAD, {})
    names = [portrait.named.name for portrait in found]
    assert len(set(names)) == 3
    before = {3: found[2].named}
    louder = centres.copy()
    louder[2, PLACE["weekend_share"]] = 4.0
    assert portraits([1, 2, 3], louder, USUAL, SPREAD, before)[2].named == before[3]
    no_more = centres.copy()
    no_more[2] = USUAL + customer(weekend_share=4.0)
    assert portraits([1, 2, 3], no_more, USUAL, SPREAD, before)[2].named.name == "Weekend customers"


def test_every_habit_has_words() -> None:
    for name in PLACE:
        for sign in (-2.0, 2.0):
            (portrait,) = portraits([1], (USUAL + customer(**{name: sign}))[None], USUAL, SPREAD, {})
            assert portrait.named.name
            assert portrait.distinct[0] == name
    assert set(PLACE) == {NAMES[i] for i in HABITS} <= set(INDEX)
