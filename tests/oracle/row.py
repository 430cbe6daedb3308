"""One customer, and what an event does to the state: decay, counts, money, rhythm, habits.

The documents are silent here, and the rule was read from the kernel:

- Decay happens at each event that is later than the last one: every decayed sum is multiplied once and stored as float32.
- A late event weighs exp(-age / h) in each sum; it makes no session. It moves `first` back, and never `last_add` or
  `last_checkout`.
- The gap between orders is that of UTC days. An order before the last one counts as an order, not in the rhythm; one that
  is late but after the last order counts in both. A first order may come late: it is then first and last.
- Spend is the revenue of orders alone, before refunds. A discount counts with an order only, and so does an event's coupon,
  as one more count of the behaviour `coupon`, not as an event.
- The order's amounts and gaps: Welford's mean and m2, m2 with the mean before it is rounded.
- An event without a message id is neither looked for nor remembered. A repeated one touches nothing.
- Hours are bins of three, and the weekend is Saturday and Sunday, in the customer's own time.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import Literal

from models.row import BEHAVIOURS, CATEGORY_SLOTS, CHANNELS, FLAG_CONSENT, HOUR_BINS, MESSAGE_IDS, MICRO_SLOTS, SEGMENTATIONS

DAY = 86_400_000
HOUR = 3_600_000
SILENCE = 30 * 60_000
"""A longer one begins a session."""

FADES = (1, 14, 90)
"""Time constants of the decayed sums, days."""
LONGEST = 90
MONEY = ("spent", "refunded", "discounted")

Outcome = Literal["applied", "duplicate", "late"]


def single(x: float) -> float:
    """x as float32 keeps it."""
    rounded: float = struct.unpack("<f", struct.pack("<f", x))[0]
    return rounded


@dataclass(frozen=True, slots=True)
class Event:
    """A decoded event. Times in ms; `local` is added for the customer's own time; message 0: it has no id."""

    customer: bytes
    at: int
    local: int
    behaviour: str
    revenue: float
    discount: float
    category: int | None
    channel: str | None
    coupon: bool
    message: int


@dataclass(slots=True)
class Membership:
    """In one segmentation: segment 0 is none; `since` in ms, 0 before the first."""

    segment: int = 0
    prior: int = 0
    since: int = 0
    candidate: int = 0
    confirmations: int = 0


@dataclass(slots=True)
class Active:
    """A micro-segment that the customer is in; `since` in s."""

    segment: int
    since: int


def _by_fade(names: tuple[str, ...]) -> dict[int, dict[str, float]]:
    return {days: dict.fromkeys(names, 0.0) for days in FADES}


@dataclass(slots=True)
class Customer:
    """All that is kept of a customer: the fields of the row, by name. Times in ms, None: never."""

    id: bytes
    first: int | None = None
    last: int | None = None
    first_order: int | None = None
    last_order: int | None = None
    last_add: int | None = None
    last_checkout: int | None = None
    spent: float = 0.0
    counts: dict[int, dict[str, float]] = field(default_factory=lambda: _by_fade(BEHAVIOURS))
    money: dict[int, dict[str, float]] = field(default_factory=lambda: _by_fade(MONEY))
    categories: dict[int, float] = field(default_factory=lambda: dict.fromkeys(range(CATEGORY_SLOTS), 0.0))
    hours: dict[int, float] = field(default_factory=lambda: dict.fromkeys(range(HOUR_BINS), 0.0))
    channels: dict[str, float] = field(default_factory=lambda: dict.fromkeys(CHANNELS, 0.0))
    weekend: float = 0.0
    gap_mean: float = 0.0
    gap_m2: float = 0.0
    gap_last: float = 0.0
    amount_mean: float = 0.0
    amount_m2: float = 0.0
    events: int = 0
    orders: int = 0
    sessions: int = 0
    order_days: int = 0
    messages: list[int] = field(default_factory=lambda: [0] * MESSAGE_IDS)
    message_head: int = 0
    memberships: dict[str, Membership] = field(default_factory=lambda: {name: Membership() for name in SEGMENTATIONS})
    micro: list[Active | None] = field(default_factory=lambda: [None] * MICRO_SLOTS)
    flags: int = FLAG_CONSENT


