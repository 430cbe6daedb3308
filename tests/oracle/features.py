"""The feature catalogue of one customer at a time t, each figure as one expression.

The documents are silent here, and the rule was read from the kernel:

- A sum over several behaviours is taken of what is stored, in the order of the catalogue's words, then decayed to t at once.
- Shares of two decayed sums are those of what is stored: both would have decayed alike.
- A share of nothing is 0; so is an age that lies ahead of t, and a variation around a mean of 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from models.features import CATALOGUE, NEVER_DAYS
from models.row import BEHAVIOURS, TIME_CONSTANTS
from tests.oracle.row import DAY, HOUR, Customer

VIEWS = ("page", "view", "search")


def total(numbers: Iterable[float]) -> float:
    """Added one by one, in order; Python's `sum` compensates in newer versions."""
    result = 0.0
    for number in numbers:
        result += number
    return result


def ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0.0 else 0.0


def features(c: Customer, t: int) -> dict[str, float]:
    """All figures of the catalogue, in its order, as of `t` (ms), which is not before the last event."""
    assert c.last is not None
    idle = (t - c.last) / DAY
    fade = {days: math.exp(-idle / days) for days in TIME_CONSTANTS}

    def ago(when: int | None, unit: int) -> float:
        return NEVER_DAYS * DAY / unit if when is None else max(0, t - when) / unit

    def stored(days: int, *behaviours: str) -> float:
        return total(c.counts[days][name] for name in behaviours)

    def counted(days: int, *behaviours: str) -> float:
        return stored(days, *behaviours) * fade[days]

    orders_90 = stored(90, "order")
    spent_90, refunded_90, discounted_90 = c.money[90]["spent"], c.money[90]["refunded"], c.money[90]["discounted"]
    hours, channels, categories = total(c.hours.values()), total(c.channels.values()), total(c.categories.values())
    cart_open = c.last_add is not None and (c.last_order is None or c.last_add > c.last_order)
    return {
        "days_since_event": idle,
        "days_since_first": ago(c.first, DAY),
        "days_since_order": ago(c.last_order, DAY),
        "hours_since_add": ago(c.last_add, HOUR),
        "hours_since_checkout": ago(c.last_checkout, HOUR),
        "cart_open": 1.0 if cart_open else 0.0,
        "events": float(c.events),
        "sessions": float(c.sessions),
        "orders": float(c.orders),
        "order_days": float(c.order_days),
        "events_1d": counted(1, *BEHAVIOURS),
        "events_14d": counted(14, *BEHAVIOURS),
        "events_90d": counted(90, *BEHAVIOURS),
        "views_1d": counted(1, *VIEWS),
        "views_14d": counted(14, *VIEWS),
        "adds_14d": counted(14, "add", "checkout"),
        "orders_14d": counted(14, "order"),
        "orders_90d": counted(90, "order"),
        "refunds_90d": counted(90, "refund"),
        "emails_90d": counted(90, "email_open", "email_click"),
        "spend_14d": c.money[14]["spent"] * fade[14],
        "spend_90d": spent_90 * fade[90],
        "spend_total": c.spent,
        "average_order": c.amount_mean,
        "order_amount_cv": math.sqrt(max(c.amount_m2, 0.0) / c.orders) / c.amount_mean if c.amount_mean > 0.0 else 0.0,
        "discount_share": ratio(discounted_90, spent_90 + discounted_90),
        "coupon_share": min(1.0, ratio(stored(90, "coupon"), orders_90)),
        "refund_share": min(1.0, ratio(refunded_90, spent_90)),
        "gap_mean": c.gap_mean,
        "gap_cv": math.sqrt(max(c.gap_m2, 0.0) / (c.order_days - 1)) / c.gap_mean if c.gap_mean > 0.0 else 0.0,
        "gap_last": c.gap_last,
        "overdue": ago(c.last_order, DAY) / max(c.gap_mean, 1.0) if c.order_days > 1 else 0.0,
        "orders_per_month": 30.0 * c.order_days / max(ago(c.first, DAY), 30.0),
        "momentum": ratio(counted(14, *BEHAVIOURS) / 14, counted(90, *BEHAVIOURS) / 90),
        "conversion": ratio(orders_90, stored(90, *VIEWS, "add", "order")),
        "abandonment": max(0.0, 1.0 - orders_90 / stored(90, "add")) if stored(90, "add") > 0.0 else 0.0,
        "night_share": ratio(c.hours[0] + c.hours[1], hours),
        "evening_share": ratio(c.hours[6] + c.hours[7], hours),
        "weekend_share": ratio(c.weekend, hours),
        "mobile_share": ratio(c.channels["mobile"] + c.channels["app"], channels),
        "email_share": ratio(c.channels["email"], channels),
        "top_category_share": ratio(max(c.categories.values()), categories),
    }


def transformed(x: dict[str, float]) -> dict[str, float]:
    """What models see of the features."""
    return {f.name: math.log1p(x[f.name]) if f.transform == "log1p" else x[f.name] for f in CATALOGUE}
