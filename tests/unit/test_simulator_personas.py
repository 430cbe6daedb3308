"""Personas can be told apart by their habits: k-means over the catalogue's habit features finds them again.

The habits are computed here from the simulated columns with plain numpy, not by the kernel.
"""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from models.features import CATALOGUE, HABITS, LOGGED
from streams.settings import DAY_MS
from streams.simulator import Config
from streams.simulator.day import ADD, CLICKED, LIST, OPENED, ORDER, PAGE, SCREEN, SEARCH, VIEW, Events, days
from streams.simulator.personas import CATEGORIES, DEVICES, MEDIUMS
from streams.simulator.population import populate

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

CONFIG = Config(customers=3_000, days=90, seed=2)


def habits(parts: list[Events], config: Config, now: int) -> tuple[F8, NDArray[np.bool_]]:
    """Habit features [n, H] as models see them, and who has been seen [n], at `now` (ms)."""
    n, offset = config.customers, populate(config).offset
    at, who, kind, category, device, medium, revenue, discount, coupon = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("at", "customer", "kind", "category", "device", "medium", "revenue", "discount", "coupon")
    )
    weight: F8 = np.exp(-(now - at) / (90.0 * DAY_MS)).astype(np.float64)

    def summed(values: F8) -> F8:
        return np.bincount(who, values, n).astype(np.float64)

    def decayed(which: NDArray[np.bool_], value: F8 | float = 1.0) -> F8:
        return summed(which * weight * value)

    def ratio(part: F8, whole: F8) -> F8:
        return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), 0.0)

    order, everything = kind == ORDER, np.ones(len(at), bool)
    orders, adds = decayed(order), decayed(kind == ADD)
    looks = decayed(np.isin(kind, (PAGE, SCREEN, LIST, SEARCH, VIEW)))
    spent, discounted = decayed(order, revenue), decayed(order, discount)
    local = at + offset[who] * 60_000
    hour, weekend = local % DAY_MS // (DAY_MS // 24), (local // DAY_MS + 3) % 7 >= 5
    email = medium == MEDIUMS.index("email")
    direct = (medium <= 0) & (device >= 0)
    known = direct | (medium > 0)
    categories = np.array([decayed(category == c) for c in range(len(CATEGORIES))])
    order_days = np.bincount(np.unique(np.array([who[order], at[order] // DAY_MS]), axis=1)[0], minlength=n)
    first = np.full(n, now)
    np.minimum.at(first, who, at)
    total = decayed(everything)
    features = {
        "emails_90d": decayed(np.isin(kind, (OPENED, CLICKED))),
        "average_order": ratio(summed(order * revenue), summed(order * 1.0)),
        "discount_share": ratio(discounted, spent + discounted),
        "coupon_share": np.minimum(1.0, ratio(decayed(order & (coupon > 0)), orders)),
        "orders_per_month": 30.0 * order_days / np.maximum((now - first) / DAY_MS, 30.0),
        "conversion": ratio(orders, looks + adds + orders),
        "abandonment": np.where(adds > 0, np.maximum(0.0, 1.0 - ratio(orders, adds)), 0.0),
        "night_share": ratio(decayed(hour < 6), total),
        "evening_share": ratio(decayed(hour >= 18), total),
        "weekend_share": ratio(decayed(weekend), total),
        "mobile_share": ratio(decayed(direct & np.isin(device, _places("mobile", "ios", "android"))), decayed(known)),
        "email_share": ratio(decayed(email), decayed(known)),
        "top_category_share": ratio(categories.max(axis=0), categories.sum(axis=0)),
    }
    columns = [(np.log1p if LOGGED[i] else np.asarray)(features[CATALOGUE[i].name]) for i in HABITS]
    return np.column_stack(columns), total > 0


def _places(*names: str) -> list[int]:
    return [DEVICES.index(name) for name in names]


def adjusted_rand(one: I8, other: I8) -> float:
    """Hubert and Arabie (1985): 1 for the same partition, 0 for what chance gives."""
    table = np.zeros((one.max() + 1, other.max() + 1))
    np.add.at(table, (one, other), 1)

    def pairs(counts: F8) -> float:
        return float((counts * (counts - 1) / 2).sum())

    together, rows, columns = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    chance = rows * columns / pairs(np.array([table.sum()]))
    return (together - chance) / ((rows + columns) / 2 - chance)


def best_clusters(points: F8, k: int, starts: int = 12) -> I8:
    """The k-means result of least inertia among several starts."""

    def tries() -> Iterator[tuple[float, I8]]:
        for seed in range(starts):
            centres, members = kmeans2(points, k, minit="++", rng=seed)
            yield float(((points - centres[members]) ** 2).sum()), members

    return min(tries(), key=lambda tried: tried[0])[1]


@pytest.fixture(scope="module")
def history() -> list[Events]:
    return [events for _, events in days(CONFIG)]


@pytest.mark.parametrize(("day", "k", "at_least"), [(60, 7, 0.85), (90, 6, 0.9), (90, 7, 0.9), (90, 8, 0.85)])
def test_kmeans_over_habits_finds_the_personas_again(history: list[Events], day: int, k: int, at_least: float) -> None:
    features, seen = habits(history[:day], CONFIG, CONFIG.start_ms + day * DAY_MS)
    points = features[seen]
    points = np.clip((points - points.mean(axis=0)) / np.maximum(points.std(axis=0), 0.1), -6.0, 6.0)
    found = adjusted_rand(populate(CONFIG).persona[seen], best_clusters(points, k))
    assert found >= at_least
    # Kinds overlap: whoever finds them without fault looks at something that customers do not show.
    assert found < 0.995


def test_the_measure_tells_the_same_from_chance() -> None:
    generator = np.random.default_rng(0)
    members = generator.integers(0, 6, 5_000)
    assert adjusted_rand(members, (members + 1) % 6) == pytest.approx(1.0)
    assert adjusted_rand(members, generator.integers(0, 6, 5_000)) == pytest.approx(0.0, abs=0.01)
