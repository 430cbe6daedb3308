"""Records that are wrong in every way that is known: what a worker must set aside, each with its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import orjson

from streams.replay.event import RawRecord, ReplayEvent

_TIME: Final = "2011-03-01T12:00:00.000Z"


@dataclass(frozen=True, slots=True)
class Bad:
    """A bad record. `name`: what is wrong with it."""

    name: str
    key: bytes | None
    value: bytes | None

    @property
    def record(self) -> RawRecord:
        """As it is written."""
        return RawRecord(self.key, self.value)


def malformed(rng: np.random.Generator, n: int) -> list[Bad]:
    """n bad records in random order, all kinds equally often."""
    makers = [KINDS[i % len(KINDS)] for i in range(n)]
    return [_make(makers[i], i, rng) for i in rng.permutation(n).tolist()]


def mixed(
    events: Iterable[ReplayEvent], bad: list[Bad], total: int, rng: np.random.Generator
) -> Iterator[ReplayEvent | RawRecord]:
    """The events in their order with bad records at random places among the first `total` of them."""
    places = np.sort(rng.integers(0, max(1, total), len(bad))).tolist()
    done = 0
    for number, event in enumerate(events):
        while done < len(bad) and places[done] <= number:
            yield bad[done].record
            done += 1
        yield event
    for rest in bad[done:]:
        yield rest.record


Record = tuple[bytes | None, bytes | None]
Kind = tuple[str, Callable[[str, np.random.Generator], Record]]


def _make(kind: Kind, number: int, rng: np.random.Generator) -> Bad:
    name, make = kind
    key, value = make(f"bad-{number}", rng)
    return Bad(name, key, value)


def _event(customer: str, **changes: object) -> dict[str, object]:
    """A good order, but for the changes."""
    return {
        "type": "track",
        "event": "Order Completed",
        "messageId": f"m-{customer}",
        "userId": customer,
        "timestamp": _TIME,
        "properties": {"revenue": 12.5, "category": "kitchen"},
        **changes,
    }


def _text(customer: str, **changes: object) -> bytes:
    return orjson.dumps(_event(customer, **changes))


def _changed(**changes: object) -> Callable[[str, np.random.Generator], Record]:
    """A good order under its right key with some fields replaced."""
    return lambda customer, _: (customer.encode(), _text(customer, **changes))


def _without(field: str) -> Callable[[str, np.random.Generator], Record]:
    def make(customer: str, _: np.random.Generator) -> Record:
        event = _event(customer)
        del event[field]
        return customer.encode(), orjson.dumps(event)

    return make


def _revenue(literal: str) -> Callable[[str, np.random.Generator], Record]:
    """An amount that no JSON writer would write."""
    return lambda customer, _: (customer.encode(), _text(customer).replace(b"12.5", literal.encode()))


def _raw(value: bytes | None) -> Callable[[str, np.random.Generator], Record]:
    return lambda customer, _: (customer.encode(), value)


def _rewritten(change: Callable[[bytes], bytes]) -> Callable[[str, np.random.Generator], Record]:
    return lambda customer, _: (customer.encode(), change(_text(customer)))


def _cut(customer: str, rng: np.random.Generator) -> Record:
    text = _text(customer)
    return customer.encode(), text[: int(rng.integers(1, len(text)))]


def _noise(customer: str, rng: np.random.Generator) -> Record:
    # No JSON begins with a zero byte.
    return customer.encode(), b"\0" + rng.bytes(int(rng.integers(1, 400)))


def _invalid_utf8(customer: str, _: np.random.Generator) -> Record:
    return customer.encode() + b"\xff\xfe", _text(f"{customer}??").replace(b"??", b"\xff\xfe")


def _long_key(customer: str, _: np.random.Generator) -> Record:
    long = customer + "x" * 300
    return long.encode(), _text(long)


KINDS: Final[tuple[Kind, ...]] = (
    ("not JSON", _raw(b"a customer bought something")),
    ("truncated JSON", _cut),
    ("random bytes", _noise),
    ("JSON array", _raw(b'[{"type":"track"}]')),
    ("JSON string", _raw(b'"track"')),
    ("JSON number", _raw(b"42")),
    ("JSON null", _raw(b"null")),
    ("two objects", _rewritten(lambda text: text + text)),
    ("single quotes", _rewritten(lambda text: text.replace(b'"', b"'"))),
    ("UTF-16", _rewritten(lambda text: text.decode().encode("utf-16"))),
    ("byte order mark", _rewritten(lambda text: b"\xef\xbb\xbf" + text)),
    ("empty value", _raw(b"")),
    ("no value", _raw(None)),
    ("no id", _without("userId")),
    ("empty id", _changed(userId="")),
    ("id is null", _changed(userId=None)),
    ("id is a number", _changed(userId=17850)),
    ("id is invalid UTF-8", _invalid_utf8),
    ("no type", _without("type")),
    ("unknown type", _changed(type="purchase")),
    ("type is a number", _changed(type=7)),
    ("key of another customer", lambda customer, _: (b"somebody-else", _text(customer))),
    ("no key", lambda customer, _: (None, _text(customer))),
    ("empty key", lambda customer, _: (b"", _text(customer))),
    ("key too long", _long_key),
    ("no timestamp", _without("timestamp")),
    ("timestamp is text", _changed(timestamp="yesterday at noon")),
    ("timestamp is a number", _changed(timestamp=1_299_000_000_000)),
    ("timestamp is no date", _changed(timestamp="2011-02-30T12:00:00.000Z")),
    ("year 10000", _changed(timestamp="10000-01-01T00:00:00.000Z")),
    ("amount is NaN", _revenue("NaN")),
    ("amount is Infinity", _revenue("Infinity")),
    ("amount is 1e999", _revenue("1e999")),
    ("amount is negative", _changed(properties={"revenue": -5.0})),
    ("amount is absurd", _changed(properties={"revenue": 1e15})),
    ("amount is text", _changed(properties={"revenue": "12.50"})),
    ("amount is a list", _changed(properties={"revenue": [12.5]})),
    ("discount is negative", _changed(properties={"revenue": 12.5, "discount": -1.0})),
    ("category is a number", _changed(properties={"revenue": 12.5, "category": 5})),
    ("properties are a list", _changed(properties=[1, 2, 3])),
    ("context is text", _changed(context="mobile")),
    ("event name is a number", _changed(event=404)),
    ("message id is an object", _changed(messageId={"id": 1})),
    (
        "nested too deeply",
        _rewritten(lambda text: text.replace(b"12.5", b'12.5,"note":' + b"[" * 5_000 + b"]" * 5_000)),
    ),
    ("more than 32 KB", _changed(properties={"revenue": 12.5, "note": "x" * 40_000})),
    ("a string of 1 MB", _changed(properties={"revenue": 12.5, "note": "x" * 1_000_000})),
)
"""Name and maker of each kind."""
