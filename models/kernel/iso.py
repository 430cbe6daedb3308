"""Timestamps as most clients write them, 2024-03-01T12:00:00.123Z, a batch at a time."""

from __future__ import annotations

import numpy as np

from models.kernel.jit import compiled, inlined
from models.kernel.tables import I8, U1, Int

WIDTH = 24
_WIDTH = WIDTH
_DIGITS = np.array([0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18, 20, 21, 22])
_MONTHS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


@inlined
def _two(text: U1, k: Int) -> Int:
    return (np.int64(text[k]) - 48) * 10 + np.int64(text[k + 1]) - 48


@compiled
def milliseconds(text: U1, out: I8) -> int:
    """24-byte stamps, one after another, to ms since 1970 (days from civil: Hinnant); gives the first that is none, or -1."""
    for i in range(out.shape[0]):
        s = text[i * _WIDTH : (i + 1) * _WIDTH]
        if s[4] != 45 or s[7] != 45 or s[10] != 84 or s[13] != 58 or s[16] != 58 or s[19] != 46 or s[23] != 90:
            return i
        for k in range(_DIGITS.shape[0]):
            if s[_DIGITS[k]] < 48 or s[_DIGITS[k]] > 57:
                return i
        year, month, day = _two(s, 0) * 100 + _two(s, 2), _two(s, 5), _two(s, 8)
        hour, minute, second = _two(s, 11), _two(s, 14), _two(s, 17)
        if year < 1970 or month < 1 or month > 12 or day < 1 or hour > 23 or minute > 59 or second > 59:
            return i
        leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        if day > _MONTHS[month - 1] + (1 if leap else 0):
            return i
        y = year - 1 if month <= 2 else year
        era = y // 400
        in_era = y - era * 400
        in_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
        days = era * 146_097 + in_era * 365 + in_era // 4 - in_era // 100 + in_year - 719_468
        out[i] = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + _two(s, 20) * 10 + np.int64(s[22]) - 48
    return -1
