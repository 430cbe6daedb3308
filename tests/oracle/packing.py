"""A customer as the bytes of a row, field by field (`models.row.ROW`), and rows and samples as the changelog holds them.

The documents are silent here, and the rule was read from `models/pending.py`: a pending sample is, without padding, the layout
in two bytes, the lifetime counters events and orders in four, spent as float64, and the features as float32.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from models.row import BEHAVIOURS, CHANNELS, LAYOUT_VERSION, NEVER, ROW_BYTES, SEGMENTATIONS, empty_row
from tests.oracle.row import FADES, MONEY, Customer

_WORDS = struct.Struct(f"<{ROW_BYTES // 8}Q")
_HEAD = struct.Struct("<QQ")
_FIRST = 48
"""So many words are marked in the first word of the head."""

_TIMES = ("first", "last", "first_order", "last_order", "last_add", "last_checkout")
_NUMBERS = (
    "spent", "weekend", "gap_mean", "gap_m2", "gap_last", "amount_mean", "amount_m2",
    "events", "orders", "sessions", "order_days", "flags", "message_head",
)  # fmt: skip


def packed(customer: Customer) -> bytes:
    """The row's bytes."""
    row = empty_row()[0]
    for name in _TIMES:
        when = getattr(customer, name)
        row[name] = NEVER if when is None else when
    for name in _NUMBERS:
        row[name] = getattr(customer, name)
    row["counts"] = [[customer.counts[days][name] for name in BEHAVIOURS] for days in FADES]
    row["money"] = [[customer.money[days][name] for name in MONEY] for days in FADES]
    row["categories"] = list(customer.categories.values())
    row["hours"] = list(customer.hours.values())
    row["channels"] = [customer.channels[name] for name in CHANNELS]
    row["message_ids"] = customer.messages
    memberships = [customer.memberships[name] for name in SEGMENTATIONS]
    row["segment"] = [membership.segment for membership in memberships]
    row["prior"] = [membership.prior for membership in memberships]
    row["since"] = [membership.since for membership in memberships]
    row["candidate"] = [membership.candidate for membership in memberships]
    row["confirmations"] = [membership.confirmations for membership in memberships]
    row["micro"] = [active.segment if active else 0 for active in customer.micro]
    row["micro_since"] = [active.since if active else 0 for active in customer.micro]
    return bytes(row.tobytes())


def kept(row: bytes) -> bytes:
    """A row's bytes as the changelog holds them: a mark for each word that is not zero, and these words."""
    words = _WORDS.unpack(row)
    marks = sum(1 << place for place, word in enumerate(words) if word)
    head = _HEAD.pack(LAYOUT_VERSION | (marks % (1 << _FIRST)) << 16, marks >> _FIRST)
    there = [word for word in words if word]
    return head + struct.pack(f"<{len(there)}Q", *there)


def unkept(value: bytes) -> bytes | None:
    """The row that the changelog holds as `value`, or None if it is none."""
    if len(value) < _HEAD.size or len(value) % 8:
        return None
    low, high = _HEAD.unpack_from(value)
    marks = low >> 16 | high << _FIRST
    there = iter(struct.unpack(f"<{len(value) // 8 - 2}Q", value[_HEAD.size :]))
    row = _WORDS.pack(*(next(there, 0) if marks >> place & 1 else 0 for place in range(ROW_BYTES // 8)))
    return row if kept(row) == value else None


def pending(features: Sequence[float], events: int, orders: int, spent: float) -> bytes:
    """A sample that waits for its label."""
    return struct.pack(f"<HIId{len(features)}f", LAYOUT_VERSION, events, orders, spent, *features)
