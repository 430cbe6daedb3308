"""Reads JSON from a byte buffer in compiled code: strictly what RFC 8259 allows, less what is rare; -1 for all else.

Nothing here knows where a record ends: the text goes on, and ends with PADDING, at which every function stops.
"""

from __future__ import annotations

import numpy as np

from models.kernel.jit import compiled, flat
from models.kernel.machine import trailing_zeros, word
from models.kernel.tables import F8, U1, Int

PADDING = b'"' + 15 * b"\0"
_QUOTE, _BACKSLASH, _OPEN, _CLOSE, _OPEN_LIST, _CLOSE_LIST, _COMMA, _COLON, _MINUS, _DOT = (ord(c) for c in '"\\{}[],:-.')
_U = ord("u")
_MOST_NESTED = 60
_MOST_DIGITS = 15
"""So many digits are exact in a float, and so is the power of ten below them: their quotient is the nearest float there is."""
_POWERS = 10.0 ** np.arange(_MOST_DIGITS + 1)
_EACH = 0x0101_0101_0101_0101
_HIGH = 0x80 * _EACH
_QUOTES, _BACKSLASHES, _BLANKS = _QUOTE * _EACH, _BACKSLASH * _EACH, 32 * _EACH
_SIMPLE_ESCAPES = np.array([chr(c) in '"\\/bfnrt' for c in range(256)])
_LITERALS = np.frombuffer(b"nulltruefalse", np.uint8)


@flat
def space(text: U1, at: Int) -> Int:
    """Behind blanks, tabs and ends of lines."""
    while text[at] <= 32 and (text[at] == 32 or text[at] == 10 or text[at] == 13 or text[at] == 9):
        at += 1
    return at


@compiled
def _beyond(text: U1, at: Int) -> Int:
    """Behind a character of several bytes, well-formed UTF-8 (Unicode 15, table 3-7); -1 if it is none."""
    a, b = text[at], text[at + 1]
    if b < 0x80 or b > 0xBF or a < 0xC2 or a > 0xF4:
        return -1
    if a < 0xE0:
        return at + 2
    if text[at + 2] & 0xC0 != 0x80 or (a == 0xE0 and b < 0xA0) or (a == 0xED and b > 0x9F):
        return -1
    if a < 0xF0:
        return at + 3
    if text[at + 3] & 0xC0 != 0x80 or (a == 0xF0 and b < 0x90) or (a == 0xF4 and b > 0x8F):
        return -1
    return at + 4


@flat
def _unusual(text: U1, at: Int) -> Int:
    """The next quote, backslash, control character or byte beyond ASCII: eight bytes are looked at in one word.

    A byte is zero if taking 1 away lends from its upper neighbour's (Mycroft); the lowest one found is always right.
    """
    each, high = np.uint64(_EACH), np.uint64(_HIGH)
    while True:
        w = word(text, at)
        quotes, backslashes = w ^ np.uint64(_QUOTES), w ^ np.uint64(_BACKSLASHES)
        hits = ((quotes - each) & ~quotes) | ((backslashes - each) & ~backslashes) | ((w - np.uint64(_BLANKS)) & ~w) | w
        hits &= high
        if hits:
            return at + np.int64(trailing_zeros(hits) >> np.uint64(3))
        at += 8


@compiled
def plain(text: U1, at: Int) -> Int:
    """The closing quote of a string whose inside begins here and has no escapes."""
    while True:
        at = _unusual(text, at)
        if text[at] == _QUOTE:
            return at
        if text[at] < 0x80:
            return -1
        at = _beyond(text, at)
        if at < 0:
            return -1


@flat
def _hex(c: Int) -> Int:
    if 48 <= c <= 57:
        return c - 48
    c |= 32
    return c - 87 if 97 <= c <= 102 else -1


