"""The reader of the oracle against the decoder: the same events, and the same records refused."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import chain
from random import Random
from typing import Any

import numpy as np
import pytest

from models.identity import stable_hash
from models.taxonomy import Taxonomy
from streams.broker.memory import MemoryMessage
from streams.broker.protocol import TP
from streams.presets import load_taxonomy
from streams.replay.event import RawRecord, ReplayEvent
from streams.replay.files import online_retail
from streams.scoring import pace
from streams.scoring.decode import Decode
from streams.simulator import Config, generate_events, malformed
from streams.simulator.malformed import KINDS
from tests.oracle.reading import Reader, tick_in
from tests.oracle.row import Event
from tests.property.decoded_events import events_of

Pair = tuple[bytes | None, bytes | None]
MOST_BYTES, MOST_AMOUNT = 2_000, 1e7


@cache
def taxonomy() -> Taxonomy:
    return load_taxonomy("retail")


@cache
def reader() -> Reader:
    return Reader(taxonomy(), max_bytes=MOST_BYTES, max_amount=MOST_AMOUNT)


@cache
def decode() -> Decode:
    return Decode(taxonomy(), max_bytes=MOST_BYTES, max_amount=MOST_AMOUNT)


def decoded(pairs: Iterable[Pair]) -> list[Event | str]:
    """What the decoder makes of each: an event in the oracle's words, or the kind of fault."""
    d = decode().run([MemoryMessage(TP("events", 0), n, key, value, None, 0) for n, (key, value) in enumerate(pairs)])
    found: dict[int, Event | str] = {bad.place: bad.kind for bad in d.bad}
    found.update(zip(d.places.tolist(), events_of(d), strict=True))
    return [found[place] for place in range(len(found))]


def differing(pairs: list[Pair]) -> list[tuple[Pair, Event | str, Event | str]]:
    """Records of which the two make something else. Of broken JSON the decoder may name a fault that stands before the break."""
    both = [(pair, reader().read(*pair), real) for pair, real in zip(pairs, decoded(pairs), strict=True)]
    return [
        (pair, read, real) for pair, read, real in both if read != real and not (read == "not_json" and isinstance(real, str))
    ]


@cache
def simulated() -> list[Pair]:
    events = chain.from_iterable(generate_events(Config(customers=60, days=20, seed=5, local=0.3)))
    return [pair_of(event) for event in events]


def pair_of(record: ReplayEvent | RawRecord) -> Pair:
    return record.key, record.value


def test_events_of_a_simulated_shop_are_read_alike() -> None:
    assert differing(simulated()) == []
    read = [event for pair in simulated() if isinstance(event := reader().read(*pair), Event)]
    assert len(read) == len(simulated()) > 3_000
    assert {event.behaviour for event in read} >= {"order", "refund", "view", "add", "email_open", "account"}
    assert {event.channel for event in read} >= {"desktop", "mobile", "app", "email"}
    assert any(event.local for event in read)
    assert any(event.coupon for event in read)
    assert any(event.discount for event in read)


def test_events_of_real_customers_are_read_alike() -> None:
    pairs = [pair_of(event) for event in online_retail() if stable_hash(event.key) % 40 == 0]
    assert differing(pairs) == []
    assert len(pairs) > 500
    assert not any(isinstance(reader().read(*pair), str) for pair in pairs)


def test_every_kind_of_malformed_record_is_refused_for_the_same_kind_of_fault() -> None:
    pairs = [(bad.key, bad.value) for bad in malformed(np.random.default_rng(3), 4 * len(KINDS))]
    assert [reader().read(*pair) for pair in pairs] == decoded(pairs)
    refused = Counter(reader().read(*pair) for pair in pairs)
    assert refused.keys() == {
        "no_value", "too_large", "not_json", "not_an_object", "no_type", "no_id", "key", "bad_timestamp", "wrong_type", "amount",
    }  # fmt: skip


