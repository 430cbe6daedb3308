"""Writes simulated columns as Segment calls."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from streams.replay.event import ReplayEvent
from streams.simulator.day import KINDS, ORDER, REFUND, Events
from streams.simulator.personas import CATEGORIES, DEVICES, MEDIUMS
from streams.simulator.population import Config, Population

_CODES: Final = ("SAVE10", "WELCOME", "SPRING", "LASTCHANCE")


class Device(msgspec.Struct, frozen=True, gc=False):
    """context.device."""

    type: str


class Campaign(msgspec.Struct, frozen=True, gc=False):
    """context.campaign."""

    medium: str


class Context(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What an event was done with."""

    device: Device | None = None
    campaign: Campaign | None = None


class Properties(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What an event is about."""

    category: str | None = None
    revenue: float | None = None
    discount: float | None = None
    coupon: str | None = None
    currency: str | None = None


class Call(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """A Segment call."""

    type: str
    message_id: str
    timestamp: str
    event: str | None = None
    name: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    properties: Properties | None = None
    context: Context | None = None


class CallEncoder:
    """Turns a day's columns into records."""

    def __init__(self, config: Config, population: Population) -> None:
        self._prefix = f"sim{config.seed}"
        self._ids = population.ids
        self._keys = [name.encode() for name in population.ids]
        self._anonymous: list[bool] = population.anonymous.tolist()
        self._offset = population.offset
        self._contexts = {
            (device, medium): Context(
                Device(DEVICES[device]) if device >= 0 else None, Campaign(MEDIUMS[medium]) if medium > 0 else None
            )
            for device in range(-1, len(DEVICES))
            for medium in range(-1, len(MEDIUMS))
        }
        self._plain = [None, *(Properties(slug) for slug in CATEGORIES)]

    def encode(self, day: int, events: Events) -> list[ReplayEvent]:
        """The records of a day, in its order."""
        encode = msgspec.json.Encoder().encode
        texts = local_times(events.at, self._offset[events.customer])
        columns = (events.at, events.customer, events.kind, events.category, events.device, events.medium)
        rows = zip(*(column.tolist() for column in columns), texts, strict=True)
        money = zip(events.revenue.tolist(), events.discount.tolist(), events.coupon.tolist(), strict=True)
        records = []
        for place, ((at, customer, kind, category, device, medium, time), paid) in enumerate(zip(rows, money, strict=True)):
            call, name = KINDS[kind]
            user = self._ids[customer]
            anonymous = self._anonymous[customer]
            body = Call(
                call,
                f"{self._prefix}-{day}-{place}",
                time,
                name if call == "track" else None,
                None if call == "track" else name,
                None if anonymous else user,
                user if anonymous else None,
                self._properties(kind, category, *paid, customer),
                self._contexts[device, medium],
            )
            records.append(ReplayEvent(self._keys[customer], at, encode(body)))
        return records

    def _properties(
        self, kind: int, category: int, revenue: float, discount: float, coupon: int, customer: int
    ) -> Properties | None:
        if kind not in (ORDER, REFUND):
            return self._plain[category + 1]
        slug = CATEGORIES[category] if category >= 0 else None
        code = _CODES[customer % len(_CODES)] if coupon else None
        return Properties(slug, revenue, discount or None, code, "EUR")


def local_times(at: np.ndarray, offset: np.ndarray) -> list[str]:
    """RFC 3339 of each time (ms) in its own offset (minutes): `Z` for UTC, else like `+01:00`."""
    texts = np.datetime_as_string((at + offset * 60_000).astype("datetime64[ms]")).tolist()
    zones = {minutes: _zone(minutes) for minutes in np.unique(offset).tolist()}
    return [text + zones[minutes] for text, minutes in zip(texts, offset.tolist(), strict=True)]


def _zone(minutes: int) -> str:
    if minutes == 0:
        return "Z"
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02d}:{rest:02d}"
