"""How much more, or less, is bought on a day of the year."""

from __future__ import annotations

from datetime import date
from math import exp
from typing import Final

from streams.simulator.personas import Season

_GIFT_DAYS: Final = ((2, 12, 4.0, 1.0), (5, 8, 5.0, 1.0), (12, 14, 16.0, 3.0))
"""Month and day of the peak, its width in days, its height: Valentine's, Mother's Day, Christmas."""


def factor(season: Season, day: date) -> float:
    """What the usual number of visits is multiplied with."""
    return _shop(day) if season == "shop" else _gifts(day)


def _shop(day: date) -> float:
    """A shop's year: more before Christmas, less in January and in summer."""
    summer = 0.12 * _bump(day, 8, 1, 25.0)
    january = 0.15 * _bump(day, 1, 12, 10.0)
    return 1.0 + 0.35 * _bump(day, 12, 8, 20.0) - summer - january


def _gifts(day: date) -> float:
    """Little but for the weeks before the days on which people give presents."""
    return 0.6 + sum(height * _bump(day, month, peak, width) for month, peak, width, height in _GIFT_DAYS)


def _bump(day: date, month: int, peak: int, width: float) -> float:
    """1 on the peak's day, falling off within `width` days; the year is a circle."""
    away = abs((day - date(day.year, month, peak)).days)
    away = min(away, 365 - away) if away <= 365 else away - 365
    return exp(-0.5 * (away / width) ** 2)
