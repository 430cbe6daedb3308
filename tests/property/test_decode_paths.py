"""Whatever stands beside it in a run, a record is decoded to the same columns, or refused with the same sentence."""

from __future__ import annotations

import json
from functools import cache
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import streams.scoring.decode
from models.row import CATEGORY_SLOTS
from models.taxonomy import Taxonomy
from streams.broker.memory import MemoryMessage
from streams.broker.protocol import TP
from streams.presets import load_taxonomy
from streams.scoring.decode import Decode, Decoded
from streams.scoring.exact import Exact
from streams.scoring.scan import LEFT, Columns
from streams.simulator import Bad, malformed
from streams.simulator.malformed import KINDS

Pair = tuple[bytes | None, bytes | None]


@cache
def taxonomy() -> Taxonomy:
    return load_taxonomy("retail")


@cache
def decode() -> Decode:
    return Decode(taxonomy(), max_bytes=2_000, max_amount=1e7)


@cache
def pool() -> list[Bad]:
    """All kinds of malformed records."""
    return malformed(np.random.default_rng(1), 2 * len(KINDS))


_GOOD = (
    b'{"type":"track","event":"Order Completed","userId":"ada","messageId":"g1","timestamp":"2024-03-01T12:00:00.123Z",'
    b'"properties":{"revenue":12.5}}'
)
GOOD: Pair = (b"ada", _GOOD)
BAD: Pair = (b"bob", b'{"type":"track"')

_EDITS = [
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b" ",
    b"\n",
    b"\0",
    b"\xc3",
    b"\xff",
    b"0",
    b"-",
    b".",
    b"e",
    b"null",
    b"",
]

_names = st.one_of(
    st.sampled_from(["ada", "zoë", "客户", "a|b", "\x00", '"\\', "x" * 256, "x" * 257]), st.text(min_size=0, max_size=5)
)
_stamps = st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds") + "Z"),
    st.sampled_from(
        [
            "2024-03-01T12:00:00.123Z", "2024-02-29T23:59:59.999Z", "2023-02-29T00:00:00.000Z", "2024-03-01T12:00:00Z",
            "2024-03-01T12:00:00.123+05:30", "2024-03-01T12:00:00.1239Z", "2024-03-01T24:00:00.000Z", "1970-01-01T00:00:00.000Z",
            "1969-12-31T23:59:59.999Z", "2199-12-31T23:59:59.999Z", "2200-01-01T00:00:00.000Z", "2024-03-01 12:00:00.123Z",
            "2024-03-01T12:00:00.123", "2024-03-01T12:00:60.123Z", "2024-13-01T12:00:00.123Z", "２024-03-01T12:00:00.123Z", "",
        ]
    ),
)  # fmt: skip
_amounts = st.one_of(st.floats(0, 2e7), st.integers(-5, 10**20), st.none(), st.text(max_size=3), st.booleans())
_texts = st.one_of(st.none(), st.sampled_from(["kitchen", "Kitchen", "nowhere", "mobile", "email", "iOS", ""]), st.integers(0, 3))
_properties = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("revenue", "total", "value", "discount"), _amounts),
        **dict.fromkeys(("category", "coupon", "channel", "unheard of"), _texts),
    },
)
_contexts = st.fixed_dictionaries(
    {},
    optional={
        "device": st.one_of(st.none(), st.fixed_dictionaries({"type": _texts})),
        "campaign": st.one_of(st.none(), st.fixed_dictionaries({"medium": _texts})),
    },
)
_bodies: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "type": st.one_of(st.sampled_from(["track", "page", "screen", "identify", "purchase"]), st.just(3)),
        "timestamp": _stamps,
    },
    optional={
        "userId": st.one_of(_names, st.none()),
        "anonymousId": st.one_of(_names, st.none()),
        "messageId": st.one_of(st.text(max_size=4), st.none(), st.integers()),
        "event": st.sampled_from(["Order Completed", "Order Refunded", "Product Viewed", "Nobody Knows", ""]),
        "properties": st.one_of(_properties, st.none(), st.just([])),
        "context": st.one_of(_contexts, st.none()),
    },
)


@st.composite
def _pairs(draw: st.DrawFn) -> Pair:
    """Mostly an event under its own key; else an event under another key, and what is no event at all."""
    choice = draw(st.integers(0, 9))
    if choice == 0:
        return draw(st.one_of(st.none(), st.binary(max_size=4))), draw(st.one_of(st.none(), st.binary(max_size=40)))
    if choice == 1:
        one = draw(st.sampled_from(pool()))
        return one.key, one.value
    body: dict[str, Any] = draw(_bodies)
    name = body.get("userId") or body.get("anonymousId")
    key = draw(_names).encode() if choice == 2 or not isinstance(name, str) else name.encode()
    return key, json.dumps(body, ensure_ascii=draw(st.booleans())).encode()


def _run(pairs: list[Pair]) -> Decoded:
    return decode().run([MemoryMessage(TP("events", 0), n, key, value, None, 0) for n, (key, value) in enumerate(pairs)])


