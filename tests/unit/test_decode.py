"""Decoding a run of records: columns of the good ones, a kind and a sentence for each of the others."""

from __future__ import annotations

from functools import cache

import orjson
import pytest

from models.identity import stable_hash
from models.row import BEHAVIOURS
from streams.broker.memory import MemoryMessage
from streams.broker.protocol import TP
from streams.scoring.decode import Decode, Decoded
from tests.chaos.stand import taxonomy

TIME = "2024-03-01T12:00:00.123Z"
AT = 1_709_294_400_123


@cache
def decode() -> Decode:
    return Decode(taxonomy(), max_bytes=2_000, max_amount=500.0)


def event(customer: str = "ada", **changes: object) -> bytes:
    body = {"type": "track", "event": "Order Completed", "userId": customer, "timestamp": TIME, **changes}
    return orjson.dumps(body)


def run(*records: tuple[bytes | None, bytes | None]) -> Decoded:
    return decode().run([MemoryMessage(TP("events", 0), n, key, value, None, 0) for n, (key, value) in enumerate(records)])


def refusal(key: bytes | None, value: bytes | None) -> tuple[str, str]:
    decoded = run((key, value))
    assert len(decoded.places) == 0
    (bad,) = decoded.bad
    return bad.kind, bad.reason


def test_an_order_becomes_a_line_of_columns() -> None:
    properties = {"revenue": 12.5, "discount": 2.0, "coupon": "SAVE", "category": taxonomy().categories[0]}
    decoded = run((b"ada", event(messageId="m1", properties=properties, context={"device": {"type": "mobile"}})))
    assert (decoded.bad, decoded.unknown, decoded.keys) == ((), (), [b"ada"])
    c = decoded.columns
    columns = (c.times, c.local, c.revenue, c.discount, c.coupon, c.category)
    assert [column[0].item() for column in columns] == [AT, 0, 12.5, 2.0, 1, 0]
    assert BEHAVIOURS[decoded.columns.behaviour[0]] == "order"
    assert decoded.columns.channel[0] != 255
    assert decoded.columns.message[0] == stable_hash(b"m1")


def test_what_is_not_there_is_none() -> None:
    decoded = run((b"ada", event()))
    c = decoded.columns
    columns = (c.revenue, c.discount, c.coupon, c.category, c.channel, c.message)
    assert [column[0].item() for column in columns] == [0.0, 0.0, 0, 255, 255, 0]


def test_money_counts_with_orders_and_refunds_only() -> None:
    decoded = run(
        (b"ada", event(properties={"revenue": 3})),
        (b"ada", event(event="Order Refunded", properties={"revenue": 4})),
        (b"ada", event(event="Product Viewed", properties={"revenue": 5})),
    )
    assert decoded.columns.revenue.tolist() == [3.0, 4.0, 0.0]


def test_unknown_names_count_as_something_else_and_are_reported() -> None:
    decoded = run((b"ada", event(event="Moon Landed")), (b"ada", event(event="")), (b"ada", event()))
    assert decoded.unknown == ("Moon Landed", "track")
    assert [BEHAVIOURS[b] for b in decoded.columns.behaviour.tolist()] == ["other", "other", "order"]


def test_a_category_that_the_taxonomy_does_not_know_has_the_last_slot() -> None:
    decoded = run((b"ada", event(properties={"category": "antimatter"})), (b"ada", event(properties={})))
    assert decoded.columns.category.tolist() == [15, 255]


def test_the_campaign_says_more_than_the_device() -> None:
    both = {"campaign": {"medium": "email"}, "device": {"type": "mobile"}}
    by_mail, by_device, neither = run(
        (b"ada", event(context=both)),
        (b"ada", event(context={"campaign": {"medium": "carrier pigeon"}, "device": {"type": "mobile"}})),
        (b"ada", event(context={})),
    ).columns.channel.tolist()
    assert by_mail == taxonomy().channel_codes["email"]
    assert by_device == taxonomy().channel_codes["mobile"]
    assert neither == 255


@pytest.mark.parametrize(
    ("text", "at", "local"),
    [
        (TIME, AT, 0),
        ("2024-03-01T12:00:00Z", AT - 123, 0),
        ("2024-03-01T17:30:00.123+05:30", AT, 19_800_000),
        ("2024-03-01T12:00:00.123999Z", AT, 0),
        ("1970-01-01T00:00:00.000Z", 0, 0),
        ("2199-12-31T23:59:59.999Z", 7_258_118_399_999, 0),
    ],
)
def test_times_of_every_usual_spelling(text: str, at: int, local: int) -> None:
    decoded = run((b"ada", event(timestamp=text)))
    assert (decoded.columns.times.tolist(), decoded.columns.local.tolist()) == ([at], [local])


