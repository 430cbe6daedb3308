"""Simulated personas, whose truth is known: the kinds found are theirs."""

from collections import Counter

import pytest

from streams.simulator.population import Config
from tests.quality import personas
from tests.quality.engine_run import Played, rand_index

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SHOP = Config(customers=2_000, days=75, seed=4)


@pytest.fixture(scope="module")
def played() -> Played:
    """Ten weeks of two thousand customers."""
    return personas.played(SHOP)


def test_kinds_are_the_personas(played: Played) -> None:
    assert rand_index(*personas.memberships(SHOP, played)) >= 0.85


def test_each_persona_is_the_heart_of_a_kind_with_a_name_of_its_own(played: Played) -> None:
    truth, segments = personas.memberships(SHOP, played)
    hearts = {p: Counter(segments[truth == p].tolist()).most_common(1)[0] for p in sorted(set(truth.tolist()))}
    assert len({kind for kind, _ in hearts.values()}) == len(hearts) == 6
    assert all(n > 0.7 * (truth == p).sum() for p, (_, n) in hearts.items())
    names = {c.id: c.name for c in played.kinds().clusters}
    assert len(set(names.values())) == len(names)
    assert "iscount" in names[hearts["discount_seeker"][0]] or "oupon" in names[hearts["discount_seeker"][0]]
    assert "eekend" in names[hearts["weekend_mobile_browser"][0]] or "obile" in names[hearts["weekend_mobile_browser"][0]]
    assert "cart" in names[hearts["cart_abandoner"][0]].lower()


def test_the_quiet_are_known_to_leave(played: Played) -> None:
    auc = played.score("churn").auc
    assert auc is not None
    assert auc >= 0.8
