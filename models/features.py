"""The feature catalogue: what can be asked of a customer at a time t, by name.

The kernel computes all of them, in this order, as float64; rules, models and reasons name them. `counts_h[b]` stands for
the decayed count of behaviour b with a time constant of h days, `money_h` likewise, as of t.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Literal

Transform = Literal["log1p", "none"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One figure of a customer: `label` is what a marketer reads, `formula` what the kernel computes.

    `transform` is applied before a model sees the value; `habit` marks what tells kinds of customers apart and so
    enters the distance to cluster centres.
    """

    name: str
    unit: str
    label: str
    formula: str
    transform: Transform = "log1p"
    habit: bool = False


NEVER_DAYS: Final = 3650.0
"""Days since something that never happened."""

CATALOGUE: Final[tuple[Feature, ...]] = (
    Feature("days_since_event", "d", "days since the last event", "(t - last) / day"),
    Feature("days_since_first", "d", "days known", "(t - first) / day"),
    Feature("days_since_order", "d", "days since the last order", "(t - last_order) / day; 3650 if never"),
    Feature("hours_since_add", "h", "hours since something went into the cart", "(t - last_add) / hour; 87600 if never"),
    Feature("hours_since_checkout", "h", "hours since a checkout began", "(t - last_checkout) / hour; 87600 if never"),
    Feature("cart_open", "0/1", "cart left open", "1 if last_add > last_order else 0", "none"),
    Feature("events", "count", "events so far", "events"),
    Feature("sessions", "count", "sessions so far", "sessions; a new one after 30 min of silence"),
    Feature("orders", "count", "orders so far", "orders"),
    Feature("order_days", "count", "days with an order", "order_days"),
    Feature("events_1d", "count", "events of the last day", "sum of counts_1"),
    Feature("events_14d", "count", "events of the last two weeks", "sum of counts_14"),
    Feature("events_90d", "count", "events of the last quarter", "sum of counts_90"),
    Feature("views_1d", "count", "views of the last day", "counts_1[page, view, search]"),
    Feature("views_14d", "count", "views of the last two weeks", "counts_14[page, view, search]"),
    Feature("adds_14d", "count", "things put into the cart lately", "counts_14[add, checkout]"),
    Feature("orders_14d", "count", "orders of the last two weeks", "counts_14[order]"),
    Feature("orders_90d", "count", "orders of the last quarter", "counts_90[order]"),
    Feature("refunds_90d", "count", "refunds of the last quarter", "counts_90[refund]"),
    Feature("emails_90d", "count", "e-mails opened or clicked lately", "counts_90[email_open, email_click]", "log1p", True),
    Feature("spend_14d", "money", "spent in the last two weeks", "money_14[spent]"),
    Feature("spend_90d", "money", "spent in the last quarter", "money_90[spent]"),
    Feature("spend_total", "money", "spent so far", "spent"),
    Feature("average_order", "money", "average order", "amount_mean", "log1p", True),
    Feature("order_amount_cv", "ratio", "how much order amounts vary", "sqrt(amount_m2 / orders) / amount_mean", "none"),
    Feature(
        "discount_share", "share", "share of discounts", "money_90[discounted] / money_90[spent + discounted]", "none", True
    ),
    Feature("coupon_share", "share", "coupons an order", "min(1, counts_90[coupon] / counts_90[order])", "none", True),
    Feature("refund_share", "share", "share of money refunded", "min(1, money_90[refunded] / money_90[spent])", "none"),
    Feature("gap_mean", "d", "usual days between orders", "gap_mean"),
    Feature("gap_cv", "ratio", "how irregular the orders are", "sqrt(gap_m2 / (order_days - 1)) / gap_mean", "none"),
    Feature("gap_last", "d", "days between the last two orders", "gap_last"),
    Feature(
        "overdue", "ratio", "how overdue the next order is", "days_since_order / max(gap_mean, 1); 0 before a second order day"
    ),
    Feature("orders_per_month", "rate", "order days a month", "30 * order_days / max(days_since_first, 30)", "log1p", True),
    Feature(
        "momentum", "ratio", "activity of late against usual", "(counts_14 / 14) / (counts_90 / 90), all behaviours", "log1p"
    ),
    Feature(
        "conversion", "share", "orders among visits", "counts_90[order] / counts_90[page, view, search, add, order]", "none", True
    ),
    Feature(
        "abandonment", "share", "carts left open", "max(0, 1 - counts_90[order] / counts_90[add]); 0 without adds", "none", True
    ),
    Feature("night_share", "share", "active at night (0 to 6 h)", "hours[0, 1] / sum of hours", "none", True),
    Feature("evening_share", "share", "active in the evening (18 to 24 h)", "hours[6, 7] / sum of hours", "none", True),
    Feature("weekend_share", "share", "active at the weekend", "weekend / sum of hours", "none", True),
    Feature("mobile_share", "share", "on a phone or in the app", "channels[mobile, app] / sum of channels", "none", True),
    Feature("email_share", "share", "comes by e-mail", "channels[email] / sum of channels", "none", True),
    Feature("top_category_share", "share", "share of the favourite category", "max(categories) / sum(categories)", "none", True),
)  # fmt: skip

COUNT: Final = len(CATALOGUE)
INDEX: Final[dict[str, int]] = {feature.name: i for i, feature in enumerate(CATALOGUE)}
NAMES: Final = tuple(feature.name for feature in CATALOGUE)
HABITS: Final = tuple(i for i, feature in enumerate(CATALOGUE) if feature.habit)
LOGGED: Final = tuple(feature.transform == "log1p" for feature in CATALOGUE)


def catalogue_hash() -> str:
    """What a snapshot is bound to: changes when a feature, its order, formula or transform does. 16 hex digits."""
    text = "\n".join(f"{f.name}|{f.unit}|{f.formula}|{f.transform}|{f.habit}" for f in CATALOGUE)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
