"""Names for kinds of customers, from what sets them apart, in words that a marketer would use."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from models.features import CATALOGUE, HABITS
from models.learning.batch import F8

_SAYS_SOMETHING: Final = 0.4
"""Standard deviations from the usual from which a habit is worth a word."""


class Words(NamedTuple):
    """How a habit that is high, or low, enters a name: as an adjective or as the noun."""

    high: str
    low: str
    high_noun: str = ""
    low_noun: str = ""


_WORDS: Final[dict[str, Words]] = {
    "emails_90d": Words("e-mail reading", "", "e-mail readers"),
    "average_order": Words("big-basket", "small-basket"),
    "discount_share": Words("discount-driven", "full-price"),
    "coupon_share": Words("coupon-using", "", "coupon users"),
    "orders_per_month": Words("frequent", "occasional", "frequent buyers", "occasional buyers"),
    "conversion": Words("decided", "browsing", "decided buyers", "browsers"),
    "abandonment": Words("cart-leaving", "", "cart abandoners"),
    "night_share": Words("late-night", ""),
    "evening_share": Words("evening", "daytime"),
    "weekend_share": Words("weekend", "weekday"),
    "mobile_share": Words("mobile", "desktop"),
    "email_share": Words("e-mail led", "", "newsletter visitors"),
    "top_category_share": Words("single-category", "wide-ranging"),
}
_NAMES: Final = tuple(CATALOGUE[i].name for i in HABITS)


class Portrait(NamedTuple):
    """A kind's name, one sentence, and the habits that set it apart, the strongest first."""

    name: str
    description: str
    distinct: list[str]


def portraits(centres: F8, mean: F8, scale: F8) -> list[Portrait]:
    """Of centres [k, H] in transformed units, against the mean and spread [H] of everybody. Names are unique."""
    deviations = (centres - mean) / scale
    taken: set[str] = set()
    found = []
    for c in range(len(centres)):
        order = sorted(range(len(HABITS)), key=lambda j: (-abs(float(deviations[c, j])), j))
        telling = [j for j in order if abs(float(deviations[c, j])) >= _SAYS_SOMETHING]
        name = _name(deviations[c], telling, taken)
        taken.add(name)
        distinct = [_NAMES[j] for j in (telling or order)[:4]]
        found.append(Portrait(name, _describe(centres[c], mean, deviations[c], telling[:4]), distinct))
    return found


def _name(deviation: F8, telling: list[int], taken: set[str]) -> str:
    """The shortest name from the strongest habits that nobody has yet."""
    for words in (2, 3, 4):
        name = _compose(deviation, telling, words)
        if name not in taken:
            return name
    number = 2
    while f"{name} {number}" in taken:
        number += 1
    return f"{name} {number}"


def _compose(deviation: F8, telling: list[int], words: int) -> str:
    noun = ""
    adjectives: list[str] = []
    for j in telling:
        word = _WORDS[_NAMES[j]]
        high = float(deviation[j]) > 0.0
        as_noun, as_adjective = (word.high_noun, word.high) if high else (word.low_noun, word.low)
        if len(adjectives) + bool(noun) >= words:
            break
        if as_noun and not noun:
            noun = as_noun
        elif as_adjective:
            adjectives.append(as_adjective)
    text = " ".join([*adjectives, noun or "customers"]) if adjectives or noun else "middle-of-the-road customers"
    return text[0].upper() + text[1:]


def _describe(centre: F8, mean: F8, deviation: F8, telling: list[int]) -> str:
    if not telling:
        return "Close to the usual customer in every habit."
    parts = []
    for j in telling:
        feature = CATALOGUE[HABITS[j]]
        here, usual = (float(np.expm1(v)) if feature.transform == "log1p" else float(v) for v in (centre[j], mean[j]))
        direction = "above" if deviation[j] > 0.0 else "below"
        parts.append(f"{feature.label} {_figure(here, feature.unit)}, {direction} the usual {_figure(usual, feature.unit)}")
    text = "; ".join(parts) + "."
    return text[0].upper() + text[1:]


def _figure(value: float, unit: str) -> str:
    if unit == "share":
        return f"{max(value, 0.0):.0%}"
    return f"{value:.0f}" if abs(value) >= 10.0 else f"{value:.1f}"
