"""The simulated shop: repeatable, in order, true to what it says of its customers."""

from collections import Counter
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import orjson
import pytest

from streams.replay import ReplayError
from streams.replay.event import ReplayEvent, to_ms
from streams.replay.mapping import Mapping
from streams.replay.values import Values
from streams.settings import DAY_MS, Settings
from streams.simulator import Config, Truth, generate_events, simulate, truth, write_truth
from streams.simulator.day import KINDS, ORDER, days
from streams.simulator.personas import PERSONAS, swapped
from streams.simulator.population import populate
from streams.simulator.season import factor

SMALL = Config(customers=400, days=30, seed=5, local=0.3)


@pytest.fixture(scope="module")
def events() -> list[ReplayEvent]:
    return list(chain.from_iterable(generate_events(SMALL)))


@pytest.fixture(scope="module")
def bodies(events: list[ReplayEvent]) -> list[dict[str, Any]]:
    return [orjson.loads(event.value) for event in events]


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(events: list[ReplayEvent]) -> None:
    assert list(chain.from_iterable(generate_events(SMALL))) == events
    other = Config(customers=400, days=30, seed=6, local=0.3)
    assert list(chain.from_iterable(generate_events(other))) != events


def test_events_come_day_by_day_in_order_of_time() -> None:
    begin = SMALL.start_ms
    last = 0
    for number, day in enumerate(generate_events(SMALL)):
        assert day
        assert begin + number * DAY_MS <= day[0].at
        assert day[-1].at < begin + (number + 1) * DAY_MS
        for event in day:
            assert event.at >= last
            last = event.at


def test_each_event_is_a_segment_call_under_its_customers_key(events: list[ReplayEvent], bodies: list[dict[str, Any]]) -> None:
    values = Values(Mapping())
    for event, body in zip(events, bodies, strict=True):
        assert str(body.get("userId") or body.get("anonymousId")).encode() == event.key
        assert to_ms(values.moment(body["timestamp"])) == event.at
        assert ("event" in body) == (body["type"] == "track")
    assert len({body["messageId"] for body in bodies}) == len(bodies)
    assert {(body["type"], body.get("event") or body["name"]) for body in bodies} == set(KINDS)
    assert {body["timestamp"][-6:] for body in bodies if body["timestamp"][-1] != "Z"} == {"+01:00", "-05:00", "+05:30"}


def test_money_is_with_orders_and_refunds_only(bodies: list[dict[str, Any]]) -> None:
    spent: Counter[str] = Counter()
    for body in bodies:
        properties = body.get("properties", {})
        if body.get("event") in ("Order Completed", "Order Refunded"):
            assert properties["revenue"] > 0
            sign = 1 if body["event"] == "Order Completed" else -1
            spent[body.get("userId") or body["anonymousId"]] += sign * round(properties["revenue"] * 100)
            assert "coupon" not in properties or properties["discount"] > 0
        else:
            assert properties.keys() <= {"category"}
    assert min(spent.values()) >= 0


def test_the_truth_names_everybody_and_nobody_acts_after_leaving(events: list[ReplayEvent], tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    assert write_truth(SMALL, path) == SMALL.customers
    lines = [msgspec.json.decode(line, type=Truth) for line in path.read_bytes().splitlines()]
    assert lines == list(truth(SMALL))
    left = {line.customer.encode(): line.churned_at for line in lines}
    values = Values(Mapping())
    gone = {key: to_ms(values.moment(at)) for key, at in left.items() if at is not None}
    assert 0.02 < len(gone) / SMALL.customers < 0.3
    assert {event.key for event in events} <= set(left)
    assert all(event.at < gone.get(event.key, event.at + 1) for event in events)
    assert {line.persona for line in lines} == {persona.name for persona in PERSONAS}
    assert {line.persona_after for line in lines} == {None}


def test_personas_appear_in_their_shares_and_add_up_to_one() -> None:
    assert sum(persona.share for persona in PERSONAS) == pytest.approx(1.0)
    seen = np.bincount(populate(Config(customers=20_000)).persona) / 20_000
    assert seen == pytest.approx([persona.share for persona in PERSONAS], abs=0.01)


def test_a_fading_customer_comes_less_and_less() -> None:
    config = Config(customers=2_000, days=60, arriving=0.0)
    fading = [persona.name for persona in PERSONAS].index("fading_customer")
    visits = _events_a_day(config, fading)
    assert sum(visits[40:60]) < 0.6 * sum(visits[:20])


def test_gift_buyers_come_before_christmas() -> None:
    config = Config(customers=2_000, days=90, start=date(2024, 10, 1), arriving=0.0)
    gifts = [persona.name for persona in PERSONAS].index("gift_season_buyer")
    visits = _events_a_day(config, gifts)
    assert sum(visits[60:80]) > 2.0 * sum(visits[:20])


def _events_a_day(config: Config, persona: int) -> list[int]:
    who = populate(config).persona == persona
    return [int(who[events.customer].sum()) for _, events in days(config)]


@pytest.mark.parametrize("day", [date(2024, 2, 29), date(2023, 12, 31), date(2024, 1, 1), date(2024, 7, 15)])
def test_a_season_is_positive_on_every_day(day: date) -> None:
    assert 0.4 < factor("shop", day) < 1.5
    assert 0.5 < factor("gifts", day) < 5.0


def test_at_a_drift_personas_swap_habits() -> None:
    assert swapped(6) == (1, 0, 3, 2, 5, 4)
    assert swapped(7) == (1, 0, 3, 2, 5, 4, 6)
    config = Config(customers=2_000, days=40, drift_at=20, arriving=0.0)
    names = [persona.name for persona in PERSONAS]
    loyal, seeker = names.index("loyal_high_spender"), names.index("discount_seeker")
    coupons = np.zeros((2, 2))  # persona, before and after
    orders = np.zeros((2, 2))
    persona = populate(config).persona
    for number, events in days(config):
        for row, who in enumerate((loyal, seeker)):
            bought = (events.kind == ORDER) & (persona[events.customer] == who)
            orders[row, int(number >= 20)] += bought.sum()
            coupons[row, int(number >= 20)] += (bought & (events.coupon > 0)).sum()
    shares = coupons / orders
    assert shares == pytest.approx(np.array([[0.07, 0.84], [0.84, 0.07]]), abs=0.05)
    lines = {line.persona: line.persona_after for line in truth(config)}
    assert lines["loyal_high_spender"] == "discount_seeker"
    assert lines["discount_seeker"] == "loyal_high_spender"


def test_before_a_drift_nothing_is_different() -> None:
    plain, drifting = Config(customers=300, days=12), Config(customers=300, days=12, drift_at=6)
    for number, (one, other) in enumerate(zip(generate_events(plain), generate_events(drifting), strict=True)):
        assert (list(one) == list(other)) == (number < 6)


def test_settings_that_mean_nothing_are_refused_with_every_fault() -> None:
    with pytest.raises(ReplayError, match=r"customers is 0: .*; days is 0: "):
        simulate(Settings.model_validate({}), customers=0, days=0)
    with pytest.raises(ReplayError, match=r"drift_at is 30: it must be between 0 and 29"):
        simulate(Settings.model_validate({}), days=30, drift_at=30)


def test_a_truth_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match="the truth cannot be written"):
        write_truth(SMALL, tmp_path / "nowhere" / "truth.jsonl")
