"""Simulates one day after the other, as columns: who did what, when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.settings import DAY_MS
from streams.simulator.personas import MEDIUMS
from streams.simulator.population import F8, I8, Config, Population, churned_ms, drifted, populate
from streams.simulator.season import factor

KINDS: Final = (
    ("page", "Home"),
    ("screen", "Home"),
    ("track", "Product List Viewed"),
    ("track", "Products Searched"),
    ("track", "Product Viewed"),
    ("track", "Product Added"),
    ("track", "Product Removed"),
    ("track", "Product Added to Wishlist"),
    ("track", "Checkout Started"),
    ("track", "Order Completed"),
    ("track", "Order Refunded"),
    ("track", "Promotion Clicked"),
    ("track", "Email Opened"),
    ("track", "Email Link Clicked"),
    ("track", "Signed In"),
    ("track", "Product Reviewed"),
)
"""Call and name of each kind of event; a kind is its place here."""

(PAGE, SCREEN, LIST, SEARCH, VIEW, ADD, REMOVE, WISH, CHECKOUT, ORDER, REFUND, PROMOTION, OPENED, CLICKED, SIGNED_IN,
 REVIEWED) = range(len(KINDS))  # fmt: skip
_APPS: Final = 3
"""The first device that is an app."""
_EMAIL: Final = MEDIUMS.index("email")
_LOOKS: Final = np.array([PAGE, LIST, SEARCH, VIEW])
_LOOK_SHARES: Final = np.cumsum([0.14, 0.18, 0.10, 0.58])
_NONE: Final = -1
_GAP_MS: Final = 45_000.0
_BIN_MS: Final = DAY_MS // 8


@dataclass(frozen=True, slots=True)
class Events:
    """Columns of one length. `at`: ms since 1970. `category`, `device`, `medium`: place in their tuples or -1.

    `revenue`, `discount`: 0 where there is none; `coupon`: 1 where the order had one.
    """

    at: I8
    customer: I8
    kind: NDArray[np.int8]
    category: NDArray[np.int8]
    device: NDArray[np.int8]
    medium: NDArray[np.int8]
    revenue: F8
    discount: F8
    coupon: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.at)

    def take(self, which: I8 | NDArray[np.bool_]) -> Events:
        """The rows at these places."""
        return Events(*(getattr(self, column.name)[which] for column in fields(self)))


def _joined(parts: list[Events]) -> Events:
    return Events(*(np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(Events)))


def _events(at: I8, customer: I8, kind: int | NDArray[np.int8], **columns: NDArray[np.generic]) -> Events:
    """Events with what is given; nothing in the other columns."""
    n = len(at)
    nothing = np.full(n, _NONE, np.int8)
    return Events(
        at,
        customer,
        np.full(n, kind, np.int8),
        np.asarray(columns.get("category", nothing), np.int8),
        np.asarray(columns.get("device", nothing), np.int8),
        np.asarray(columns.get("medium", nothing), np.int8),
        np.asarray(columns.get("revenue", np.zeros(n)), np.float64),
        np.asarray(columns.get("discount", np.zeros(n)), np.float64),
        np.asarray(columns.get("coupon", np.zeros(n)), np.int8),
    )


def days(config: Config) -> Iterator[tuple[int, Events]]:
    """Day number and its events in order of time; what a visit does after midnight stands in the next day's.

    Memory is bounded by a day's events and the refunds and reviews of the coming weeks.
    """
    generator = np.random.Generator(np.random.PCG64([config.seed, 3]))
    population = populate(config)
    silent = churned_ms(config, population)
    later: list[Events] = []
    for number in range(config.days):
        if number == config.drift_at:
            population = drifted(config, population)
        begin = config.start_ms + number * DAY_MS
        visits = _visits(config, population, number, begin, generator)
        events = _session(population, visits, generator)
        newsletters = _newsletters(config, population, number, begin, generator)
        everything = _joined([*later, events, newsletters, *_aftermath(population, events, generator)])
        # Who has left sends nothing back and writes no review.
        everything = everything.take(everything.at < silent[everything.customer])
        everything = everything.take(np.argsort(everything.at, kind="stable"))
        cut = int(np.searchsorted(everything.at, begin + DAY_MS))
        later = [everything.take(np.arange(cut, len(everything)))]
        yield number, everything.take(np.arange(cut))


@dataclass(frozen=True, slots=True)
class Visits:
    """Columns of a day's visits."""

    customer: I8
    at: I8
    device: I8
    medium: I8
    category: I8


