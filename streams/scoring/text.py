"""Writes JSON text into a byte buffer from compiled code: fragments, numbers, times, ids. Every function gives the new end."""

from __future__ import annotations

import numpy as np

from models.kernel.jit import compiled, inlined
from models.kernel.machine import copy_bytes
from models.kernel.tables import I8, U1, Int

_POWERS = 10.0 ** np.arange(23)
_DIGITS = 6
_STEP = 16
_TIME = 24
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_NULL = np.frombuffer(b"null", np.uint8)


@compiled
def put(out: U1, end: Int, text: U1, start: Int, stop: Int) -> Int:
    """Copies text[start:stop]."""
    copy_bytes(out, end, text, start, stop - start)
    return end + stop - start


@compiled
def put_id(out: U1, end: Int, text: U1, start: Int, stop: Int) -> Int:
    """Copies UTF-8 as the inside of a JSON string: quotes, backslashes and control characters are escaped."""
    for k in range(start, stop):
        c = text[k]
        if c == 34 or c == 92:
            out[end] = 92
            out[end + 1] = c
            end += 2
        elif c < 32:
            out[end], out[end + 1], out[end + 2], out[end + 3] = 92, 117, 48, 48
            out[end + 4], out[end + 5] = _HEX[c >> 4], _HEX[c & 15]
            end += 6
        else:
            out[end] = c
            end += 1
    return end


@compiled
def put_int(out: U1, end: Int, value: Int) -> Int:
    """A whole number."""
    if value < 0:
        out[end] = 45
        end += 1
        value = -value
    digits = 1
    rest = value
    while rest >= 10:
        rest //= 10
        digits += 1
    for k in range(end + digits - 1, end - 1, -1):
        out[k] = 48 + value % 10
        value //= 10
    return end + digits


@compiled
def put_hex(out: U1, end: Int, value: np.uint64) -> Int:
    """Sixteen hexadecimal digits."""
    for k in range(16):
        out[end + k] = _HEX[(value >> np.uint64(60 - 4 * k)) & np.uint64(15)]
    return end + 16


@compiled
def _two(out: U1, end: Int, value: Int) -> Int:
    out[end], out[end + 1] = 48 + value // 10, 48 + value % 10
    return end + 2


@compiled
def put_time(out: U1, end: Int, ms: Int) -> Int:
    """Milliseconds since 1970 as RFC 3339, 2024-03-01T12:00:00.123Z, 24 bytes (civil from days: Hinnant)."""
    days, rest = ms // 86_400_000, ms % 86_400_000
    z = days + 719_468
    era = z // 146_097
    of_era = z - era * 146_097
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * of_year + 2) // 153
    day = of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    end = _two(out, _two(out, end, year // 100), year % 100)
    out[end] = 45
    end = _two(out, end + 1, month)
    out[end] = 45
    end = _two(out, end + 1, day)
    out[end] = 84
    end = _two(out, end + 1, rest // 3_600_000)
    out[end] = 58
    end = _two(out, end + 1, rest // 60_000 % 60)
    out[end] = 58
    end = _two(out, end + 1, rest // 1000 % 60)
    out[end] = 46
    out[end + 1] = 48 + rest // 100 % 10
    end = _two(out, end + 2, rest % 100)
    out[end] = 90
    return end + 1


@compiled
def put_time_again(out: U1, end: Int, ms: Int, last: I8) -> Int:
    """As `put_time`; a time that was written last is copied. last [2]: that time, and where it stands in `out`."""
    if ms == last[0]:
        copy_bytes(out, end, out, last[1], _TIME)
    else:
        put_time(out, end, ms)
        last[0], last[1] = ms, end
    return end + _TIME


@inlined
def _exponent(value: float) -> Int:
    """The power of ten that `value` (from 1e-15 to 1e22) reaches."""
    exponent = 0
    if value >= 1.0:
        while value >= _POWERS[exponent + 1]:
            exponent += 1
        return exponent
    while value * _POWERS[-exponent] < 1.0:
        exponent -= 1
    return exponent


@compiled
def put_number(out: U1, end: Int, value: float) -> Int:
    """Six significant digits, from 1e22 on with an exponent; null for what is not finite."""
    if not np.isfinite(value):
        return put(out, end, _NULL, 0, 4)
    if value < 0.0:
        out[end] = 45
        end += 1
        value = -value
    if value < 1e-15:
        out[end] = 48
        return end + 1
    above: Int = 0
    while value >= _POWERS[22]:
        value /= _POWERS[_STEP]
        above += _STEP
    exponent = _exponent(value)
    shift = _DIGITS - 1 - exponent
    scaled = value * _POWERS[shift] if shift >= 0 else value / _POWERS[-shift]
    digits = int(np.rint(scaled))
    while digits >= 1_000_000:
        digits = (digits + 5) // 10
        exponent += 1
    while digits and digits < 100_000:
        digits *= 10
        exponent -= 1
    count = _DIGITS
    while count > 1 and digits % 10 == 0:
        digits //= 10
        count -= 1
    if above == 0:
        return _put_digits(out, end, digits, count, exponent)
    end = _put_digits(out, end, digits, count, 0)
    out[end] = 101
    return put_int(out, end + 1, exponent + above)


@compiled
def _put_digits(out: U1, end: Int, digits: Int, count: Int, exponent: Int) -> Int:
    """`digits`, of which there are `count`, with the point behind the first, times ten to the `exponent`."""
    if exponent < 0:
        out[end], out[end + 1] = 48, 46
        end += 2
        for _ in range(-exponent - 1):
            out[end] = 48
            end += 1
        return put_int(out, end, digits)
    if count <= exponent + 1:
        end = put_int(out, end, digits)
        for _ in range(exponent + 1 - count):
            out[end] = 48
            end += 1
        return end
    behind = 1
    for _ in range(count - exponent - 1):
        behind *= 10
    end = put_int(out, end, digits // behind)
    out[end] = 46
    end += 1
    rest, width = digits % behind, count - exponent - 1
    for k in range(end + width - 1, end - 1, -1):
        out[k] = 48 + rest % 10
        rest //= 10
    return end + width


def starts_of(pieces: list[bytes]) -> tuple[U1, I8]:
    """Fragments one after another, and where each starts (with the end of the last): uint8 [.], int64 [n + 1]."""
    ends = np.cumsum(np.fromiter(map(len, pieces), np.int64, len(pieces)))
    return np.frombuffer(b"".join(pieces), np.uint8), np.concatenate([np.zeros(1, np.int64), ends])