def take(customer: Customer, event: Event) -> Outcome:
    """What an event does to the customer's state."""
    if event.message and event.message in customer.messages:
        return "duplicate"
    late = customer.last is not None and event.at < customer.last
    weights = dict.fromkeys(FADES, 1.0)
    if customer.last is None:
        customer.first, customer.last, customer.sessions = event.at, event.at, 1
    elif late:
        age = (customer.last - event.at) / DAY
        weights = {days: math.exp(-age / days) for days in FADES}
    elif event.at > customer.last:
        _decay(customer, (event.at - customer.last) / DAY)
        customer.sessions += event.at - customer.last > SILENCE
        customer.last = event.at
    customer.first = _earlier(customer.first, event.at)
    customer.events += 1
    _count(customer, event.behaviour, weights)
    if event.behaviour == "order":
        _order(customer, event)
        _pay(customer, "spent", event.revenue, weights)
        _pay(customer, "discounted", event.discount, weights)
        if event.coupon:
            _count(customer, "coupon", weights)
    elif event.behaviour == "refund":
        _pay(customer, "refunded", event.revenue, weights)
    elif event.behaviour == "add":
        customer.last_add = _later(customer.last_add, event.at)
    elif event.behaviour == "checkout":
        customer.last_checkout = _later(customer.last_checkout, event.at)
    _habits(customer, event, weights[LONGEST])
    if event.message:
        customer.messages[customer.message_head] = event.message
        customer.message_head = (customer.message_head + 1) % MESSAGE_IDS
    return "late" if late else "applied"


def _decay(customer: Customer, age: float) -> None:
    for days in FADES:
        fade = math.exp(-age / days)
        for sums in (customer.counts[days], customer.money[days]):
            for name in sums:
                sums[name] = single(sums[name] * fade)
    fade = math.exp(-age / LONGEST)
    for slot in customer.categories:
        customer.categories[slot] = single(customer.categories[slot] * fade)
    for hour in customer.hours:
        customer.hours[hour] = single(customer.hours[hour] * fade)
    for channel in customer.channels:
        customer.channels[channel] = single(customer.channels[channel] * fade)
    customer.weekend = single(customer.weekend * fade)


def _count(customer: Customer, behaviour: str, weights: dict[int, float]) -> None:
    for days in FADES:
        customer.counts[days][behaviour] = single(customer.counts[days][behaviour] + weights[days])


def _pay(customer: Customer, kind: str, amount: float, weights: dict[int, float]) -> None:
    for days in FADES:
        customer.money[days][kind] = single(customer.money[days][kind] + amount * weights[days])


def _order(customer: Customer, event: Event) -> None:
    customer.orders += 1
    customer.spent += event.revenue
    step = event.revenue - customer.amount_mean
    mean = customer.amount_mean + step / customer.orders
    customer.amount_mean = single(mean)
    customer.amount_m2 = single(customer.amount_m2 + step * (event.revenue - mean))
    customer.first_order = _earlier(customer.first_order, event.at)
    if customer.last_order is None:
        customer.last_order, customer.order_days = event.at, 1
    elif event.at >= customer.last_order:
        gap = event.at // DAY - customer.last_order // DAY
        customer.last_order = event.at
        if gap > 0:
            _gap(customer, float(gap))


def _gap(customer: Customer, gap: float) -> None:
    """Another day with an order, so many days after the one before."""
    step = gap - customer.gap_mean
    mean = customer.gap_mean + step / customer.order_days
    customer.gap_mean = single(mean)
    customer.gap_m2 = single(customer.gap_m2 + step * (gap - mean))
    customer.gap_last = single(gap)
    customer.order_days += 1


def _habits(customer: Customer, event: Event, weight: float) -> None:
    there = event.at + event.local
    hour, weekday = there // HOUR % 24, (there // DAY + 3) % 7  # 1970 began on a Thursday; Monday is 0
    customer.hours[hour // 3] = single(customer.hours[hour // 3] + weight)
    if weekday >= 5:
        customer.weekend = single(customer.weekend + weight)
    if event.category is not None:
        customer.categories[event.category] = single(customer.categories[event.category] + weight)
    if event.channel is not None:
        customer.channels[event.channel] = single(customer.channels[event.channel] + weight)


def _earlier(a: int | None, b: int) -> int:
    return b if a is None else min(a, b)


def _later(a: int | None, b: int) -> int:
    return b if a is None else max(a, b)
