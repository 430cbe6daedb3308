"""The parts of a soak: its load is the same for a seed and counts itself, its gauges say what grows, each fault has its turn."""

from __future__ import annotations

import itertools
import math
from random import Random

import msgspec
import pytest

from tests.chaos.schedule import KINDS
from tests.soak.gauges import Memory, percentile
from tests.soak.load import Load, shops, stamp
from tests.soak.minutes import RULES, order

NOW = 1_700_000_000_000
Record = tuple[bytes | None, bytes | None]


def loaded(n: int, seed: int = 3) -> tuple[Load, list[Record]]:
    records: list[Record] = []
    load = Load(shops(20_000, seed), seed, lambda key, value: records.append((key, value)))
    load.some(n, NOW)
    return load, records


def test_a_load_counts_what_it_sends_and_sends_the_same_for_a_seed() -> None:
    load, records = loaded(30_000)
    sent = load.sent
    assert records == loaded(30_000)[1] != loaded(30_000, seed=4)[1]
    assert sent.records == len(records) == 30_000 + sent.twice + sent.bad
    again = sum(one == other for one, other in itertools.pairwise(records))
    assert sent.twice == again > 200
    stamps = [value.count(stamp(NOW)) for _, value in records if value is not None]
    assert sent.late + sent.early + sent.bad <= len(records) - sum(stamps) < 500
    assert min(sent.late, sent.bad) > 0


def test_each_shop_has_customers_of_its_own() -> None:
    events = list(itertools.islice(shops(20_000, 1), 60_000))
    assert {key.split(b".")[0] for key, _ in events} == {b"0", b"1"}
    for key, value in events[::997]:
        said = msgspec.json.decode(value)
        assert key.decode() in (said.get("userId"), said.get("anonymousId"))
    ids = [msgspec.json.decode(value)["messageId"] for _, value in events]
    assert len(set(ids)) == len(ids)


def test_memory_that_grows_is_told_from_memory_that_does_not() -> None:
    flat, growing = Memory(), Memory()
    flat.seen = [(float(s), 500.0 if s > 100 else 5.0 * s) for s in range(600)]
    growing.seen = [(float(s), 500.0 + s) for s in range(600)]
    assert flat.growth == 1.0
    assert growing.growth == pytest.approx(1000 / 800, abs=0.01)


def test_percentiles_are_values_that_were_seen() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]
    assert math.isnan(percentile([], 0.5))


def test_every_kind_of_fault_has_its_turn_before_any_comes_again() -> None:
    first = list(itertools.islice(order(Random(1), disk=True), 2 * (len(KINDS) + 1)))
    assert sorted(first[: len(KINDS) + 1]) == sorted(first[len(KINDS) + 1 :]) == sorted([*KINDS, RULES])
    assert "disk" not in itertools.islice(order(Random(1), disk=False), len(KINDS))
