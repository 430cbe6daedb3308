"""The kinds of customers that the simulated shop has: their habits, and how they leave.

Figures are those of a typical customer; each one differs from it (`population.py`), and kinds overlap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from streams.replay.categories import CATEGORIES as LABELS

CATEGORIES: Final = tuple(LABELS)
DEVICES: Final = ("desktop", "mobile", "tablet", "ios", "android")
MEDIUMS: Final = ("", "email", "social", "cpc")
"""How a visit begins; the empty one is direct."""

Season = Literal["shop", "gifts"]


@dataclass(frozen=True, slots=True)
class Persona:
    """Habits of a kind of customer. Shares are between 0 and 1, money is that of a typical order.

    `hours`: weights of the eight 3-hour bins of the day, in local time. `weekend`: share of visits on Saturday and
    Sunday. `devices`, `mediums`: weights, in the order of DEVICES and MEDIUMS. `favourites`: category -> weight;
    `focus` of the visits go to them. `views`: seen in a visit. `add`: visits with a cart, `checkout` of those reach the
    till, `order` of those buy. `coupon`: orders with one, which takes `discount` off. `opens`: newsletters opened in a
    week. `hazard`: chance a day to leave for good. `fade_days`: visits fall to 1/e in so many days.
    """

    name: str
    share: float
    visits_a_week: float
    hours: tuple[float, ...]
    weekend: float
    devices: tuple[float, ...]
    mediums: tuple[float, ...]
    favourites: Mapping[str, float]
    focus: float
    views: float
    add: float
    checkout: float
    order: float
    amount: float
    coupon: float
    discount: float
    promotions: float = 0.05
    refund: float = 0.04
    opens: float = 0.3
    hazard: float = 0.002
    fade_days: float | None = None
    season: Season = "shop"


PERSONAS: Final[tuple[Persona, ...]] = (
    Persona(
        name="loyal_high_spender",
        share=0.16,
        visits_a_week=2.1,
        hours=(0, 0.02, 0.12, 0.30, 0.26, 0.18, 0.10, 0.02),
        weekend=0.18,
        devices=(0.78, 0.08, 0.09, 0.03, 0.02),
        mediums=(0.82, 0.08, 0.02, 0.08),
        favourites={"kitchen": 4, "decor": 4, "lighting": 3, "storage": 2, "garden": 2},
        focus=0.85,
        views=2.2,
        add=0.52,
        checkout=0.92,
        order=0.94,
        amount=160.0,
        coupon=0.06,
        discount=0.08,
        opens=0.3,
        hazard=0.0008,
    ),
    Persona(
        name="discount_seeker",
        share=0.19,
        visits_a_week=2.3,
        hours=(0.01, 0.01, 0.08, 0.22, 0.28, 0.24, 0.13, 0.03),
        weekend=0.27,
        devices=(0.48, 0.26, 0.10, 0.08, 0.08),
        mediums=(0.30, 0.42, 0.08, 0.20),
        favourites={"bags": 4, "stationery": 3, "party": 3, "comfort": 2},
        focus=0.8,
        views=3.6,
        add=0.50,
        checkout=0.80,
        order=0.82,
        amount=36.0,
        coupon=0.85,
        discount=0.24,
        promotions=0.45,
        opens=1.0,
        hazard=0.002,
    ),
    Persona(
        name="weekend_mobile_browser",
        share=0.19,
        visits_a_week=2.6,
        hours=(0.02, 0.01, 0.06, 0.20, 0.22, 0.24, 0.18, 0.07),
        weekend=0.86,
        devices=(0.04, 0.42, 0.05, 0.26, 0.23),
        mediums=(0.55, 0.03, 0.34, 0.08),
        favourites={"toys": 4, "jewellery": 4, "decor": 2, "comfort": 1},
        focus=0.85,
        views=5.5,
        add=0.48,
        checkout=0.8,
        order=0.76,
        amount=42.0,
        coupon=0.10,
        discount=0.12,
        opens=0.1,
        hazard=0.002,
    ),
    Persona(
        name="gift_season_buyer",
        share=0.13,
        visits_a_week=1.4,
        hours=(0.01, 0.01, 0.10, 0.26, 0.26, 0.20, 0.13, 0.03),
        weekend=0.48,
        devices=(0.30, 0.10, 0.54, 0.03, 0.03),
        mediums=(0.52, 0.10, 0.08, 0.30),
        favourites={"christmas": 10, "party": 1.0, "stationery": 0.5},
        focus=0.96,
        views=1.2,
        add=0.76,
        checkout=0.95,
        order=0.95,
        amount=75.0,
        coupon=0.12,
        discount=0.10,
        opens=0.15,
        hazard=0.0015,
        season="gifts",
    ),
    Persona(
        name="cart_abandoner",
        share=0.17,
        visits_a_week=3.0,
        hours=(0.15, 0.04, 0.04, 0.10, 0.14, 0.18, 0.22, 0.13),
        weekend=0.30,
        devices=(0.60, 0.20, 0.10, 0.05, 0.05),
        mediums=(0.48, 0.06, 0.16, 0.30),
        favourites={"crafts": 4, "storage": 3, "signs": 3, "lighting": 2},
        focus=0.8,
        views=5.0,
        add=0.85,
        checkout=0.45,
        order=0.36,
        amount=48.0,
        coupon=0.12,
        discount=0.12,
        opens=0.2,
        hazard=0.003,
    ),
    Persona(
        name="fading_customer",
        share=0.16,
        visits_a_week=3.4,
        hours=(0.02, 0.01, 0.02, 0.05, 0.08, 0.14, 0.40, 0.28),
        weekend=0.26,
        devices=(0.72, 0.14, 0.08, 0.03, 0.03),
        mediums=(0.30, 0.58, 0.04, 0.08),
        favourites={"garden": 4, "comfort": 3, "travel": 3, "signs": 1},
        focus=0.82,
        views=3.2,
        add=0.55,
        checkout=0.85,
        order=0.85,
        amount=66.0,
        coupon=0.14,
        discount=0.10,
        opens=2.2,
        hazard=0.006,
        fade_days=50.0,
    ),
)
"""Their shares add up to 1."""


def swapped(count: int) -> tuple[int, ...]:
    """Whose habits each of `count` personas takes at a drift: neighbours change places, an odd last stays."""
    return tuple(min(number ^ 1, count - 1) for number in range(count))
