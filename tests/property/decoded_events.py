"""What the decoder made of records, in the oracle's words."""

from __future__ import annotations

from models.row import BEHAVIOURS, CHANNELS
from streams.scoring.decode import Decoded
from streams.scoring.scan import NONE
from tests.oracle.row import Event


def events_of(decoded: Decoded) -> list[Event]:
    """The good ones, in order."""
    c = decoded.columns
    columns = zip(
        decoded.keys, c.times.tolist(), c.local.tolist(), c.behaviour.tolist(), c.revenue.tolist(), c.discount.tolist(),
        c.category.tolist(), c.channel.tolist(), c.coupon.tolist(), c.message.tolist(), strict=True,
    )  # fmt: skip
    return [
        Event(
            name, at, local, BEHAVIOURS[behaviour], revenue, discount, None if category == NONE else category,
            None if channel == NONE else CHANNELS[channel], bool(coupon), message,
        )
        for name, at, local, behaviour, revenue, discount, category, channel, coupon, message in columns
    ]  # fmt: skip
