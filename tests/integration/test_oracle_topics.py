"""The oracle agrees with what whole runs leave in their topics; and whatever is altered in a copy of them, it names."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import pytest

import tests.oracle
from models.engine import Decisions, Engine
from models.identity import stable_hash
from models.kernel.tables import U1, Events
from models.snapshot import FAMILIES
from streams.contracts import journal
from streams.contracts.changes import Change
from streams.settings import load_settings
from tests.integration.oracle_forgeries import ALTERED, Forgery, forged, noted, other, said, telling, with_records
from tests.integration.oracle_runs import PARTITIONS, Stood, WallRun, under_ticks, with_what_is_learnt
from tests.oracle.kept import json_in, live
from tests.oracle.standing import SAMPLE_KEY
from tests.oracle.topics import Kept, Topics, disagreements


@pytest.fixture(scope="module")
def ticks() -> Stood:
    return under_ticks(1, in_transactions=7, customers=6, days=8)


@pytest.fixture(scope="module")
def wall() -> Iterator[Stood]:
    """Of a worker whose engine fails on one event, which is set aside."""
    whole = Engine.apply

    def apply(engine: Engine, events: Events, outcome: U1) -> Iterator[Decisions]:
        yield from whole(engine, events, outcome)
        if stable_hash(b"poison") in events.message:
            raise ZeroDivisionError("no such luck")

    settings = load_settings(
        prefix="wall.", clock="wall", partitions=PARTITIONS, horizon_days=4, sample_every_days=2, batch=7, quarantine=True
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "apply", apply)
        yield WallRun(settings).run()


def contents(records: Sequence[Sequence[Kept]]) -> list[dict[str, Any]]:
    return [json_in(record) for record in chain.from_iterable(records)]


# -- it agrees


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_under_ticks_the_topics_hold_what_the_oracle_says(seed: int) -> None:
    run = under_ticks(seed)
    assert disagreements(run.topics, run.settings) == []
    changes = contents(run.topics.changes)
    assert len(changes) > 300
    assert {family for change in changes for family in change["model"] or ()} == {*FAMILIES}
    assert len({change["definitions"] for change in changes}) == 2
    assert {change["segmentation"] for change in changes} >= {"micro", "primary", "behaviour", "affinity"}


def test_markers_between_the_records_of_the_input_change_nothing(ticks: Stood) -> None:
    assert disagreements(ticks.topics, ticks.settings) == []
    assert any(events[-1].offset() >= len(events) for events in ticks.topics.events)


def test_with_what_is_learnt_of_a_run_the_topics_hold_what_the_oracle_says() -> None:
    run = with_what_is_learnt(3)
    assert disagreements(run.topics, run.settings) == []
    assert {family for change in contents(run.topics.changes) for family in change["model"] or ()} == {*FAMILIES}


def test_under_wall_the_topics_hold_what_the_oracle_says(wall: Stood) -> None:
    assert disagreements(wall.topics, wall.settings) == []
    kinds = Counter(entry["kind"] for entry in contents(wall.topics.journal))
    assert kinds.keys() == {"start", "manifest", "definitions", "sweep", "clamp", "quarantine"}
    assert any(mark["skipped"] for mark in contents(wall.topics.samples) if mark["kind"] == "mark")
    samples = Counter(bool(sample["label"]) for sample in contents(wall.topics.samples) if sample["kind"] == "sample")
    waiting = sum(key.startswith(SAMPLE_KEY) for records in wall.topics.state for key in live(records))
    assert samples[False] - samples[True] > waiting, "no label was dropped"


def test_some_customers_can_be_followed_alone(ticks: Stood) -> None:
    ids = sorted({record.key() or b"" for record in chain.from_iterable(ticks.topics.changes)})
    followed = set(ids[::2])
    assert disagreements(ticks.topics, ticks.settings, followed.__contains__) == []
    theirs, others = (
        next(record for record in ticks.topics.changes[0] if (record.key() in followed) == among) for among in (True, False)
    )
    for record, found in ((theirs, True), (others, False)):
        altered = with_records(ticks.topics, "changes", 0, [one for one in ticks.topics.changes[0] if one is not record])
        wrong = disagreements(altered, ticks.settings, followed.__contains__)
        assert any(sentence.startswith("changes: partition 0, change 0:") for sentence in wrong) == found
        assert bool(wrong) == found


# -- it notices


@pytest.mark.parametrize("forgery", ALTERED, ids=lambda forgery: forgery.name)
def test_what_is_altered_is_named(ticks: Stood, forgery: Forgery) -> None:
    altered = with_records(ticks.topics, forgery.topic, 0, forgery.alter(list(getattr(ticks.topics, forgery.topic)[0])))
    wrong = disagreements(altered, ticks.settings)
    assert any(re.match(f"{forgery.kind}: partition 0, {forgery.sentence}", one) for one in wrong), "\n".join(wrong)
    assert not [one for one in wrong if "partition 0" not in one]


@pytest.mark.parametrize("field", Change.__struct_fields__)
def test_every_field_of_a_change_is_compared(ticks: Stood, field: str) -> None:
    alter = other(said(field, to={"x": 1}), telling)
    wrong = disagreements(with_records(ticks.topics, "changes", 0, alter(list(ticks.topics.changes[0]))), ticks.settings)
    assert any(one.startswith("changes: partition 0, change ") for one in wrong)


def test_other_champions_than_those_of_the_manifest_are_noticed(ticks: Stood) -> None:
    """A snapshot that is not in `models` any more is named; a manifest that was left out decides nothing."""
    snapshots = [record for record in ticks.topics.models if (record.key() or b"").startswith(b"snapshot|")]
    without = replace(ticks.topics, models=[record for record in ticks.topics.models if record is not snapshots[0]])
    assert any("or a snapshot that it names, is not in models" in one for one in disagreements(without, ticks.settings))
    entries = [journal.decode(record.value() or b"") for record in ticks.topics.journal[0]]
    place = [place for place, entry in enumerate(entries) if entry.kind == "manifest"][-1]
    records = [record for record in ticks.topics.journal[0] if record is not ticks.topics.journal[0][place]]
    renumbered = [
        forged(record, value=journal.encode(msgspec.structs.replace(journal.decode(record.value() or b""), sequence=number)))
        for number, record in enumerate(records)
    ]
    wrong = disagreements(with_records(ticks.topics, "journal", 0, renumbered), ticks.settings)
    assert any(re.match(r"journal: .* others decide than the champions trained through \d+", one) for one in wrong)


@pytest.mark.parametrize("kind", ["clamp", "quarantine"])
def test_what_only_the_journal_of_a_wall_clock_says_is_compared(wall: Stood, kind: str) -> None:
    number = next(number for number, records in enumerate(wall.topics.journal) if any(map(noted(kind), records)))
    alter = other(said("offset", to=lambda offset: offset + 1), noted(kind))
    altered = with_records(wall.topics, "journal", number, alter(list(wall.topics.journal[number])))
    assert disagreements(altered, wall.settings)


def test_of_many_faults_of_a_kind_a_few_are_said(ticks: Stood) -> None:
    wrong = disagreements(with_records(ticks.topics, "changes", 0, []), ticks.settings)
    of_changes = [one for one in wrong if one.startswith("changes: ")]
    assert len(of_changes) == 6
    assert re.fullmatch(r"changes: partition 0, and \d+ more", of_changes[-1])


def test_the_oracle_reads_nothing_of_the_worker() -> None:
    for file in Path(tests.oracle.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [name.name for name in node.names] if isinstance(node, ast.Import) else []
            assert not any(name.startswith(("streams.scoring", "streams.broker")) for name in names), file.name


def test_all_topics_are_altered_by_these_tests() -> None:
    assert {forgery.topic for forgery in ALTERED} == {field.name for field in fields(Topics)} - {"models"}
