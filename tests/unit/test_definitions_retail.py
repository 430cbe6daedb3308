"""The retail preset: customers as a marketer would describe them land where a marketer would look for them."""

from pathlib import Path

import numpy as np
import pytest

from models.definitions import Program, compile_definitions
from models.definitions.segments import RULED, MicroSegment, Segment
from models.definitions.selectors import MICRO
from models.definitions.variables import SCORES, VARIABLES
from models.errors import DefinitionsError
from models.kernel.rules import evaluate
from models.row import SEGMENTATIONS
from streams.presets import load_definitions, load_taxonomy, preset_names

NEVER = {"days_since_order": 3650.0, "hours_since_add": 87_600.0, "hours_since_checkout": 87_600.0}
SCORED = {
    "churn_threshold": 0.7, "purchase_threshold": 0.3, "value_mid": 1000.0, "value_high": 3000.0,
    "churn": 0.3, "purchase": 0.1, "value_365d": 100.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def retail() -> Program:
    return compile_definitions(load_definitions("retail"))


def customer(**known: float) -> list[float]:
    """Variables: those given; what never happened is long ago; scores are not known; the rest is 0."""
    values = dict.fromkeys(VARIABLES, 0.0) | NEVER | dict.fromkeys(SCORES, float("nan")) | known
    return [values[name] for name in VARIABLES]


def holds(p: Program, start: int, stop: int, x: list[float]) -> bool:
    return evaluate(p.code, p.consts, start, stop, np.array(x), np.zeros(32)) == 1.0


def segment(p: Program, segmentation: str, x: list[float], present: str = "") -> str:
    """The segment that the rules call for: the first in order, unless the present one holds."""
    s = SEGMENTATIONS.index(segmentation)
    lines: list[list[int]] = p.rules[p.ranges[s] : p.ranges[s + 1]].tolist()
    for _, i, _, _, start, stop, _ in lines:
        if p.keys[s][i] == present and start >= 0 and holds(p, start, stop, x):
            return present
    return next(p.keys[s][i] for _, i, start, stop, _, _, _ in lines if holds(p, start, stop, x))


def micro(p: Program, x: list[float]) -> set[str]:
    lines = p.rules[p.ranges[MICRO] : p.ranges[MICRO + 1]].tolist()
    return {p.keys[MICRO][i] for _, i, start, stop, _, _, _ in lines if holds(p, start, stop, x)}


REGULAR = {
    "orders": 6.0,
    "order_days": 6.0,
    "gap_mean": 60.0,
    "gap_last": 58.0,
    "gap_cv": 0.2,
    "days_since_first": 320.0,
}


def idle(days: float, **known: float) -> dict[str, float]:
    """A regular customer who has not been seen for so many days."""
    return REGULAR | {"days_since_order": days, "days_since_event": days, "overdue": days / 60} | known


@pytest.mark.parametrize("index", range(len(VARIABLES)))
def test_no_rule_breaks_on_an_extreme_customer(retail: Program, index: int) -> None:
    for value in (0.0, 1e12, -1.0):
        x = customer()
        x[index] = value
        for segmentation in RULED:
            assert segment(retail, segmentation, x)


def test_every_segmentation_has_its_segments(retail: Program) -> None:
    expected = {
        "lifecycle": {"visitor", "new", "active", "cooling", "at_risk", "lapsed", "won_back"},
        "value": {"high", "mid", "low"},
        "intent": {"hot", "cart_abandoned", "browsing", "quiet"},
        "offer": {"discount_seeker", "full_price", "undecided"},
    }
    for segmentation, keys in expected.items():
        assert set(filter(None, retail.keys[SEGMENTATIONS.index(segmentation)])) == keys
    assert 4 <= len(set(filter(None, retail.keys[MICRO]))) <= 8


def test_everyone_has_a_primary_membership(retail: Program) -> None:
    assert retail.priority.tolist()[-1] == [SEGMENTATIONS.index("lifecycle"), 0]


def test_every_segment_is_described_for_people(retail: Program) -> None:
    definitions = retail.definitions
    segments: list[Segment | MicroSegment] = [s for name in RULED for s in definitions.ruled(name).segments]
    segments.extend(definitions.micro.segments)
    for described in segments:
        assert len(described.description) > 15
        assert described.description.endswith(".")
        assert not any(name in described.description for name in VARIABLES if "_" in name)
        assert described.name != described.key


def test_reasons_can_name_what_decided(retail: Program) -> None:
    used = {VARIABLES[i] for i in retail.rule_features.ravel().tolist() if i >= 0}
    assert {"churn", "purchase", "value_365d", "overdue", "days_since_order", "discount_share", "cart_open"} <= used


@pytest.mark.parametrize(
    ("expected", "known"),
    [
        ("visitor", {}),
        ("visitor", {"views_14d": 20.0, "days_since_event": 0.0}),
        ("new", {"orders": 1.0, "order_days": 1.0, "days_since_order": 0.0}),
        ("new", {"orders": 1.0, "order_days": 1.0, "days_since_order": 30.0, "days_since_event": 30.0}),
        ("cooling", {"orders": 1.0, "order_days": 1.0, "days_since_order": 50.0, "days_since_event": 50.0}),
        ("at_risk", {"orders": 1.0, "order_days": 1.0, "days_since_order": 95.0, "days_since_event": 95.0}),
        ("lapsed", {"orders": 1.0, "order_days": 1.0, "days_since_order": 200.0, "days_since_event": 200.0}),
        ("active", idle(0)),
        ("active", idle(50)),
        ("cooling", idle(80)),
        ("at_risk", idle(130)),
        ("at_risk", idle(170)),
        ("lapsed", idle(181)),
        ("lapsed", idle(400, gap_mean=200.0, overdue=2.0)),
        ("active", idle(130, days_since_event=0.0)),
        ("won_back", idle(3, gap_last=210.0, gap_mean=90.0)),
        ("won_back", {"orders": 2.0, "order_days": 2.0, "gap_last": 250.0, "gap_mean": 250.0, "days_since_order": 1.0}),
        ("active", idle(3, gap_last=200.0, gap_mean=190.0)),
        ("active", {"orders": 90.0, "order_days": 80.0, "gap_mean": 4.0, "overdue": 3.0, "days_since_order": 12.0,
                    "days_since_event": 12.0}),
        ("at_risk", idle(100, **SCORED | {"churn": 0.8})),
        ("cooling", idle(100, **SCORED | {"churn": 0.3})),
        ("active", idle(20, **SCORED | {"churn": 0.9})),
        ("at_risk", {"orders": 1.0, "order_days": 1.0, "days_since_order": 65.0, "days_since_event": 65.0} | SCORED
         | {"churn": 0.9}),
    ],
)  # fmt: skip
def test_lifecycle(retail: Program, expected: str, known: dict[str, float]) -> None:
    assert segment(retail, "lifecycle", customer(**known)) == expected


def test_at_risk_holds_through_a_wavering_score_and_ends_with_an_order(retail: Program) -> None:
    wavering = customer(**idle(100, **SCORED | {"churn": 0.66}))
    assert segment(retail, "lifecycle", wavering) == "cooling"
    assert segment(retail, "lifecycle", wavering, "at_risk") == "at_risk"
    assert segment(retail, "lifecycle", customer(**idle(0, **SCORED | {"churn": 0.2})), "at_risk") == "active"
    assert segment(retail, "lifecycle", customer(**idle(200, **SCORED | {"churn": 0.9})), "at_risk") == "lapsed"


@pytest.mark.parametrize(
    ("expected", "known"),
    [
        ("low", {}),
        ("mid", {"spend_90d": 300.0}),
        ("high", {"spend_90d": 5000.0}),
        ("low", SCORED),
        ("low", SCORED | {"spend_90d": 5000.0}),
        ("mid", SCORED | {"value_365d": 1500.0}),
        ("high", SCORED | {"value_365d": 3000.0}),
    ],
)
def test_value(retail: Program, expected: str, known: dict[str, float]) -> None:
    assert segment(retail, "value", customer(**known)) == expected


@pytest.mark.parametrize(("present", "value"), [("high", 2700.0), ("mid", 3200.0), ("mid", 900.0)])
def test_value_holds_near_its_thresholds(retail: Program, present: str, value: float) -> None:
    x = customer(**SCORED | {"value_365d": value})
    assert segment(retail, "value", x) != present
    assert segment(retail, "value", x, present) == present


CART = {"cart_open": 1.0, "adds_14d": 1.0, "views_14d": 4.0}


@pytest.mark.parametrize(
    ("expected", "known"),
    [
        ("quiet", {}),
        ("quiet", REGULAR | {"days_since_order": 0.0, "days_since_event": 0.0}),
        ("hot", idle(58)),
        ("quiet", idle(90)),
        ("browsing", {"views_14d": 1.0}),
        ("quiet", {"views_14d": 3.0, "days_since_event": 9.0}),
        ("browsing", CART | {"hours_since_add": 0.1}),
        ("cart_abandoned", CART | {"hours_since_add": 5.0, "days_since_event": 5 / 24}),
        ("quiet", CART | {"hours_since_add": 200.0, "days_since_event": 8.0}),
        ("hot", SCORED | {"views_14d": 6.0, "days_since_event": 1.0, "purchase": 0.5}),
        ("browsing", SCORED | {"views_14d": 6.0, "days_since_event": 1.0}),
        ("hot", idle(55, **SCORED | {"purchase": 0.4})),
        ("quiet", idle(55, **SCORED)),
    ],
)
def test_intent(retail: Program, expected: str, known: dict[str, float]) -> None:
    assert segment(retail, "intent", customer(**known)) == expected


def test_about_to_buy_ends_with_the_order_or_with_a_cart_left(retail: Program) -> None:
    scored = SCORED | {"purchase": 0.9, "views_14d": 9.0}
    bought = customer(**scored | {"days_since_order": 0.0})
    assert segment(retail, "intent", bought, "hot") == "browsing"
    there = customer(**scored | CART)
    assert segment(retail, "intent", there, "hot") == "hot"
    left = customer(**scored | CART | {"days_since_event": 0.5, "hours_since_add": 12.0})
    assert segment(retail, "intent", left, "hot") == "cart_abandoned"


def test_a_cart_that_was_left_stays_so_until_the_order_or_for_a_week(retail: Program) -> None:
    back = customer(**CART | {"hours_since_add": 30.0})
    assert segment(retail, "intent", back, "cart_abandoned") == "cart_abandoned"
    assert segment(retail, "intent", customer(**CART | {"hours_since_add": 169.0}), "cart_abandoned") == "browsing"
    ordered = customer(**CART | {"cart_open": 0.0, "days_since_order": 0.0})
    assert segment(retail, "intent", ordered, "cart_abandoned") == "browsing"


@pytest.mark.parametrize(
    ("expected", "known"),
    [
        ("undecided", {}),
        ("undecided", {"orders": 1.0, "discount_share": 0.5}),
        ("discount_seeker", {"orders": 3.0, "discount_share": 0.3}),
        ("discount_seeker", {"orders": 3.0, "coupon_share": 0.6}),
        ("full_price", {"orders": 3.0}),
        ("undecided", {"orders": 3.0, "discount_share": 0.1}),
    ],
)
def test_offer(retail: Program, expected: str, known: dict[str, float]) -> None:
    assert segment(retail, "offer", customer(**known)) == expected


def test_micro_segments(retail: Program) -> None:
    assert micro(retail, customer()) == set()
    assert micro(retail, customer(**idle(20))) == {"clockwork"}
    assert micro(retail, customer(**idle(100, spend_total=4000.0))) == {"slipping_vip"}
    once = {"orders": 1.0, "order_days": 1.0, "days_since_order": 45.0}
    assert micro(retail, customer(**once)) == {"second_order"}
    trade = REGULAR | {"gap_cv": 0.9, "average_order": 900.0, "spend_90d": 2700.0}
    assert micro(retail, customer(**trade)) == {"trade_buyer"}
    returns = REGULAR | {"gap_cv": 0.9, "refunds_90d": 2.0, "refund_share": 0.4}
    assert micro(retail, customer(**returns)) == {"serial_returner"}
    assert micro(retail, customer(emails_90d=15.0, email_share=0.6)) == {"mailbox_fan"}


def test_an_unknown_preset_names_the_known_ones() -> None:
    assert "retail" in preset_names()
    for load in (load_definitions, load_taxonomy):
        with pytest.raises(DefinitionsError, match=r"no such preset; the nearest known: retail\. A file must end in \.toml"):
            load("retial")


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('version = 2\nname = "mine"\n', "utf-8")
    assert load_definitions(str(mine)).version == 2
    with pytest.raises(DefinitionsError, match=r"mine\.toml: behaviours is missing; channels is missing; money is missing"):
        load_taxonomy(str(mine))
    mine.write_bytes(b"name = '\xff'")
    with pytest.raises(DefinitionsError, match="not a text in UTF-8"):
        load_definitions(str(mine))
    with pytest.raises(DefinitionsError, match="cannot be read: No such file"):
        load_definitions(str(tmp_path / "none.toml"))
