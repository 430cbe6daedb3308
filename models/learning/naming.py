"""Names for kinds of customers, from what sets them apart, in words that a marketer would use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from models.features import CATALOGUE, HABITS
from models.learning.batch import F8

_SAYS_SOMETHING: Final = 0.3
"""Standard deviations from the usual from which a habit is worth a word."""
_WORTH_A_NOUN: Final = 0.7
"""So far out a habit makes the noun, behind two stronger ones as adjectives: late-night mobile browsers."""
_STILL_SAYS: Final = 0.2
"""A name stays as long as each habit in it is at least so far from the usual, in the same direction."""


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
_ORDERING: Final = frozenset(("average_order", "discount_share", "coupon_share", "orders_per_month", "conversion"))
"""Habits that say nothing of those who have not ordered, but that."""
_AVERAGE: Final = _NAMES.index("average_order")
_YET_TO_BUY: Final = "visitors yet to buy"


class Named(msgspec.Struct, frozen=True):
    """A name and the habits it is made of: place in HABITS + 1, negative where it is low."""

    name: str
    traits: list[int]


class Portrait(NamedTuple):
    """A kind's name, one sentence, and the habits that set it apart, the strongest first."""

    named: Named
    description: str
    distinct: list[str]


def portraits(ids: Sequence[int], centres: F8, mean: F8, scale: F8, before: Mapping[int, Named]) -> list[Portrait]:
    """Of centres [k, H] in transformed units, against the mean and spread [H] of everybody. Names are unique.

    `before`: names by id as they were; one stays as long as it is true, so that people can get used to it.
    """
    deviations = (centres - mean) / scale
    kept = {i: before[i] for i, deviation in zip(ids, deviations, strict=True) if i in before and _holds(before[i], deviation)}
    taken = {named.name for named in kept.values()}
    found = []
    for i, centre, deviation in zip(ids, centres, deviations, strict=True):
        order = sorted(range(len(HABITS)), key=lambda j: (-abs(float(deviation[j])), j))
        telling = [j for j in order if abs(float(deviation[j])) >= _SAYS_SOMETHING]
        named = kept.get(i) or _name(centre, deviation, telling, taken)
        taken.add(named.name)
        distinct = [_NAMES[j] for j in (telling or order)[:4]]
        found.append(Portrait(named, _describe(centre, mean, deviation, telling[:4]), distinct))
    return found


def _holds(named: Named, deviation: F8) -> bool:
    """Whether a name is still true."""
    return all(float(deviation[abs(t) - 1]) * (1.0 if t > 0 else -1.0) >= _STILL_SAYS for t in named.traits)


def _name(centre: F8, deviation: F8, telling: list[int], taken: set[str]) -> Named:
    """The shortest name from the strongest habits that nobody has yet."""
    named = Named("", [])
    for words in (2, 3, 4):
        named = _compose(centre, deviation, telling, words)
        if named.name not in taken:
            return named
    number = 2
    while f"{named.name} {number}" in taken:
        number += 1
    return Named(f"{named.name} {number}", named.traits)


def _compose(centre: F8, deviation: F8, telling: list[int], words: int) -> Named:
    adjectives: list[str] = []
    noun, traits = "", []
    if np.expm1(float(centre[_AVERAGE])) < 0.5 and _AVERAGE in telling:
        noun, traits = _YET_TO_BUY, [-(_AVERAGE + 1)]
        telling = [j for j in telling if _NAMES[j] not in _ORDERING]
    for j in telling:
        word = _WORDS[_NAMES[j]]
        high = float(deviation[j]) > 0.0
        as_noun, as_adjective = (word.high_noun, word.high) if high else (word.low_noun, word.low)
        full = len(adjectives) + bool(noun) >= words
        if as_noun and not noun and (not full or abs(float(deviation[j])) >= _WORTH_A_NOUN):
            noun = as_noun
        elif as_adjective and not full:
            adjectives.append(as_adjective)
        else:
            continue
        traits.append(j + 1 if high else -(j + 1))
    text = " ".join([*adjectives, noun or "customers"]) if traits else "middle-of-the-road customers"
    return Named(text[0].upper() + text[1:], traits)


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
    value = max(value, 0.0)
    if unit == "share":
        return f"{value:.0%}"
    return f"{value:.0f}" if value >= 10.0 else f"{value:.1f}"
