"""Decode a run of records of one partition into the kernel's columns; what cannot be decoded becomes a dead letter.

The fast way takes the whole run at once and checks it with a few whole-batch comparisons. Any doubt sends the run the slow
way, record by record, which says what is wrong with which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

import msgspec
import numpy as np

from models.identity import hash_slices
from models.kernel.iso import WIDTH, milliseconds
from models.kernel.tables import I8, U1, U8
from models.row import BEHAVIOURS, CATEGORY_SLOTS
from models.taxonomy import Taxonomy
from streams.broker.protocol import Message
from streams.scoring.events import EventLike, decoder, field_of

MAX_KEY_BYTES = 256
_TOO_LATE = 7_258_118_400_000  # 2200-01-01, ms
_MOST_NESTED = 500
"""Deeper JSON is refused. The decoder's own limit depends on Python's version and on how deep the caller's stack is, so that
it would be taken in one process and refused in another."""
_ORDER, _REFUND = BEHAVIOURS.index("order"), BEHAVIOURS.index("refund")
_UNSEEN = CATEGORY_SLOTS - 1
_NONE = 255


@dataclass(frozen=True, slots=True)
class Bad:
    """A record that is refused: its place in the run, a short kind for the metric, and a sentence."""

    place: int
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """The good ones of a run, as columns (see `models.kernel.tables.Events`), and the bad ones.

    places: of the good ones in the run. keys: customer ids. times: ms, not yet clamped. unknown: event names not in the taxonomy.
    """

    places: I8
    keys: list[bytes]
    times: I8
    local: I8
    behaviour: U1
    revenue: np.ndarray[tuple[int], np.dtype[np.float64]]
    discount: np.ndarray[tuple[int], np.dtype[np.float64]]
    category: U1
    channel: U1
    coupon: U1
    message: U8
    bad: tuple[Bad, ...]
    unknown: tuple[str, ...]


class _Refused(Exception):
    """Why a record is a dead letter."""

    def __init__(self, kind: str, reason: str) -> None:
        self.kind, self.reason = kind, reason


class Decode:
    """Decodes runs of records with one taxonomy. Limits: `max_bytes` of a value, `max_amount` of money."""

    def __init__(self, taxonomy: Taxonomy, *, max_bytes: int, max_amount: float) -> None:
        self._decode = decoder(taxonomy, max_amount)
        self._max_bytes = max_bytes
        self._behaviours = dict(taxonomy.behaviour_codes)
        self._categories: dict[str | None, int] = {None: _NONE}
        self._channels: dict[str | None, int] = {None: _NONE}
        self._categories.update(taxonomy.category_codes)
        self._channels.update(taxonomy.channel_codes)
        self._money = [attrgetter(field_of(taxonomy, name)) for name in taxonomy.money]
        self._discount = [attrgetter(field_of(taxonomy, name)) for name in taxonomy.discount]
        self._coupon = [attrgetter(field_of(taxonomy, name)) for name in taxonomy.coupon]
        self._category = [attrgetter(field_of(taxonomy, name)) for name in taxonomy.category]
        self._channel = [attrgetter(field_of(taxonomy, name)) for name in taxonomy.channel]

    def run(self, messages: Sequence[Message]) -> Decoded:
        """Columns of a run of records, in order."""
        values = [m.value() for m in messages]
        keys = [m.key() for m in messages]
        try:
            longest = max(map(len, values))  # type: ignore[arg-type]
            if longest > self._max_bytes or (longest > _MOST_NESTED and any(map(_too_deep, values))):  # type: ignore[arg-type]
                return self._slowly(keys, values)
            events = [self._decode(value) for value in values]  # type: ignore[arg-type]
            ids = [e.userId or e.anonymousId for e in events]
            text = "".join(ids)  # type: ignore[arg-type]
            lengths = list(map(len, keys))  # type: ignore[arg-type]
            if b"".join(keys) != text.encode() or lengths != list(map(len, ids)):  # type: ignore[arg-type]
                return self._slowly(keys, values)
            if max(lengths) > MAX_KEY_BYTES or min(lengths) == 0:
                return self._slowly(keys, values)
            times = np.empty(len(events), np.int64)
            stamps = [e.timestamp for e in events]
            if set(map(len, stamps)) != {WIDTH} or milliseconds(_bytes("".join(stamps)), times) >= 0:
                return self._slowly(keys, values)
            if times.max() >= _TOO_LATE:
                return self._slowly(keys, values)
        except (msgspec.DecodeError, UnicodeError, TypeError):
            return self._slowly(keys, values)
        return self._columns(np.arange(len(events)), keys, events, times, np.zeros(len(events), np.int64), ())  # type: ignore[arg-type]

    def _slowly(self, keys: Sequence[bytes | None], values: Sequence[bytes | None]) -> Decoded:
        places: list[int] = []
        good: list[bytes] = []
        events: list[EventLike] = []
        times: list[tuple[int, int]] = []
        bad: list[Bad] = []
        for place, (key, value) in enumerate(zip(keys, values, strict=True)):
            try:
                event, customer = self._one(key, value)
                times.append(parse_time(event.timestamp))
            except _Refused as refused:
                bad.append(Bad(place, refused.kind, refused.reason))
                continue
            places.append(place)
            good.append(customer)
            events.append(event)
        stamps = np.array(times, np.int64).reshape(-1, 2)
        return self._columns(np.array(places, np.int64), good, events, stamps[:, 0].copy(), stamps[:, 1].copy(), tuple(bad))

    def _one(self, key: bytes | None, value: bytes | None) -> tuple[EventLike, bytes]:
        if not value:
            raise _Refused("no_value", "the record has no value; an event is a JSON object")
        if len(value) > self._max_bytes:
            raise _Refused("too_large", f"the value has {len(value)} bytes; at most {self._max_bytes} are taken")
        if _too_deep(value):
            raise _Refused("not_json", "nested too deeply to be read")
        try:
            event = self._decode(value)
        except msgspec.ValidationError as error:
            raise _Refused(_kind(str(error)), f"not an event: {error}") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _Refused("not_json", f"not JSON in UTF-8: {error}") from error
        customer = event.userId or event.anonymousId
        if not customer:
            raise _Refused("no_id", "neither userId nor anonymousId is there")
        if key is None:
            raise _Refused("key", "the record has no key; it must be the customer's id (userId, else anonymousId)")
        if len(key) > MAX_KEY_BYTES:
            raise _Refused("key", f"the key has {len(key)} bytes; a customer's id has at most {MAX_KEY_BYTES}")
        if customer.encode("utf-8", "surrogatepass") != key:
            raise _Refused("key", "the key is not the customer's id (userId, else anonymousId)")
        return event, key

    def _columns(
        self, places: I8, keys: list[bytes], events: Sequence[EventLike], times: I8, local: I8, bad: tuple[Bad, ...]
    ) -> Decoded:
        n = len(events)
        codes = self._behaviours
        unknown: tuple[str, ...] = ()
        try:
            kinds = [codes[e.event] for e in events]
        except KeyError:
            names = [e.event or e.type for e in events]
            unknown = tuple(name for name in names if name not in codes)
            kinds = [codes.get(name, 0) for name in names]
        behaviour = _codes(kinds)
        properties = [e.properties for e in events]
        categories = self._categories
        category = np.full(n, _NONE, np.uint8)
        for get in reversed(self._category):
            found = _codes([categories.get(name, _UNSEEN) for name in map(get, properties)])
            category = np.where(found == _NONE, category, found)
        revenue, discount, coupon = np.zeros(n), np.zeros(n), np.zeros(n, np.uint8)
        for i in np.flatnonzero((behaviour == _ORDER) | (behaviour == _REFUND)).tolist():
            p = properties[i]
            revenue[i] = next((v for get in self._money if (v := get(p)) is not None), 0.0)
            discount[i] = next((v for get in self._discount if (v := get(p)) is not None), 0.0)
            coupon[i] = any(get(p) for get in self._coupon)
        return Decoded(
            places, keys, times, local, behaviour, revenue, discount, category, self._channel_codes(events, properties), coupon,
            _hashes([e.messageId for e in events]), bad, unknown,
        )  # fmt: skip

    def _channel_codes(self, events: Sequence[EventLike], properties: Sequence[object]) -> U1:
        """The campaign's medium says more than the device; a property named in the taxonomy says most."""
        codes = self._channels
        contexts = [e.context for e in events]
        channel = _codes([_NONE if d is None else codes.get(d.type, _NONE) for d in [c.device for c in contexts]])
        campaigns = [c.campaign for c in contexts]
        for i in [i for i, campaign in enumerate(campaigns) if campaign is not None]:
            if (code := codes.get(campaigns[i].medium, _NONE)) != _NONE:
                channel[i] = code
        for get in self._channel:
            found = _codes([codes.get(name, _NONE) for name in map(get, properties)])
            channel = np.where(found == _NONE, channel, found)
        return channel


