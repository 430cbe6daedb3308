"""A customer as the bytes of a row, field by field (`models.row.ROW`)."""

from __future__ import annotations

from models.row import BEHAVIOURS, CHANNELS, NEVER, SEGMENTATIONS, empty_row
from tests.oracle.row import FADES, MONEY, Customer

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
