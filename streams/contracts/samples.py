"""samples: what the learner learns from. A partition's records between two marks are one epoch's."""

from __future__ import annotations

import msgspec

MARK_KEY = b"mark"


class Label(msgspec.Struct, frozen=True):
    """What happened in (t0, t0 + horizon]: events, orders, money spent; differences of lifetime counters."""

    events: int
    orders: int
    spent: float


class Sample(msgspec.Struct, frozen=True, tag="sample", tag_field="kind"):
    """A customer as of t0, ms; `features` in catalogue order, raw units. Key = customer id.

    Sent twice: at t0 without a label (`label` null), for those who learn kinds of customers; and when `horizon` has passed.
    """

    customer_id: str
    t0: int
    features: list[float]
    label: Label | None = None


class Mark(msgspec.Struct, frozen=True, tag="mark", tag_field="kind"):
    """Epoch `epoch` (ms) of this partition is complete: `samples` records of either kind lie before it since the last mark.

    `customers`: how many this partition knows; `skipped`: epochs that never ran here (after downtime).
    """

    epoch: int
    samples: int
    customers: int
    skipped: list[int] = []