def _seen(decoded: Decoded, place: int) -> tuple[object, ...]:
    """What became of the record at `place` of the run."""
    for bad in decoded.bad:
        if bad.place == place:
            return bad.kind, bad.reason
    at = decoded.places.tolist().index(place)
    c = decoded.columns
    columns = (c.times, c.local, c.behaviour, c.revenue, c.discount, c.category, c.channel, c.coupon, c.message)
    return decoded.keys[at], *(column[at].item() for column in columns)


@settings(max_examples=300)
@given(pair=_pairs())
def test_a_record_means_the_same_alone_among_good_ones_and_among_bad_ones(pair: Pair) -> None:
    alone = _seen(_run([pair]), 0)
    assert _seen(_run([GOOD, pair, GOOD]), 1) == alone
    assert _seen(_run([BAD, pair, GOOD]), 1) == alone
    assert _seen(_run([GOOD, pair, BAD]), 0) == _seen(_run([GOOD]), 0)


@settings(max_examples=100)
@given(pairs=st.lists(_pairs(), min_size=1, max_size=8))
def test_every_record_is_either_decoded_or_refused_once(pairs: list[Pair]) -> None:
    decoded = _run(pairs)
    assert sorted([*decoded.places.tolist(), *(bad.place for bad in decoded.bad)]) == list(range(len(pairs)))
    assert [_seen(decoded, place) for place in range(len(pairs))] == [_seen(_run([pair]), 0) for pair in pairs]


@settings(max_examples=300)
@given(pair=_pairs())
def test_what_is_taken_is_within_bounds(pair: Pair) -> None:
    """The kernel checks nothing: no slot, amount, time or id may reach it that it has no room for."""
    decoded = _run([pair])
    if decoded.bad:
        assert len(decoded.bad[0].reason) > 15
        assert decoded.bad[0].kind.isidentifier()
        return
    assert 0 < len(decoded.keys[0]) <= 256
    assert decoded.keys[0] == pair[0]
    assert 0 <= decoded.columns.times[0] < 7_258_118_400_000
    assert abs(decoded.columns.local[0]) < 86_400_000
    assert decoded.columns.behaviour[0] < 16
    assert decoded.columns.category[0] < CATEGORY_SLOTS or decoded.columns.category[0] == 255
    assert decoded.columns.channel[0] < 8 or decoded.columns.channel[0] == 255
    for amount in (decoded.columns.revenue[0], decoded.columns.discount[0]):
        assert 0.0 <= amount <= 1e7
    assert decoded.columns.coupon[0] in (0, 1)


def _exactly(pair: Pair) -> Decoded:
    """The record, read the slow way."""
    slow = decode()
    with mock.patch.object(streams.scoring.decode, "scan", _leave_all):
        return slow.run([MemoryMessage(TP("events", 0), 0, *pair, None, 0)])


def _leave_all(*given: Any) -> int:
    out: Columns = given[-1]
    out.status[:] = LEFT
    return len(out.status)


def _taken(pair: Pair) -> bool:
    """Whether compiled code takes it."""
    with mock.patch.object(Exact, "take", return_value=None) as exact:
        _run([pair])
    return not exact.called


@settings(max_examples=1_000)
@given(pair=_pairs())
def test_what_compiled_code_takes_means_what_the_exact_decoder_reads(pair: Pair) -> None:
    assert _seen(_run([pair]), 0) == _seen(_exactly(pair), 0)
    assert _run([pair]).unknown == _exactly(pair).unknown


@settings(max_examples=2_000)
@given(pair=_pairs(), edits=st.lists(st.tuples(st.floats(0, 1), st.sampled_from(_EDITS), st.booleans()), min_size=1, max_size=3))
def test_a_few_bytes_changed_anywhere_make_no_difference_between_the_two(
    pair: Pair, edits: list[tuple[float, bytes, bool]]
) -> None:
    key, value = pair
    for where, bytes_, over in edits:
        at = int(where * len(value or b""))
        value = (value or b"")[:at] + bytes_ + (value or b"")[at + len(bytes_) * over :]
    changed = (key, value)
    assert _seen(_run([changed]), 0) == _seen(_exactly(changed), 0)


@pytest.mark.parametrize(
    ("part", "taken"),
    [
        (b'"x":{"a":[1,-2.5,{"b":null}],"c":[],"d":{},"e":[true , false]} ,', True),
        ('"name":"caf\\u00e9 \\n, Grüße, 客户, 😀",'.encode(), True),
        (b'"properties":{"revenue":0.1,"category":"Kitchen","coupon":null},', True),
        (b'"context":{"device":{"type":"mobile","x":[[]]},"campaign":null},', True),
        (b'"messageId":"with \\" escapes",', False),
        (b'"x":1e5,', False),
        (b'"properties":{"revenue":1e2},', False),
        (b'"properties":{"revenue":1234567890.1234567},', False),
        (b'"messageId":"a","messageId":"b",', False),
        (b'"x":"\xff",', False),
        (b'"x":"\\ud83d\\ude00",', False),
        (b'"x":' + 70 * b"[" + 70 * b"]" + b",", False),
    ],
)
def test_what_clients_usually_write_is_taken_by_compiled_code(part: bytes, taken: bool) -> None:
    pair = (b"ada", _GOOD.replace(b'"properties":{"revenue":12.5}', part + b'"locale":"de-DE"'))
    assert _taken(pair) == taken
    assert _seen(_run([GOOD, pair, GOOD]), 1) == _seen(_exactly(pair), 0)