BYTES = [
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
    b"\xc3\xa9",
    b"\xff",
    b"7",
    b"-",
    b".",
    b"e",
    b"null",
]
VALUES: list[Any] = [
    None, True, 0, -1, -0.0, 12.25, 1e7, 1e7 + 1, 10**30, "", "x", "kitchen", "Kitchen", "email", "iOS", "zoë 客户 😀", "\x00",
    '"\\', [], [[1]], {}, {"type": "mobile"}, {"medium": "email"}, {"x": [{}]},
]  # fmt: skip
TIMES = [
    "2024-03-01T12:00:00Z", "2024-03-01T12:00:00.1239Z", "2024-03-01T12:00:00+05:30", "20240301T120000Z", "2024-03-01 12:00Z",
    "2024-W09-5T12:00:00Z", "1969-12-31T23:59:59.999Z", "2199-12-31T23:59:59.999Z", "2200-01-01T00:00:00Z", "2024-03-01T12:00:00",
    "2024-02-30T12:00:00Z", "1970-01-01T00:00:00+01:00", "1969-12-31T23:30:00-01:00", "soon",
]  # fmt: skip
NAMES = ["revenue", "total", "value", "discount", "coupon", "voucher", "category", "department", "channel", "unheard of"]
EVENTS = ["Order Completed", "order_refunded", "productViewed", "Moon Landed", ""]
RAW = [
    b"1e400",
    b"-1e-400",
    b"1E2",
    b"0." + b"3" * 30,
    b"9" * 400,
    b"01",
    b"NaN",
    b'"\\ud83d\\ude00"',
    b'"\\ud83d"',
    b'"\\u0041"',
]
"""What no writer of JSON would write."""


