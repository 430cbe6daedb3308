"""Simulated personas, whose truth is known: the kinds found are theirs."""

from collections import Counter

import numpy as np
import pytest

from models.learning.config import DAY_MS
from models.row import ROW, SEGMENTATIONS
from streams.simulator.generate import generate_events, truth
from streams.simulator.population import Config
from tests.quality.engine_run import Played, play, rand_index

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SHOP = Config(customers=2_000, days=75, seed=4)


@pytest.fixture(scope="module")
def played() -> Played:
    """Ten weeks of two thousand customers."""
    days = enumerate(generate_events(SHOP))
    return play((SHOP.start_ms + (number + 1) * DAY_MS, events) for number, events in days)


def memberships(played: Played) -> tuple[np.ndarray, np.ndarray]:
    """Persona and kind of each customer, as the engine has it."""
    ids = played.engine.table.ids
    personas = {line.customer.encode(): line.persona for line in truth(SHOP)}
    images = played.engine.table.images(np.arange(len(ids)))
    segments = np.frombuffer(images, ROW)["segment"][:, SEGMENTATIONS.index("behaviour")]
    return np.array([personas[i] for i in ids]), segments


def test_kinds_are_the_personas(played: Played) -> None:
    personas, segments = memberships(played)
    assert rand_index(personas, segments) >= 0.85


def test_each_persona_is_the_heart_of_a_kind_with_a_name_of_its_own(played: Played) -> None:
    personas, segments = memberships(played)
    hearts = {p: Counter(segments[personas == p].tolist()).most_common(1)[0] for p in sorted(set(personas.tolist()))}
    assert len({kind for kind, _ in hearts.values()}) == len(hearts) == 6
    assert all(n > 0.7 * (personas == p).sum() for p, (_, n) in hearts.items())
    names = {c.id: c.name for c in played.kinds().clusters}
    assert len(set(names.values())) == len(names)
    assert "iscount" in names[hearts["discount_seeker"][0]] or "oupon" in names[hearts["discount_seeker"][0]]
    assert "eekend" in names[hearts["weekend_mobile_browser"][0]] or "obile" in names[hearts["weekend_mobile_browser"][0]]
    assert "cart" in names[hearts["cart_abandoner"][0]].lower()


def test_the_quiet_are_known_to_leave(played: Played) -> None:
    auc = played.score("churn").auc
    assert auc is not None
    assert auc >= 0.8
