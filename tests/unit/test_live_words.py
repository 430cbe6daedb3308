"""A change in words: what is said of it, in which units, and that a terminal's control characters stay out."""

import pytest

from streams.live.words import because, duration, figure, moment_words, move, sentence, shown
from tests.unit.live_changes import OVERDUE, SHARE, SILENT, change


def test_a_change_is_a_sentence_with_its_strongest_reasons() -> None:
    assert sentence(change("Active", "At risk", OVERDUE, SILENT, SHARE)) == (
        "customer 13047: Active -> At risk, because how overdue the next order is: 3.1 (usual 0.8); "
        "days since the last order: 41 d (usual 12 d)"
    )


def test_the_first_and_the_last_membership_have_words_of_their_own() -> None:
    assert move(change(None, "Active")) == "now Active"
    assert move(change("Trade buyers", None)) == "no longer Trade buyers"


def test_without_reasons_nothing_is_made_up() -> None:
    assert because(change(None, "Active")) == ""


def test_what_is_usual_is_left_out_while_nobody_knows_it() -> None:
    assert because(change(None, "Discount seeker", SHARE)) == ", because share of discounts: 31 %"


@pytest.mark.parametrize(
    ("feature", "value", "words"),
    [
        ("days_since_order", 41.2, "41 d"),
        ("days_since_order", 2.25, "2.2 d"),
        ("days_since_order", 3650.0, "never"),
        ("hours_since_add", 87_600.0, "never"),
        ("discount_share", 0.005, "0 %"),
        ("spend_90d", 12_345.6, "12,346"),
        ("orders", 3.0, "3"),
        ("overdue", 0.84, "0.8"),
        ("cart_open", 1.0, "yes"),
        ("cart_open", 0.0, "no"),
        ("something of a later version", 1.5, "1.5"),
    ],
)
def test_figures_have_the_units_of_their_features(feature: str, value: float, words: str) -> None:
    assert figure(feature, value) == words


def test_times() -> None:
    assert moment_words(1_307_007_000_000) == "Thu 2 Jun 2011, 09:30"
    assert [duration(seconds) for seconds in (7.9, 61, 3_723)] == ["0:07", "1:01", "1:02:03"]


def test_control_characters_of_a_hostile_id_do_not_reach_the_terminal() -> None:
    hostile = "7\x1b[2J\x07\u202e"
    assert shown(hostile) == "7\N{REPLACEMENT CHARACTER}[2J" + 2 * "\N{REPLACEMENT CHARACTER}"
    assert "\x1b" not in sentence(change("Active", hostile, customer=hostile))
    assert shown("Zoë 客户") == "Zoë 客户"
