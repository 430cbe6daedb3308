"""A line of two weeks, and whole workers on the in-memory cluster that take it; fixtures are taken in by name."""

from __future__ import annotations

import pytest

from streams.settings import Settings
from tests.chaos.line import Line, Twists, shop
from tests.chaos.twin import Twin, synthetic_models

PARTITIONS = 3


def settings(**given: object) -> Settings:
    options = {"prefix": "shoal.", "clock": "ticks", "partitions": PARTITIONS, "horizon_days": 5, "sample_every_days": 2, **given}
    return Settings(**options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def line() -> Line:
    return shop(60, 14, PARTITIONS, 1, Twists(bad=46, commands=40, repeated_ticks=2))


@pytest.fixture(scope="module")
def reference(line: Line) -> Twin:
    return undisturbed(line)


def undisturbed(line: Line, seed: int = 0, **given: object) -> Twin:
    twin = twin_of(line, seed, **given)
    twin.start(0)
    twin.run()
    return twin


def twin_of(line: Line, seed: int = 0, **given: object) -> Twin:
    return Twin(settings(**given), line, seed=seed, models=synthetic_models(line.epochs, PARTITIONS))


def assert_equal(twin: Twin, reference: Twin) -> None:
    assert twin.digest() == reference.digest()
    for name in ("segment-changes", "samples", "events.dlq", "journal"):
        assert twin.written(name) == reference.written(name), name
    assert twin.memberships() == reference.memberships()
