"""The state row: everything Shoal keeps of one customer, as fixed-width little-endian bytes.

Fields are ordered from wide to narrow, so that each lies on its natural alignment without padding. The kernel sees a
table of rows through four views of the same bytes (`Views`), at offsets that the constants here name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LAYOUT_VERSION = 2
ROW_BYTES = 744

BEHAVIOURS = (
    "other", "page", "view", "search", "add", "remove", "checkout", "order",
    "refund", "coupon", "email_open", "email_click", "wish", "account", "promotion", "feedback",
)  # fmt: skip
CHANNELS = ("desktop", "mobile", "tablet", "app", "email", "social", "ads", "store")
SEGMENTATIONS = ("lifecycle", "behaviour", "value", "intent", "affinity", "offer", "primary")
CATEGORY_SLOTS = 16
HOUR_BINS = 8
MICRO_SLOTS = 8
MESSAGE_IDS = 20
DAY = 86_400_000.0
TIME_CONSTANTS = (1.0, 14.0, 90.0)
"""Days after which a decayed counter has fallen to 1/e."""

NEVER = np.iinfo(np.int64).min
"""The time of what has not happened yet."""

ROW = np.dtype(
    [
        # times, ms since 1970
        ("first", "<i8"),
        ("last", "<i8"),
        ("first_order", "<i8"),
        ("last_order", "<i8"),
        ("last_add", "<i8"),
        ("last_checkout", "<i8"),
        ("spent", "<f8"),  # lifetime, gross
        ("since", "<i8", (7,)),  # start of each membership
        ("message_ids", "<u8", (MESSAGE_IDS,)),  # hashes of the last ids, a ring
        # decayed sums as of `last`, one line a time constant
        ("counts", "<f4", (3, 16)),
        ("money", "<f4", (3, 3)),  # spent, refunded, discounted
        ("categories", "<f4", (CATEGORY_SLOTS,)),  # longest time constant
        ("hours", "<f4", (HOUR_BINS,)),
        ("channels", "<f4", (len(CHANNELS),)),
        ("weekend", "<f4"),
        ("gap_mean", "<f4"),  # days between order days, Welford
        ("gap_m2", "<f4"),
        ("gap_last", "<f4"),
        ("amount_mean", "<f4"),  # of an order
        ("amount_m2", "<f4"),
        ("events", "<u4"),
        ("orders", "<u4"),
        ("sessions", "<u4"),
        ("order_days", "<u4"),  # distinct days with an order
        ("micro_since", "<u4", (MICRO_SLOTS,)),  # seconds since 1970
        ("segment", "u1", (7,)),  # 0: none yet
        ("prior", "u1", (7,)),  # the segment before, for the flap rate
        ("candidate", "u1", (7,)),
        ("confirmations", "u1", (7,)),
        ("micro", "u1", (MICRO_SLOTS,)),  # active micro-segments, 0: free
        ("flags", "u1"),
        ("message_head", "u1"),
        ("spare", "u1", (6,)),
    ]
)

FLAG_HOLDOUT = 1
FLAG_CONSENT = 2
FLAG_BOT = 4


def byte_offset(field: str) -> int:
    """Where a field starts in the row."""
    assert ROW.fields is not None
    return int(ROW.fields[field][1])


@dataclass(frozen=True, slots=True)
class Views:
    """One table of rows seen as int64 [n, 93], uint64, float64, float32 [n, 186], uint32, uint8 [n, 744]."""

    i8: NDArray[np.int64]
    u8: NDArray[np.uint64]
    f8: NDArray[np.float64]
    f4: NDArray[np.float32]
    u4: NDArray[np.uint32]
    u1: NDArray[np.uint8]


def views(table: NDArray[np.void]) -> Views:
    """The kernel's views of a contiguous table of rows; they share its memory."""
    raw = table.view(np.uint8).reshape(len(table), ROW_BYTES)
    return Views(raw.view(np.int64), raw.view(np.uint64), raw.view(np.float64), raw.view(np.float32), raw.view(np.uint32), raw)


def empty_row() -> NDArray[np.void]:
    """A row of a customer of whom nothing is known: shape (1,)."""
    row = np.zeros(1, ROW)
    for name in ("first", "last", "first_order", "last_order", "last_add", "last_checkout"):
        row[name] = NEVER
    row["flags"] = FLAG_CONSENT
    return row
