"""One record of `events` as the oracle reads it: an event, or the kind of fault for which it is a dead letter; and ticks.

The caller clamps what is dated ahead. The documents are silent here, and the rule was read from `streams/scoring/exact.py`:

- Faults are looked for in this order: no value, too large, nested more than 500 deep, not JSON, then whatever the object holds
  from its beginning to its end, no type at all, no id, the key, the timestamp. Where the JSON breaks off behind another fault
  the engine may name that one instead of `not_json`.
- JSON is UTF-8 without a byte order mark. In names and texts that nobody reads, other bytes are let pass; half a surrogate pair,
  written as an escape, is no JSON anywhere.
- Of a name that stands twice in an object each value is checked, and the last one counts, whole.
- null is as good as absent for ids, and for what the taxonomy, `device` and `campaign` name; not for `type`, `timestamp`,
  `properties` and `context`. An empty text is as good as absent for ids and `event`, and is no coupon; as a category it is one
  that the taxonomy does not know.
- A number beyond all doubles is an amount, wherever in the properties it stands, or in their place.
- Amounts are checked in every event, and count in orders and refunds only; so do coupons, of which any is enough.
- A timestamp is what Python's `datetime.fromisoformat` takes, with a zone, of the years 1970 to 2199; what is finer than a
  millisecond is cut off.

A tick has its `type`, and a time of the years 1970 to 2199.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Final

from models.identity import stable_hash
from models.row import BEHAVIOURS, CATEGORY_SLOTS, CHANNELS
from models.taxonomy import Taxonomy
from tests.oracle.row import Event

CALLS: Final = ("track", "identify", "page", "screen", "group", "alias")
MOST_KEY_BYTES: Final = 256
MOST_NESTED: Final = 500

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_END: Final = datetime(2200, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NOT_UTF8: Final = re.compile("[\udc80-\udcff]")

Check = Callable[[object], object]


class _Number(str):
    """A number as it is written."""


class _Refused(Exception):
    """The record is a dead letter of this kind."""


class Reader:
    """Reads records with one taxonomy. Limits: `max_bytes` of a value, `max_amount` of money."""

    def __init__(self, taxonomy: Taxonomy, *, max_bytes: int, max_amount: float) -> None:
        self._taxonomy, self._max_bytes, self._max_amount = taxonomy, max_bytes, max_amount
        texts = (*taxonomy.coupon, *taxonomy.category, *taxonomy.channel)
        properties = dict.fromkeys(texts, _bounded(_optional(_text))) | dict.fromkeys(
            (*taxonomy.money, *taxonomy.discount), _optional(self._amount)
        )
        context = {
            "device": _optional(_object({"type": _optional(_text)})),
            "campaign": _optional(_object({"medium": _optional(_text)})),
        }
        self._envelope: Mapping[str, Check] = {
            "type": _call,
            "timestamp": _text,
            **dict.fromkeys(("event", "userId", "anonymousId", "messageId"), _optional(_text)),
            "properties": _bounded(_object(properties)),
            "context": _object(context),
        }

    def read(self, key: bytes | None, value: bytes | None) -> Event | str:
        """The event, its time as it is written; or the kind of fault."""
        try:
            return self._event(key, value)
        except _Refused as refused:
            return str(refused)

    def _event(self, key: bytes | None, value: bytes | None) -> Event:
        if not value:
            raise _Refused("no_value")
        if len(value) > self._max_bytes:
            raise _Refused("too_large")
        content = _content(value)
        if not isinstance(content, tuple):
            raise _Refused("not_an_object")
        said = _checked(content, self._envelope)
        if "type" not in said:
            raise _Refused("no_type")
        customer = said.get("userId") or said.get("anonymousId")
        if not customer:
            raise _Refused("no_id")
        if key is None or len(key) > MOST_KEY_BYTES or key != str(customer).encode():
            raise _Refused("key")
        at, local = _moment(str(said.get("timestamp") or ""))
        behaviour = BEHAVIOURS[self._taxonomy.behaviour_codes.get(str(said.get("event") or said["type"]), 0)]
        properties, context = _inside(said, "properties"), _inside(said, "context")
        pays = behaviour in ("order", "refund")
        message = str(said.get("messageId") or "")
        return Event(
            customer=key,
            at=at,
            local=local,
            behaviour=behaviour,
            revenue=_first_amount(properties, self._taxonomy.money) if pays else 0.0,
            discount=_first_amount(properties, self._taxonomy.discount) if pays else 0.0,
            category=self._category(properties),
            channel=self._channel(properties, context),
            coupon=pays and any(properties.get(name) for name in self._taxonomy.coupon),
            message=stable_hash(message.encode()),
        )

    def _amount(self, value: object) -> float:
        if not isinstance(value, _Number):
            raise _Refused("wrong_type")
        amount = float(value)
        if not 0.0 <= amount <= self._max_amount:
            raise _Refused("amount")
        return amount

    def _category(self, properties: Mapping[str, object]) -> int | None:
        """The slot of the first property that is there."""
        for name in self._taxonomy.category:
            if properties.get(name) is not None:
                return self._taxonomy.category_codes.get(str(properties[name]), CATEGORY_SLOTS - 1)
        return None

    def _channel(self, properties: Mapping[str, object], context: Mapping[str, object]) -> str | None:
        """That of the first text that is known: of the properties, then the campaign's medium, then the device's type."""
        named = [properties.get(name) for name in self._taxonomy.channel]
        named += [_inside(context, "campaign").get("medium"), _inside(context, "device").get("type")]
        codes = self._taxonomy.channel_codes
        return next((CHANNELS[codes[text]] for text in named if isinstance(text, str) and text in codes), None)


def tick_in(value: bytes | None) -> tuple[int, str | None] | None:
    """Time (ms) of the tick that a record without a key holds, and the hash of the definitions that come with it; or None."""
    try:
        content = _content(value or b"")
    except _Refused:
        return None
    said = dict(content) if isinstance(content, tuple) else {}
    at, definitions, final = said.get("at"), said.get("definitions"), said.get("final", False)
    if said.get("type") != "shoal.tick" or not isinstance(at, _Number) or not re.fullmatch("[0-9]{1,20}", at):
        return None
    if not (definitions is None or type(definitions) is str) or not isinstance(final, bool):
        return None
    return (int(at), definitions) if int(at) < (_END - _EPOCH) // _MS else None


def _content(value: bytes) -> object:
    """The JSON: objects as tuples of names and values, numbers as they are written."""
    if _deepest(value) > MOST_NESTED:
        raise _Refused("not_json")
    text = value.decode("utf-8", "surrogateescape")
    try:
        content: object = json.loads(
            text, object_pairs_hook=tuple, parse_int=_Number, parse_float=_Number, parse_constant=_no_number
        )
    except ValueError as error:
        raise _Refused("not_json") from error
    if not _in_pairs(_ESCAPE.finditer(text)):
        raise _Refused("not_json")
    return content


def _deepest(value: bytes) -> int:
    """How deep the brackets outside of strings nest; or how many open, if those are not too many."""
    opened = value.count(b"[") + value.count(b"{")
    if opened <= MOST_NESTED:
        return opened
    outside = _STRING.sub(b"", value)
    return max(accumulate(((byte in b"[{") - (byte in b"]}") for byte in outside), initial=0))


def _no_number(text: str) -> object:
    raise _Refused("not_json")


def _in_pairs(escapes: Iterable[re.Match[str]]) -> bool:
    """Whether each escape of the high half of a surrogate pair stands right before one of a low half, and no low half alone."""
    expected = -1
    for escape in escapes:
        code = int(escape[1] or "0", 16)
        low = 0xDC00 <= code <= 0xDFFF
        if low != (escape.start() == expected) or (expected >= 0 and not low):
            return False
        expected = escape.end() if 0xD800 <= code <= 0xDBFF else -1
    return expected < 0


def _checked(pairs: tuple[tuple[str, object], ...], checks: Mapping[str, Check]) -> dict[str, object]:
    """What is read of an object, checked in the order in which it stands there."""
    return {name: checks[name](value) for name, value in pairs if name in checks}


def _object(checks: Mapping[str, Check]) -> Check:
    def check(value: object) -> object:
        if not isinstance(value, tuple):
            raise _Refused("wrong_type")
        return _checked(value, checks)

    return check


def _bounded(check: Check) -> Check:
    def bounded(value: object) -> object:
        if isinstance(value, _Number) and math.isinf(float(value)):
            raise _Refused("amount")
        return check(value)

    return bounded


def _optional(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def _text(value: object) -> str:
    if type(value) is not str:
        raise _Refused("wrong_type")
    if _NOT_UTF8.search(value):
        raise _Refused("not_json")
    return value


def _call(value: object) -> str:
    call = _text(value)
    if call not in CALLS:
        raise _Refused("no_type")
    return call


def _inside(said: Mapping[str, object], name: str) -> Mapping[str, object]:
    """An object that was checked, empty if it is not there."""
    inside = said.get(name)
    return inside if isinstance(inside, dict) else {}


def _first_amount(properties: Mapping[str, object], names: Iterable[str]) -> float:
    amounts = (properties.get(name) for name in names)
    return next((amount for amount in amounts if isinstance(amount, float)), 0.0)


def _moment(text: str) -> tuple[int, int]:
    """Ms since 1970, and ms from UTC to the zone given."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise _Refused("bad_timestamp") from error
    zone = moment.utcoffset()
    if zone is None or not _EPOCH <= moment < _END:
        raise _Refused("bad_timestamp")
    return (moment - _EPOCH) // _MS, zone // _MS
