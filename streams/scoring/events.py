"""The event as the worker reads it: msgspec structs made for a taxonomy, so that only what it names is decoded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, Protocol

import msgspec

from models.taxonomy import Taxonomy

CALLS = ("track", "identify", "page", "screen", "group", "alias")
Call = Literal["track", "identify", "page", "screen", "group", "alias"]


class EventLike(Protocol):  # the names are those of Segment's spec
    """A decoded event. Absent: None, or the empty string for `timestamp`."""

    type: str
    event: str | None
    userId: str | None  # noqa: N815
    anonymousId: str | None  # noqa: N815
    messageId: str | None  # noqa: N815
    timestamp: str
    properties: Any
    context: Any


class Device(msgspec.Struct, frozen=True, gc=False):
    """context.device"""

    type: str | None = None


class Campaign(msgspec.Struct, frozen=True, gc=False):
    """context.campaign"""

    medium: str | None = None


class Context(msgspec.Struct, frozen=True, gc=False):
    """context, as far as it is read."""

    device: Device | None = None
    campaign: Campaign | None = None


def event_type(taxonomy: Taxonomy, max_amount: float) -> type[msgspec.Struct]:
    """The struct of an event whose properties are those that the taxonomy names. gc=False: decoding costs a third."""
    amount = Annotated[float, msgspec.Meta(ge=0.0, le=max_amount)]
    fields: dict[str, Any] = {}
    for name in (*taxonomy.money, *taxonomy.discount):
        fields[name] = amount | None
    for name in (*taxonomy.coupon, *taxonomy.category, *taxonomy.channel):
        fields.setdefault(name, str | None)
    properties = msgspec.defstruct(
        "Properties", [(f"p{i}", kind, None) for i, kind in enumerate(fields.values())], frozen=True, gc=False,
        rename={f"p{i}": name for i, name in enumerate(fields)},
    )  # fmt: skip
    return msgspec.defstruct(
        "Event",
        [
            ("type", Call),
            ("event", str | None, None),
            ("userId", str | None, None),
            ("anonymousId", str | None, None),
            ("messageId", str | None, None),
            ("timestamp", str, ""),
            ("properties", properties, properties()),
            ("context", Context, Context()),
        ],
        gc=False,
    )


def field_of(taxonomy: Taxonomy, name: str) -> str:
    """The attribute of a decoded event's properties that holds property `name`."""
    names = list(dict.fromkeys((*taxonomy.money, *taxonomy.discount, *taxonomy.coupon, *taxonomy.category, *taxonomy.channel)))
    return f"p{names.index(name)}"


def decoder(taxonomy: Taxonomy, max_amount: float) -> Callable[[bytes], EventLike]:
    """Bytes to an event; raises msgspec.DecodeError, UnicodeDecodeError or RecursionError."""
    return msgspec.json.Decoder(event_type(taxonomy, max_amount)).decode  # type: ignore[return-value]