@pytest.mark.parametrize(
    ("key", "value", "kind", "sentence"),
    [
        (b"ada", None, "no_value", "has no value"),
        (b"ada", b"", "no_value", "has no value"),
        (b"ada", b"{", "not_json", "not JSON in UTF-8"),
        (b"ada", b'{"type":"track","userId":"\xff"}', "not_json", "not JSON in UTF-8"),
        (b"ada", b'{"x":' + b"[" * 600 + b"]" * 600 + b"}", "not_json", "nested"),
        (b"ada", b"[]", "not_an_object", "Expected `object`"),
        (b"ada", b'{"userId":"ada"}', "no_type", "missing required field `type`"),
        (b"ada", event(type="purchase"), "no_type", "Invalid enum value"),
        (b"ada", event(userId=None), "no_id", "neither userId nor anonymousId"),
        (b"ada", event(userId=4), "wrong_type", "$.userId"),
        (None, event(), "key", "has no key"),
        (b"bob", event(), "key", "is not the customer's id"),
        (b"k" * 257, event("k" * 257), "key", "257 bytes"),
        (b"ada", event(note="x" * 2_000), "too_large", "at most 2000"),
        (b"ada", event(timestamp=""), "bad_timestamp", "no timestamp"),
        (b"ada", event(timestamp="soon"), "bad_timestamp", "not ISO 8601"),
        (b"ada", event(timestamp="2024-03-01T12:00:00.123"), "bad_timestamp", "names no zone"),
        (b"ada", event(timestamp="9999-12-31T23:59:59.999Z"), "bad_timestamp", "years 1970 and 2199"),
        (b"ada", event(timestamp="1969-12-31T23:59:59.999Z"), "bad_timestamp", "years 1970 and 2199"),
        (b"ada", event(properties={"revenue": -1}), "amount", ">= 0.0"),
        (b"ada", event(properties={"revenue": 501}), "amount", "<= 500.0"),
        (b"ada", event(properties={"revenue": 0}).replace(b":0}", b":1e999}"), "amount", "out of range"),
        (b"ada", event(properties={"revenue": 0}).replace(b":0}", b":NaN}"), "not_json", "invalid character"),
        (b"ada", event(properties={"revenue": "12"}), "wrong_type", "$.properties.revenue"),
    ],
)
def test_what_is_wrong_has_a_kind_for_the_metric_and_a_sentence_for_a_person(
    key: bytes | None, value: bytes | None, kind: str, sentence: str
) -> None:
    said = refusal(key, value)
    assert said[0] == kind
    assert sentence in said[1]


def test_the_anonymous_id_stands_in_for_a_missing_user_id() -> None:
    assert run((b"anon", event(userId=None, anonymousId="anon"))).keys == [b"anon"]
    assert run((b"anon", event(userId="", anonymousId="anon"))).keys == [b"anon"]


def test_ids_beyond_ascii_are_taken_as_their_bytes() -> None:
    assert run(("zoë".encode(), event("zoë")), (b"ada", event())).keys == ["zoë".encode(), b"ada"]


def test_keys_that_only_fit_when_run_together_are_refused() -> None:
    """The keys of the run, joined, are the ids of the run, joined; none of them is its own event's."""
    decoded = run((b"adab", event("ada")), (b"ob", event("bob")))
    assert [bad.kind for bad in decoded.bad] == ["key", "key"]


def test_how_deep_is_too_deep_does_not_depend_on_the_callers_stack() -> None:
    def nested(depth: int) -> bytes:
        return event().replace(b"{", b'{"x":' + b"[" * depth + b"]" * depth + b",", 1)

    def deep(stack: int, depth: int) -> int:
        return deep(stack - 1, depth) if stack else len(run((b"ada", nested(depth))).places)

    assert [(deep(stack, 499), deep(stack, 500)) for stack in (0, 300)] == [(1, 0), (1, 0)]


def test_many_brackets_side_by_side_are_not_deep() -> None:
    decoded = run((b"ada", event(products=[{} for _ in range(600)])))
    assert len(decoded.places) == 1


def test_good_ones_keep_their_places_among_bad_ones() -> None:
    decoded = run((b"ada", b"{"), (b"ada", event()), (b"bob", event()), (b"bob", event("bob")))
    assert (decoded.places.tolist(), decoded.keys) == ([1, 3], [b"ada", b"bob"])
    assert [bad.place for bad in decoded.bad] == [0, 2]
