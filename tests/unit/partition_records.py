"""Records of `events` that a partition is fed in tests."""

from __future__ import annotations

from typing import Any

import orjson

from streams.replay.event import iso_ms
from streams.settings import DAY_MS

START = 19_000 * DAY_MS
Record = tuple[bytes, bytes]


def event(customer: str = "ada", at: int = START, **changes: Any) -> Record:
    """A product seen; `changes`: other fields."""
    body = {"type": "track", "event": "Product Viewed", "userId": customer, "timestamp": iso_ms(at), **changes}
    return customer.encode(), orjson.dumps(body)


def order(customer: str = "ada", at: int = START, revenue: float = 20.0, **changes: Any) -> Record:
    """An order completed."""
    return event(customer, at, event="Order Completed", properties={"revenue": revenue}, **changes)
