"""A few of the simulation's schedules and of its controls; `make simulate` and `make chaos-controls` run them all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from unittest import mock

import pytest

from tests.simulation.controls import CONTROLS, Control, caught
from tests.simulation.plan import FAULTS, draw
from tests.simulation.run import prepare, simulate

FIRST, SCHEDULES = 77_000_000, 60


@pytest.fixture(scope="module", autouse=True)
def prepared() -> Iterator[None]:
    with ExitStack() as on:
        prepare(on, references=True)
        yield


def test_whatever_strikes_every_law_holds() -> None:
    hits = Counter[str]()
    for seed in range(FIRST, FIRST + SCHEDULES):
        report = simulate(seed)
        assert report.broken == [], f"python -m tests.simulation.run --only {seed}"
        hits += report.hits
    assert not [fault for fault in FAULTS if not hits[fault]]


def test_a_schedule_is_its_seed() -> None:
    assert simulate(FIRST) == simulate(FIRST)
    assert draw(FIRST) == draw(FIRST) != draw(FIRST + 1)


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_a_broken_guarantee_is_noticed(control: Control) -> None:
    ran, sentence = caught(control, 1_000_000)
    assert sentence, f"not noticed in {ran} schedules"


def test_a_schedule_that_stops_is_a_broken_law() -> None:
    with mock.patch("tests.simulation.world.MOST_TURNS", 3):
        assert simulate(FIRST).broken[0].startswith("stopped: ShoalError: no end after")