def _codes(codes: list[int]) -> U1:
    """Numbers below 256 as a column: a third of np.array's time."""
    return np.frombuffer(bytearray(codes), np.uint8)


def _hashes(ids: list[str | None]) -> U8:
    """Hash of each message id, 0 where there is none."""
    found: list[str] = [i or "" for i in ids] if None in ids else ids  # type: ignore[assignment]
    text, lengths = "".join(found).encode("utf-8", "surrogatepass"), list(map(len, found))
    if len(text) != sum(lengths):  # not ASCII: a character may take several bytes
        lengths = [len(i.encode("utf-8", "surrogatepass")) for i in found]
    hashes = np.zeros(len(found), np.uint64)
    hash_slices(np.frombuffer(text, np.uint8), np.cumsum(np.array(lengths, np.int64)), hashes)
    return hashes


def _bytes(text: str) -> U1:
    return np.frombuffer(text.encode("ascii"), np.uint8)


def _too_deep(value: bytes) -> bool:
    """Whether brackets nest deeper than _MOST_NESTED; those inside strings count too."""
    if len(value) <= _MOST_NESTED or value.count(b"[") + value.count(b"{") <= _MOST_NESTED:
        return False
    text = np.frombuffer(value, np.uint8)
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
        raise _Refused("bad_timestamp", "there is no timestamp; it says when the event happened, like 2024-03-01T12:00:00.123Z")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise _Refused("bad_timestamp", f"timestamp {text[:40]!r} is not ISO 8601, like 2024-03-01T12:00:00.123Z") from error
    offset = moment.utcoffset()
    if offset is None:
        raise _Refused("bad_timestamp", f"timestamp {text[:40]!r} names no zone; add Z or an offset")
    shift = int(offset.total_seconds() * 1000)
    at = int(moment.replace(microsecond=0).timestamp()) * 1000 + moment.microsecond // 1000
    if not 0 <= at < _TOO_LATE:
        raise _Refused("bad_timestamp", f"timestamp {text[:40]!r} is not between the years 1970 and 2199")
    return at, shift