def _activity(config: Config, population: Population, number: int) -> F8:
    """How active each customer is on a day, against usual; 0 before the first and after the last."""
    day = config.start + timedelta(days=number)
    seasons = np.array([factor(persona.season, day) for persona in config.personas])
    known = number - population.arrived
    here = (known >= 0) & (number < population.churned)
    activity: F8 = here * seasons[population.persona] * np.exp(-np.maximum(known, 0) * population.habits.fade)
    return activity


def _visits(config: Config, population: Population, number: int, begin: int, generator: np.random.Generator) -> Visits:
    habits = population.habits
    weekday = (config.start + timedelta(days=number)).weekday()
    weekly = habits.weekend * 3.5 if weekday >= 5 else (1.0 - habits.weekend) * 1.4
    expected = habits.visits * weekly * _activity(config, population, number)
    counts = generator.poisson(expected)
    # Whoever arrives comes that day.
    counts = np.maximum(counts, (population.arrived == number) & (number > 0))
    customer = np.repeat(np.arange(len(counts)), counts)
    return Visits(
        customer,
        _moments(population, customer, begin, generator),
        _pick(habits.devices, customer, generator),
        _pick(habits.mediums, customer, generator),
        _pick(habits.categories, customer, generator),
    )


def _moments(population: Population, customer: I8, begin: int, generator: np.random.Generator) -> I8:
    """Times within the day, by the customers' own hours and local time."""
    bins = _pick(population.habits.hours, customer, generator)
    local = bins * _BIN_MS + (generator.random(len(customer)) * _BIN_MS).astype(np.int64)
    utc: I8 = begin + (local - population.offset[customer] * 60_000) % DAY_MS
    return utc


def _pick(cumulative: F8, customer: I8, generator: np.random.Generator) -> I8:
    """One of the choices [n, k] of each customer."""
    drawn = generator.random(len(customer))
    chosen: I8 = np.minimum((drawn[:, None] >= cumulative[customer]).sum(axis=1), cumulative.shape[1] - 1)
    return chosen


def _session(population: Population, visits: Visits, generator: np.random.Generator) -> Events:
    """What is done in each visit, in the order in which it is done."""
    habits, customer = population.habits, visits.customer
    n = len(customer)
    every = np.arange(n)

    def happens(probability: F8 | float) -> NDArray[np.bool_]:
        return generator.random(n) < probability

    by_email = visits.medium == _EMAIL
    looks = np.repeat(every, 1 + generator.poisson(habits.views[customer]))
    cart = happens(habits.add[customer])
    adds = np.repeat(every, cart * (1 + generator.poisson(0.35, n)))
    till = cart & happens(habits.checkout[customer])
    buys = till & happens(habits.order[customer])
    stages = (
        (every[by_email], OPENED),
        (every[by_email], CLICKED),
        (every[happens(0.12) & ~population.anonymous[customer]], SIGNED_IN),
        (every[happens(habits.promotions[customer])], PROMOTION),
        (looks, _LOOKS[np.searchsorted(_LOOK_SHARES[:-1], generator.random(len(looks)), side="right")]),
        (every[happens(0.06)], WISH),
        (adds, ADD),
        (every[cart & happens(0.14)], REMOVE),
        (every[till], CHECKOUT),
        (every[buys], ORDER),
    )
    visit = np.concatenate([who for who, _ in stages])
    kind = np.concatenate([np.broadcast_to(np.asarray(what, np.int8), len(who)) for who, what in stages])
    stage = np.repeat(np.arange(len(stages)), [len(who) for who, _ in stages])
    order = np.lexsort((stage, visit))
    visit, kind = visit[order], kind[order]
    kind = np.where((kind == PAGE) & (visits.device[visit] >= _APPS), np.int8(SCREEN), kind)
    revenue, discount, coupon = _orders(population, customer[visit], kind, generator)
    return _events(
        visits.at[visit] + _within(visit, generator),
        customer[visit],
        kind,
        category=_categories(population, visits, visit, kind, generator),
        device=visits.device[visit],
        medium=visits.medium[visit],
        revenue=revenue,
        discount=discount,
        coupon=coupon,
    )


