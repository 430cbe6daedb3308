"""The event as it goes into the topic: a record's key and value, and the time that puts it in its place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import orjson


class ReplayEvent(msgspec.Struct, frozen=True, gc=False):
    """One record of `events`: `key` is the customer's id, `at` its time in ms since 1970, `value` Segment JSON."""

    key: bytes
    at: int
    value: bytes


class RawRecord(msgspec.Struct, frozen=True, gc=False):
    """Bytes that need not be an event, written where they stand: for tests of what happens to bad input."""

    key: bytes | None
    value: bytes | None


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware datetime, without a float in between."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def iso(moment: datetime) -> str:
    """`2011-01-03T08:26:00.000Z` for UTC, else with the offset: `2011-01-03T09:26:00.000+01:00`."""
    text = moment.isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


def iso_ms(at: int) -> str:
    """The UTC text of a time in ms since 1970."""
    return iso(_EPOCH + timedelta(milliseconds=at))


class _Timed(msgspec.Struct):
    timestamp: str


_TIMED = msgspec.json.Decoder(_Timed)


def shifted(event: ReplayEvent, by_ms: int) -> ReplayEvent:
    """The same event `by_ms` later; a local time keeps its offset, all other fields their order and text."""
    moment = datetime.fromisoformat(_TIMED.decode(event.value).timestamp)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    later = moment + timedelta(milliseconds=by_ms)
    fields = msgspec.json.decode(event.value, type=dict[str, msgspec.Raw])
    fields["timestamp"] = msgspec.Raw(orjson.dumps(iso(later)))
    return ReplayEvent(event.key, event.at + by_ms, msgspec.json.encode(fields))
