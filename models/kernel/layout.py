"""Where the kernel finds each field: word offsets into the views of `models.row`, as plain integers that numba freezes."""

from __future__ import annotations

from typing import Final

from models.row import BEHAVIOURS, byte_offset

FIRST: Final = byte_offset("first") // 8
LAST: Final = byte_offset("last") // 8
FIRST_ORDER: Final = byte_offset("first_order") // 8
LAST_ORDER: Final = byte_offset("last_order") // 8
LAST_ADD: Final = byte_offset("last_add") // 8
LAST_CHECKOUT: Final = byte_offset("last_checkout") // 8
SPENT: Final = byte_offset("spent") // 8
SINCE: Final = byte_offset("since") // 8
MESSAGE_IDS: Final = byte_offset("message_ids") // 8

COUNTS: Final = byte_offset("counts") // 4
MONEY: Final = byte_offset("money") // 4
CATEGORIES: Final = byte_offset("categories") // 4
HOURS: Final = byte_offset("hours") // 4
CHANNELS: Final = byte_offset("channels") // 4
WEEKEND: Final = byte_offset("weekend") // 4
GAP_MEAN: Final = byte_offset("gap_mean") // 4
GAP_M2: Final = byte_offset("gap_m2") // 4
GAP_LAST: Final = byte_offset("gap_last") // 4
AMOUNT_MEAN: Final = byte_offset("amount_mean") // 4
AMOUNT_M2: Final = byte_offset("amount_m2") // 4

EVENTS: Final = byte_offset("events") // 4
ORDERS: Final = byte_offset("orders") // 4
SESSIONS: Final = byte_offset("sessions") // 4
ORDER_DAYS: Final = byte_offset("order_days") // 4
MICRO_SINCE: Final = byte_offset("micro_since") // 4

SEGMENT: Final = byte_offset("segment")
PRIOR: Final = byte_offset("prior")
CANDIDATE: Final = byte_offset("candidate")
CONFIRMATIONS: Final = byte_offset("confirmations")
MICRO: Final = byte_offset("micro")
FLAGS: Final = byte_offset("flags")
MESSAGE_HEAD: Final = byte_offset("message_head")

PAGE: Final = BEHAVIOURS.index("page")
VIEW: Final = BEHAVIOURS.index("view")
SEARCH: Final = BEHAVIOURS.index("search")
ADD: Final = BEHAVIOURS.index("add")
CHECKOUT: Final = BEHAVIOURS.index("checkout")
ORDER: Final = BEHAVIOURS.index("order")
REFUND: Final = BEHAVIOURS.index("refund")
COUPON: Final = BEHAVIOURS.index("coupon")
EMAIL_OPEN: Final = BEHAVIOURS.index("email_open")
EMAIL_CLICK: Final = BEHAVIOURS.index("email_click")

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
SESSION_MS: Final = 1_800_000