def _within(visit: I8, generator: np.random.Generator) -> I8:
    """Milliseconds from the start of the visit to each of its events; `visit` is sorted."""
    gaps = 1 + generator.exponential(_GAP_MS, len(visit)).astype(np.int64)
    total = np.cumsum(gaps)
    first = np.concatenate([[True], visit[1:] != visit[:-1]]) if len(visit) else np.zeros(0, bool)
    before = (total - gaps)[first]
    since: I8 = total - gaps - np.repeat(before, np.diff(np.append(np.flatnonzero(first), len(visit))))
    return since


def _categories(population: Population, visits: Visits, visit: I8, kind: NDArray[np.int8], generator: np.random.Generator) -> I8:
    """Mostly what the visit is about; none for what concerns no product."""
    other = _pick(population.habits.categories, visits.customer[visit], generator)
    stays = generator.random(len(visit)) < 0.85
    category = np.where(stays, visits.category[visit], other)
    product = (kind != PAGE) & (kind != SCREEN) & (kind != SIGNED_IN) & (kind != OPENED) & (kind != CLICKED)
    return np.where(product & (kind != SEARCH), category, _NONE)


def _orders(
    population: Population, customer: I8, kind: NDArray[np.int8], generator: np.random.Generator
) -> tuple[F8, F8, NDArray[np.int8]]:
    """Revenue, discount and coupon of each event; 0 where it is no order."""
    habits = population.habits
    n = len(kind)
    order = kind == ORDER
    price = habits.amount[customer] * np.exp(0.35 * generator.standard_normal(n))
    coupon = order & (generator.random(n) < habits.coupon[customer])
    sale = order & (generator.random(n) < 0.08)
    off = np.where(coupon, habits.discount[customer], 0.0) + np.where(sale, 0.1, 0.0)
    revenue = np.where(order, np.round(price * (1.0 - off), 2), 0.0)
    discount = np.where(order, np.round(price * off, 2), 0.0)
    return np.maximum(revenue, order * 0.01), discount, coupon.astype(np.int8)


def _newsletters(config: Config, population: Population, number: int, begin: int, generator: np.random.Generator) -> Events:
    """Newsletters that are opened and lead to no visit."""
    expected = population.habits.opens * np.minimum(_activity(config, population, number), 1.5)
    customer = np.repeat(np.arange(len(expected)), generator.poisson(expected))
    at = _moments(population, customer, begin, generator)
    return _events(at, customer, OPENED, medium=np.full(len(at), _EMAIL))


def _aftermath(population: Population, events: Events, generator: np.random.Generator) -> list[Events]:
    """Refunds and reviews of a day's orders, in the days and weeks after."""
    orders = events.take(np.flatnonzero(events.kind == ORDER))
    n = len(orders)
    refunded = generator.random(n) < population.habits.refund[orders.customer]
    part = np.where(generator.random(n) < 0.6, 1.0, generator.uniform(0.2, 0.8, n))
    days_later = generator.uniform(3.0, 18.0, n)
    reviewed = ~refunded & (generator.random(n) < 0.07)
    at = orders.at + (days_later * DAY_MS).astype(np.int64)
    refunds = _events(
        at[refunded],
        orders.customer[refunded],
        REFUND,
        category=orders.category[refunded],
        revenue=np.maximum(np.round(orders.revenue * part, 2), 0.01)[refunded],
    )
    reviews = _events(at[reviewed], orders.customer[reviewed], REVIEWED, category=orders.category[reviewed])
    return [refunds, reviews]
