"""Real processes on real brokers, in short: the long forms are `make chaos` and `python -m tests.chaos.splits`, `.malformed`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from streams.embedded import Kind, MissingPrerequisite
from tests.chaos import controls, malformed, splits
from tests.chaos.armed import Arms
from tests.chaos.breaking import ON_KAFKA
from tests.chaos.ground import ground
from tests.chaos.line import Twists, shop
from tests.chaos.outcome import Outcome, differences, faults
from tests.chaos.points import POINTS
from tests.chaos.run import chaos, scene_on
from tests.chaos.schedule import KINDS, Schedule, draw, in_turn, kinds
from tests.chaos.site import Site, broker, site_of
from tests.simulation.controls import CONTROLS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def kafka_site() -> Iterator[Site]:
    """A Kafka of its own, whose log files are read."""
    yield from site("kafka")


@pytest.fixture(scope="module")
def embedded_site() -> Iterator[Site]:
    """A broker that keeps all in memory."""
    yield from site("embedded")


def site(kind: Kind) -> Iterator[Site]:
    try:
        opened = broker(kind)
        found = opened.__enter__()
    except MissingPrerequisite as missing:
        pytest.skip(str(missing))
    try:
        yield found
    finally:
        opened.__exit__(None, None, None)


@pytest.mark.kafka
def test_killed_and_scaled_it_leaves_the_same(kafka_site: Site) -> None:
    result = chaos(scene_on(kafka_site, 1, days=25), ("kill", "scale"), 2, 1)
    assert result.equal == 2
    assert result.total.kills >= 4
    assert result.total.moved >= 2


@pytest.mark.kafka
def test_frozen_for_longer_than_its_session_it_does_no_harm(kafka_site: Site) -> None:
    result = chaos(scene_on(kafka_site, 2, days=25), ("freeze",), 1, 2)
    assert result.equal == 1


@pytest.mark.kafka
def test_it_survives_what_happens_to_the_broker_and_the_way_to_it(kafka_site: Site) -> None:
    """In one run the broker is killed and the connections break; workers die at points of their code, the learner twice lives."""
    with ground() as harmed:
        scene = scene_on(site_of(harmed.running), 3, days=20, ground=harmed)
        result = chaos(scene, ("point", "learner", "broker", "cut"), 1, 3)
    assert result.equal == 1
    assert result.total.did["broker"] == 1
    assert result.total.did["cut"] == 3
    assert sum(result.total.struck.values()) >= 1


@pytest.mark.kafka
def test_too_slow_for_its_transaction_a_worker_goes_on_by_itself(kafka_site: Site, tmp_path: Path) -> None:
    """It is fenced by the broker and nobody has taken its place: it restores its state, and needs nobody to start it again."""
    scene = scene_on(kafka_site, 4, days=20)
    scene = replace(scene, settings=scene.settings.model_copy(update={"transaction_timeout_ms": 1_000, "kafka": {}}))
    stalled = Schedule(1, (), (Arms(point="rows written", passage=8, act="stall", seconds=4.0),))
    reference, _ = scene.run(tmp_path / "undisturbed", Schedule(1, ()), Random(4))
    found, tally = scene.run(tmp_path / "stalled", stalled, Random(4))
    assert differences(reference, found) == []
    assert tally.struck == {"rows written: stall": 1}
    assert tally.fenced == tally.gave_up == 0
    assert tally.aborted > 0


@pytest.mark.kafka
def test_a_guarantee_that_is_broken_in_workers_on_kafka_is_noticed(kafka_site: Site, tmp_path: Path) -> None:
    """Two of nine; `make chaos-controls` breaks them all."""
    scene, reference = controls.undisturbed(kafka_site, tmp_path, controls.DAYS)
    for name in ("undo forgets new customers", "a row not written"):
        struck, sentence = controls.caught(scene, reference, name, tmp_path / name)
        assert struck > 0
        assert sentence, f"{name}: nobody noticed"


def test_each_guarantee_that_can_be_broken_is_brought_out() -> None:
    assert controls.BROUGHT_OUT.keys() == ON_KAFKA.keys()
    in_simulation = {control.name for control in CONTROLS}
    assert in_simulation - ON_KAFKA.keys() == {
        "restore to the last stable offset",
        "a held table older than the tombstones",
        "a table held without proof",
    }


@pytest.mark.kafka
def test_malformed_records_become_dead_letters_and_nothing_else_changes(kafka_site: Site) -> None:
    clean, line, wrong = malformed.lines(4_000, 159, 1)
    found = [malformed.one(kafka_site, which) for which in (clean, line)]
    assert malformed.verdict(found[0], found[1], line, wrong) == []
    assert faults(found[1], line.expected) == []
    assert len({bad.name for bad in wrong}) >= 50


@pytest.mark.kafka
def test_both_brokers_and_any_batch_size_give_the_same_bytes(kafka_site: Site, embedded_site: Site) -> None:
    line = shop(40, 10, 4, 1, Twists(bad=46, commands=12, repeated_ticks=1))
    runs = [(embedded_site, 2_000), (kafka_site, 1), (kafka_site, 10_000)]
    found: list[Outcome] = [splits.one(where, line, batch) for where, batch in runs]
    assert [differences(found[0], other) for other in found[1:]] == [[], []]
    assert faults(found[1], line.expected) == []


def test_of_all_kinds_each_is_drawn_in_time() -> None:
    points = in_turn(Random(0))
    drawn = [draw(kinds("all"), Random(seed), points) for seed in range(100)]
    assert {kind for schedule in drawn for kind in schedule.kinds} == set(KINDS)
    assert {len(schedule.kinds) for schedule in drawn} == {1, 2, 3, 4}
    struck = Counter(arms.point for schedule in drawn for arms in schedule.arms if arms.point and "die" in arms.act)
    assert set(struck) == set(POINTS)
    assert max(struck.values()) - min(struck.values()) <= 1, "in turn"


def test_a_schedule_is_drawn_from_its_seed() -> None:
    wanted = kinds("scale,kill")
    assert wanted == ("kill", "scale")

    def drawn_from(seed: int) -> Schedule:
        return draw(wanted, Random(seed), in_turn(Random(seed)))

    assert drawn_from(5) == drawn_from(5)
    drawn = [drawn_from(seed) for seed in range(40)]
    assert {fault.act for schedule in drawn for fault in schedule.faults} == {"kill", "add", "stop"}
    assert {fault.name for schedule in drawn for fault in schedule.faults} == {"learn", *(f"work-{slot}" for slot in range(4))}
    assert all(0.0 < fault.share < 1.0 for schedule in drawn for fault in schedule.faults)
