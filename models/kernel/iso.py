"""Timestamps as clients write them: 2024-03-01T12:00:00.123Z, with no fraction or one to six digits, Z or a +05:30."""

from __future__ import annotations

import numpy as np

from models.kernel.jit import compiled, flat
from models.kernel.tables import U1, Int

_NOT_READ = -1
_MONTHS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_LEAST = len("2024-03-01T12:00:00Z")
_MOST_FRACTION = 6
_ZONE = len("+05:30")
_PLUS, _MINUS, _DOT, _COLON, _T, _Z = (ord(c) for c in "+-.:TZ")


@flat
def _digit(c: Int) -> bool:
    return bool(48 <= c <= 57)


@flat
def _two(text: U1, k: Int) -> Int:
    """The number of two digits, or one below -500."""
    if not (_digit(text[k]) and _digit(text[k + 1])):
        return -100_000
    return (np.int64(text[k]) - 48) * 10 + np.int64(text[k + 1]) - 48


@flat
def _days(year: Int, month: Int, day: Int) -> Int:
    """Days since 1970 of a date that there is (days from civil: Hinnant), or -1."""
    if year < 1970 or month < 1 or month > 12 or day < 1:
        return -1
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if day > _MONTHS[month - 1] + (1 if leap else 0):
        return -1
    y = year - 1 if month <= 2 else year
    era = y // 400
    in_era = y - era * 400
    in_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + in_era * 365 + in_era // 4 - in_era // 100 + in_year - 719_468


@compiled
def moment(text: U1, start: Int, end: Int) -> tuple[Int, Int]:
    """text[start:end] as UTC ms since 1970 (finer digits are cut off), and ms from UTC to its zone; (-1, 0) if not so written."""
    s = text
    if end - start < _LEAST or s[start + 4] != _MINUS or s[start + 7] != _MINUS or s[start + 10] != _T:
        return _NOT_READ, 0
    if s[start + 13] != _COLON or s[start + 16] != _COLON:
        return _NOT_READ, 0
    days = _days(_two(s, start) * 100 + _two(s, start + 2), _two(s, start + 5), _two(s, start + 8))
    hour, minute, second = _two(s, start + 11), _two(s, start + 14), _two(s, start + 17)
    if days < 0 or hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59:
        return _NOT_READ, 0
    at, weight = start + _LEAST - 1, 100
    fraction: Int = 0
    if s[at] == _DOT:
        at += 1
        first = at
        while at < end and _digit(s[at]):
            fraction += (np.int64(s[at]) - 48) * weight
            weight //= 10
            at += 1
        if at == first or at - first > _MOST_FRACTION:
            return _NOT_READ, 0
    ms = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + fraction
    if end - at == 1 and s[at] == _Z:
        return ms, 0
    if end - at != _ZONE or (s[at] != _PLUS and s[at] != _MINUS) or s[at + 3] != _COLON:
        return _NOT_READ, 0
    hour, minute = _two(s, at + 1), _two(s, at + 4)
    if hour < 0 or hour > 23 or minute < 0 or minute > 59:
        return _NOT_READ, 0
    zone = (hour * 60 + minute) * 60_000
    zone = zone if s[at] == _PLUS else -zone
    return (ms - zone, zone) if ms >= zone else (_NOT_READ, 0)