def changed(pair: Pair, rng: Random) -> Pair:
    """The record, with one to three things altered in its bytes or in what it says."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        pair = rng.choice((_bytes_changed, _said_otherwise, _said_otherwise))(pair, rng)
    return pair


def _bytes_changed(pair: Pair, rng: Random) -> Pair:
    key, value = pair
    assert value is not None
    at, put = rng.randrange(len(value) + 1), rng.choice(BYTES)
    return key, value[:at] + put + value[at + rng.randrange(2) :]


def _said_otherwise(pair: Pair, rng: Random) -> Pair:
    key, value = pair
    try:
        event = json.loads(value or b"")
    except ValueError:
        return pair
    if not isinstance(event, dict):
        return pair
    name, mark = rng.choice(("top", "properties", "properties", "context", "key", "raw", "twice")), "a mark"
    if name == "top":
        field = rng.choice(("type", "event", "userId", "anonymousId", "messageId", "timestamp", "properties", "context", "new"))
        said = {"timestamp": rng.choice(TIMES), "type": rng.choice(("page", "alias", "walk")), "event": rng.choice(EVENTS)}
        event[field] = said[field] if field in said and rng.random() < 0.7 else rng.choice(VALUES)
        if field == "event" and event[field] is None:  # see below
            del event[field]
    elif name == "context":
        event["context"] = {rng.choice(("device", "campaign", "new")): rng.choice(VALUES)}
    elif name == "key":
        key = rng.choice((None, b"", b"other", b"x" * 257, (key or b"") + b" "))
    else:
        there = event.get("properties")
        properties: dict[str, Any] = there if isinstance(there, dict) else {}
        event["properties"] = {**properties, rng.choice(NAMES): mark if name != "properties" else rng.choice(VALUES)}
    text = json.dumps(event, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    if name == "raw":
        text = text.replace(b'"a mark"', rng.choice(RAW))
    if name == "twice":
        text = text.replace(b'"a mark"', b'7,"%b":8' % rng.choice(NAMES).encode())
    return key, text


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_altered_both_make_the_same_of_it(seed: int) -> None:
    rng = Random(seed)
    pairs = [changed(rng.choice(simulated()), rng) for _ in range(6_000)]
    assert differing(pairs) == []
    made = Counter("event" if isinstance(read := reader().read(*pair), Event) else read for pair in pairs)
    assert min(made[kind] for kind in ("event", "not_json", "key", "wrong_type", "bad_timestamp")) > 100
    assert min(made[kind] for kind in ("amount", "no_type", "no_id")) > 10


_EVENT = (
    b'{"type":"track","event":"Order Completed","userId":"ada","messageId":"m","timestamp":"2024-03-01T12:00:00.123Z",'
    b'"properties":{"revenue":12.5,"coupon":"X","category":"kitchen"},"context":{"device":{"type":"mobile"}}}'
)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"type":"track"', b'"type":"walk","type":"track"'),
        (b'"type":"track"', b'"type":"track","x":"\xff"'),
        (b'"type":"track"', b'"type":"track","\xff":"x"'),
        (b'"type":"track"', b'"type":"track","x":"\\ud800"'),
        (b'"type":"track"', b'"type":"track","x":"\\ud83d\\ude00"'),
        (b'"type":"track"', b'"typ\\u0065":"tr\\u0061ck"'),
        (b'"type":"track"', b'"type":"track","x":' + 499 * b"[" + 499 * b"]"),
        (b'"type":"track"', b'"type":"track","x":' + 500 * b"[" + 500 * b"]"),
        (b'"type":"track"', b'"type":"track","x":"' + 501 * b"[" + b'"'),
        (b'"type":"track"', b'"type":"track","x":[' + 501 * b"[]," + b"1]"),
        (b'"messageId":"m"', b'"messageId":"\xff"'),
        (b'"messageId":"m"', b'"messageId":""'),
        (b'"messageId":"m"', b'"messageId":"m","messageId":null'),
        (b'"userId":"ada"', b'"userId":"","anonymousId":"ada"'),
        (b'"properties":{', b'"properties":{"revenue":-1},"properties":{'),
        (b'"properties":{', b'"properties":{"revenue":1},"properties":{'),
        (b'"revenue":12.5', b'"revenue":-0'),
        (b'"revenue":12.5', b'"revenue":null,"total":3'),
        (b'"revenue":12.5', b'"discount":1e400'),
        (b'"coupon":"X"', b'"coupon":"","voucher":"Y"'),
        (b'"category":"kitchen"', b'"category":null,"department":"bags"'),
        (b'"category":"kitchen"', b'"category":""'),
        (b'"device":{"type":"mobile"}', b'"device":{"type":"toaster"},"campaign":null'),
        (b'"device":{"type":"mobile"}', b'"device":null,"campaign":{"medium":"email"}'),
        (b".123Z", b".123456789Z"),
        (b".123Z", b"+23:59"),
        (b"}}}", b"}}} \n"),
        (b"}}}", b"}}}\0"),
    ],
)
def test_what_is_written_in_an_odd_way_is_read_alike(old: bytes, new: bytes) -> None:
    assert old in _EVENT
    assert differing([(b"ada", _EVENT), (b"ada", _EVENT.replace(old, new, 1))]) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b'"event":"Order Completed"', b'"event":null', id="event.schema.json lets the name be null"),
        pytest.param(b'"coupon":"X"', b'"channel":"store","sales_channel":"app"', id="taxonomy.md: the first property counts"),
        pytest.param(b'"m"', b'"\\u0041","x":"' + 501 * b"[" + b'"', id="brackets inside a string are not nested"),
    ],
)
def test_what_the_documents_say_is_done(old: bytes, new: bytes) -> None:
    assert differing([(b"ada", _EVENT.replace(old, new, 1))]) == []


def real_tick(value: bytes | None) -> tuple[int, str | None] | None:
    tick = pace.tick_in(MemoryMessage(TP("events", 0), 0, None, value, None, 0))
    return None if tick is None else (tick.at, tick.definitions)


@pytest.mark.parametrize(
    "value",
    [
        b'{"type":"shoal.tick","at":5}', b'{"final":true,"at":5,"definitions":"abc","type":"shoal.tick","x":1}', None, b"", b"7",
        b'{"type":"shoal.tick"}', b'{"type":"shoal.tick","at":"5"}', b'{"type":"shoal.tick","at":5.5}',
        b'{"type":"track","at":5}', b'{"type":"shoal.tick","at":5,"definitions":7}', b"{", _EVENT,
        b'{"type":"shoal.tick","at":5,"final":1}',
        b'{"at":5}', b'{"type":"shoal.tick","at":-1}', b'{"type":"shoal.tick","at":99999999999999999999}',
    ],
)  # fmt: skip
def test_ticks_are_recognised_alike(value: bytes | None) -> None:
    assert tick_in(value) == real_tick(value)
