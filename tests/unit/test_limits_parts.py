"""The parts of the limits: the input has the customers it should have, looks are read rightly, definitions are broken."""

from __future__ import annotations

import pytest

from models.definitions import compile_definitions, decode_definitions
from models.errors import DefinitionsError
from models.snapshot import content_hash
from streams.contracts.keys import DEFINITIONS_IN_FORCE, definitions_key
from streams.presets import load_definitions
from streams.scoring.library import decode_status
from tests.benchmarks.load import events
from tests.limits.broken import broken
from tests.limits.input import as_they_come, crowded, hot, partition_of
from tests.limits.law import Verdict
from tests.limits.looks import Look, drained, most, taken, typical, waits
from tests.limits.place import sized

N, CUSTOMERS, PARTITIONS = 4_000, 500, 4
HOT = b"c0000123"


def look(at: float, done: int, **more: object) -> Look:
    return Look(at=at, cpu=at / 2, applied={0: done}, committed={0: done // 100 * 100}, **more)  # type: ignore[arg-type]


def test_a_hot_customer_has_its_share_and_nothing_else_is_altered() -> None:
    plain, heated = list(events(N, CUSTOMERS)), list(hot(events(N, CUSTOMERS), HOT, 0.3))
    assert 0.27 < sum(key == HOT for key, _ in heated) / N < 0.34
    for (key, value), (own, said) in zip(plain, heated, strict=True):
        assert own in (key, HOT)
        assert said == value.replace(b'"userId":"%b"' % key, b'"userId":"%b"' % own)
    assert [*hot(events(N, CUSTOMERS), HOT, 0.0)] == plain


def test_a_crowded_partition_has_its_share() -> None:
    keys = [key for key, _ in crowded(events(N, CUSTOMERS), 0.85, PARTITIONS, CUSTOMERS)]
    assert 0.82 < sum(partition_of(key, PARTITIONS) == 0 for key in keys) / N < 0.88
    assert len(set(keys)) > CUSTOMERS / 2


def test_events_are_dated_when_they_are_asked_for_and_are_no_repetitions() -> None:
    times = iter(range(1_700_000_000_000, 1_800_000_000_000, 1_000))
    before, now = list(events(10, 5)), list(as_they_come(events(10, 5), lambda: next(times)))
    for place, ((_, old), (_, new)) in enumerate(zip(before, now, strict=True)):
        assert len(old) == len(new)
        assert b'"timestamp":"2023-11-14T22:13:%02d.000Z"' % (20 + place) in new
        assert b'"messageId":"0' in old
        assert b'"messageId":"f' in new


def test_what_a_stretch_costs_is_of_that_stretch_alone() -> None:
    cost = taken([look(0.0, 0), look(1.0, 500), look(3.0, 2_500), look(9.0, 2_500)], 400, 2_500)
    assert (cost.seconds, cost.rate, cost.cpu_us) == (2.0, 1_000.0, 500.0)
    with pytest.raises(ValueError, match="no stretch"):
        taken([look(0.0, 0), look(1.0, 500)], 400, 2_500)


def test_an_event_waits_until_its_offset_is_committed() -> None:
    looks = [look(0.0, 0), look(1.0, 350), look(2.0, 400)]
    assert waits(looks, [(0, 0, 0.5), (0, 299, 0.5), (0, 300, 0.5)]) == [0.5, 0.5, 1.5]
    assert drained(looks, 0, 300) == 1.0
    with pytest.raises(ValueError, match="never committed"):
        waits(looks, [(0, 400, 0.5)])
    with pytest.raises(ValueError, match="never committed"):
        drained(looks, 0, 401)


def test_memory_is_that_of_the_stretch() -> None:
    memory = [(0.0, 900.0), (1.0, 100.0), (2.0, 300.0), (3.0, 200.0), (4.0, 800.0)]
    assert (typical(memory, 1.0, 3.0), most(memory, 1.0, 3.0)) == (200.0, 300.0)


def test_a_broken_law_is_a_sentence() -> None:
    verdict = Verdict()
    verdict.at_most("RSS", 100.0, 100.0, " MB")
    verdict.equal("events", 3, 3)
    verdict.law(True, "never said")
    assert verdict.wrong == []
    verdict.at_most("RSS", 100.5, 100.0, " MB")
    verdict.equal("events", 2, 3_000)
    assert verdict.wrong == ["RSS: 100.50 MB, 100.00 MB is the limit", "events: 2 instead of 3,000"]


def test_sizes_are_multiples_of_a_step() -> None:
    assert [sized(1_000_000, scale, 4_000) for scale in (1.0, 0.5001, 0.0)] == [1_000_000, 500_000, 4_000]


def test_definitions_that_should_be_refused_are_refused_with_a_sentence() -> None:
    usual = load_definitions("retail")
    for one in broken(usual):
        refused = 0
        for key, value in one.records:
            if value is None:
                continue
            try:
                if key == DEFINITIONS_IN_FORCE:
                    decode_status(value, "here")
                elif key == definitions_key(content_hash(value)):
                    compile_definitions(decode_definitions(value, "here"))
                else:
                    refused += 1  # by its hash
            except DefinitionsError:
                refused += 1
        assert refused == one.refused, one.what
