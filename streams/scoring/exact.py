"""Decode records one by one, exactly as msgspec reads them; what cannot be taken becomes a dead letter with its reason.

What `streams.scoring.scan` leaves comes here. It is some eight times slower, and says what is wrong with which record.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

import msgspec
import numpy as np

from models.identity import stable_hash
from models.row import BEHAVIOURS, CATEGORY_SLOTS
from models.taxonomy import Taxonomy
from streams.contracts.control import LATEST_MS
from streams.scoring.events import Context, EventLike, decoder, field_of
from streams.scoring.scan import MAX_KEY_BYTES, NONE, Columns

_MOST_NESTED = 500
"""Deeper JSON is refused. The decoder's own limit depends on Python's version and on how deep the caller's stack is, so that
it would be taken in one process and refused in another."""
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_MONEY = (BEHAVIOURS.index("order"), BEHAVIOURS.index("refund"))
_UNSEEN = CATEGORY_SLOTS - 1


@dataclass(frozen=True, slots=True)
class Bad:
    """A record that is refused: its place in the run, a short kind for the metric, and a sentence."""

    place: int
    kind: str
    reason: str


class Refused(Exception):
    """Why a record is a dead letter."""

    def __init__(self, kind: str, reason: str) -> None:
        self.kind, self.reason = kind, reason


class Exact:
    """Decodes single records with one taxonomy. Limits: `max_bytes` of a value, `max_amount` of money."""

    def __init__(self, taxonomy: Taxonomy, *, max_bytes: int, max_amount: float) -> None:
        self._decode = decoder(taxonomy, max_amount)
        self._max_bytes = max_bytes
        self._behaviours = taxonomy.behaviour_codes
        self._categories, self._channels = taxonomy.category_codes, taxonomy.channel_codes
        self._money = [attrgetter(field_of(taxonomy, name)) for name in taxonomy.money]
        self._discount = [attrgetter(field_of(taxonomy, name)) for name in taxonomy.discount]
        self._coupon = [attrgetter(field_of(taxonomy, name)) for name in taxonomy.coupon]
        self._category = [attrgetter(field_of(taxonomy, name)) for name in taxonomy.category]
        self._channel = [attrgetter(field_of(taxonomy, name)) for name in taxonomy.channel]

    def take(self, key: bytes | None, value: bytes | None, out: Columns, i: int) -> str | None:
        """Fills line i with a record; gives what happened if the taxonomy does not know it. Raises Refused."""
        event = self._event(key, value)
        out.times[i], out.local[i] = parse_time(event.timestamp)
        name, properties = event.event or event.type, event.properties
        out.behaviour[i] = behaviour = self._behaviours.get(name, 0)
        out.category[i], out.channel[i] = self._category_of(properties), self._channel_of(properties, event.context)
        pays = behaviour in _MONEY
        out.revenue[i] = _first(self._money, properties) if pays else 0.0
        out.discount[i] = _first(self._discount, properties) if pays else 0.0
        out.coupon[i] = pays and any(get(properties) for get in self._coupon)
        out.message[i] = stable_hash((event.messageId or "").encode("utf-8", "surrogatepass"))
        return None if name in self._behaviours else name

    def _event(self, key: bytes | None, value: bytes | None) -> EventLike:
        if not value:
            raise Refused("no_value", "the record has no value; an event is a JSON object")
        if len(value) > self._max_bytes:
            raise Refused("too_large", f"the value has {len(value)} bytes; at most {self._max_bytes} are taken")
        if _too_deep(value):
            raise Refused("not_json", "nested too deeply to be read")
        try:
            event = self._decode(value)
        except msgspec.ValidationError as error:
            raise Refused(_kind(str(error)), f"not an event: {error}") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refused("not_json", f"not JSON in UTF-8: {error}") from error
        customer = event.userId or event.anonymousId
        if not customer:
            raise Refused("no_id", "neither userId nor anonymousId is there")
        if key is None:
            raise Refused("key", "the record has no key; it must be the customer's id (userId, else anonymousId)")
        if len(key) > MAX_KEY_BYTES:
            raise Refused("key", f"the key has {len(key)} bytes; a customer's id has at most {MAX_KEY_BYTES}")
        if customer.encode("utf-8", "surrogatepass") != key:
            raise Refused("key", "the key is not the customer's id (userId, else anonymousId)")
        return event

    def _category_of(self, properties: object) -> int:
        named = next((name for get in self._category if (name := get(properties)) is not None), None)
        return NONE if named is None else self._categories.get(named, _UNSEEN)

    def _channel_of(self, properties: object, context: Context) -> int:
        """The first property of those in the taxonomy that says something; then the campaign, then the device."""
        named = [get(properties) for get in self._channel]
        named += [context.campaign and context.campaign.medium, context.device and context.device.type]
        return next((code for name in named if name is not None and (code := self._channels.get(name)) is not None), NONE)


def _first(fields: Sequence[Callable[[object], float | None]], properties: object) -> float:
    """The first amount that is there."""
    return next((amount for get in fields if (amount := get(properties)) is not None), 0.0)


def _too_deep(value: bytes) -> bool:
    """Whether brackets nest deeper than _MOST_NESTED."""
    if len(value) <= _MOST_NESTED or value.count(b"[") + value.count(b"{") <= _MOST_NESTED:
        return False
    text = np.frombuffer(_STRING.sub(b"", value), np.uint8)
    if not len(text):
        return False
    opens, closes = (text == ord("[")) | (text == ord("{")), (text == ord("]")) | (text == ord("}"))
    return bool(np.cumsum(opens.astype(np.int64) - closes).max() > _MOST_NESTED)


def _kind(message: str) -> str:
    """A short name of what is wrong, for the metric's label."""
    if "`$.properties" in message and ("<=" in message or ">=" in message or "out of range" in message):
        return "amount"
    if "required field `type`" in message or "enum value" in message:
        return "no_type"
    if message.startswith("Expected `object`, got") and "`$" not in message:
        return "not_an_object"
    return "wrong_type"


def parse_time(text: str) -> tuple[int, int]:
    """RFC 3339 or ISO 8601 with a zone: ms since 1970, and ms from UTC to the zone given. Raises the dead letter's reason."""
    if not text:
        raise Refused("bad_timestamp", "there is no timestamp; it says when the event happened, like 2024-03-01T12:00:00.123Z")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused("bad_timestamp", f"timestamp {text[:40]!r} is not ISO 8601, like 2024-03-01T12:00:00.123Z") from error
    offset = moment.utcoffset()
    if offset is None:
        raise Refused("bad_timestamp", f"timestamp {text[:40]!r} names no zone; add Z or an offset")
    shift = int(offset.total_seconds() * 1000)
    at = int(moment.replace(microsecond=0).timestamp()) * 1000 + moment.microsecond // 1000
    if not 0 <= at < LATEST_MS:
        raise Refused("bad_timestamp", f"timestamp {text[:40]!r} is not between the years 1970 and 2199")
    return at, shift
