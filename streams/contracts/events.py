"""events: the calls of Segment's public spec, as apps send them; record key = `userId`, else `anonymousId`.

This is the shape that is promised. What reads it by the hundred thousand a second is `streams.scoring.decode`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Call = Literal["track", "identify", "page", "screen", "group", "alias"]

Id = Annotated[str, Meta(min_length=1, description="At most 256 bytes of UTF-8.")]


class Event(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One thing that a customer did. Unknown fields are ignored; one of `userId` and `anonymousId` must be there."""

    type: Call
    timestamp: Annotated[str, Meta(description="When it happened, RFC 3339.", extra_json_schema={"format": "date-time"})]
    event: Annotated[str | None, Meta(description="What happened, for `track`: `Product Viewed`, `Order Completed` ...")] = None
    user_id: Id | None = None
    anonymous_id: Id | None = None
    message_id: Annotated[
        str | None, Meta(description="Unique; a second event with one of the customer's last 20 is dropped.")
    ] = None
    properties: Annotated[
        dict[str, Any], Meta(description="Details; the taxonomy says where money, category, discount and coupon stand.")
    ] = {}
    traits: Annotated[dict[str, Any], Meta(description="What is known of the customer, for `identify` and `group`.")] = {}
    context: Annotated[dict[str, Any], Meta(description="Device, campaign, page, as Segment's libraries fill it.")] = {}