@compiled
def _escape(text: U1, at: Int) -> Int:
    """Behind an escape whose backslash is here. Surrogates are left to others."""
    c = text[at + 1]
    if _SIMPLE_ESCAPES[c]:
        return at + 2
    if c != _U:
        return -1
    value: Int = 0
    for k in range(at + 2, at + 6):
        digit = _hex(np.int64(text[k]))
        if digit < 0:
            return -1
        value = value * 16 + digit
    return -1 if 0xD800 <= value <= 0xDFFF else at + 6


@compiled
def _string(text: U1, at: Int) -> Int:
    """Behind the closing quote of a string whose inside begins here."""
    while True:
        at = _unusual(text, at)
        if text[at] == _QUOTE:
            return at + 1
        if text[at] == _BACKSLASH:
            at = _escape(text, at)
        else:
            at = _beyond(text, at) if text[at] >= 0x80 else -1
        if at < 0:
            return -1


@flat
def _digit(c: Int) -> bool:
    return bool(48 <= c <= 57)


@compiled
def _number(text: U1, at: Int) -> Int:
    """Behind a number without exponent."""
    if text[at] == _MINUS:
        at += 1
    if not _digit(text[at]):
        return -1
    if text[at] == 48:
        at += 1
    else:
        while _digit(text[at]):
            at += 1
    if text[at] == _DOT:
        at += 1
        if not _digit(text[at]):
            return -1
        while _digit(text[at]):
            at += 1
    return at if text[at] | 32 != 101 else -1


@flat
def amount(text: U1, at: Int, out: F8, place: Int) -> Int:
    """Behind a number without sign and exponent, of at most 15 digits, which is put into out[place]."""
    end = _number(text, at)
    if end < 0 or text[at] == _MINUS or end - at > _MOST_DIGITS + 1:
        return -1
    digits: Int = 0
    behind, pointed = 0, False
    for k in range(at, end):
        if text[k] == _DOT:
            pointed = True
        else:
            digits = digits * 10 + np.int64(text[k]) - 48
            behind += pointed
    if end - at - pointed > _MOST_DIGITS:
        return -1
    out[place] = digits / _POWERS[behind]
    return end


@flat
def _literal(text: U1, at: Int, first: Int, last: Int) -> Int:
    for k in range(first, last):
        if text[at + k - first] != _LITERALS[k]:
            return -1
    return at + last - first


@flat
def null(text: U1, at: Int) -> Int:
    """Behind a null."""
    return _literal(text, at, 0, 4)


@compiled
def _name(text: U1, at: Int) -> Int:
    """The value behind a name and its colon."""
    if text[at] != _QUOTE:
        return -1
    at = _string(text, at + 1)
    if at < 0:
        return -1
    at = space(text, at)
    return space(text, at + 1) if text[at] == _COLON else -1


@compiled
def skip(text: U1, at: Int) -> Int:
    """Behind any value."""
    depth, objects = 0, np.uint64(0)
    while True:
        c = text[at]
        if c == _QUOTE:
            at = _string(text, at + 1)
        elif c in (_OPEN, _OPEN_LIST):
            at = space(text, at + 1)
            if text[at] == c + 2:  # as the closing bracket of each is two places behind its opening one
                at += 1
            else:
                if depth == _MOST_NESTED:
                    return -1
                depth += 1
                objects = (objects << np.uint64(1)) | np.uint64(c == _OPEN)
                if c == _OPEN:
                    at = _name(text, at)
                    if at < 0:
                        return -1
                continue
        elif c == _MINUS or _digit(c):
            at = _number(text, at)
        else:
            at = (
                _literal(text, at, 0, 4)
                if c == _LITERALS[0]
                else _literal(text, at, 4, 8)
                if c == _LITERALS[4]
                else _literal(text, at, 8, 13)
            )
        if at < 0:
            return -1
        while True:  # a value has ended
            if depth == 0:
                return at
            at = space(text, at)
            inside = objects & np.uint64(1)
            if text[at] == _COMMA:
                at = space(text, at + 1)
                if inside:
                    at = _name(text, at)
                    if at < 0:
                        return -1
                break
            if text[at] != (_CLOSE if inside else _CLOSE_LIST):
                return -1
            at += 1
            depth -= 1
            objects >>= np.uint64(1)
