"""Events out of their JSON and into columns in one pass of compiled code, without an object in between.

It takes what a careful client writes and leaves everything else, the merely unusual as well as the wrong, to
`streams.scoring.exact`: what it takes means there exactly the same (tests/property/test_decode_paths.py).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.identity import hash_slice
from models.kernel import index
from models.kernel.iso import moment
from models.kernel.jit import compiled, flat
from models.kernel.tables import F8, I4, I8, U1, U8, Int
from models.row import BEHAVIOURS, CATEGORY_SLOTS
from streams.contracts.control import LATEST_MS
from streams.scoring import vocabulary as v
from streams.scoring.json_text import amount, null, plain, skip, space
from streams.scoring.vocabulary import Names, Vocabulary, Words, bucket

LEFT, TAKEN, UNNAMED = range(3)
"""Status of a record: left to others; taken; taken, but what happened is not in the taxonomy."""
NONE = 255
"""Of a category or a channel: none."""
MAX_KEY_BYTES = 256

_OPEN, _CLOSE, _COMMA, _COLON, _QUOTE, _N = (ord(c) for c in '{},:"n')
_TOP, _TEXT, _AMOUNT, _OBJECT, _UNKNOWN = v.TOP, v.TEXT, v.AMOUNT, v.OBJECT, v.UNKNOWN
_PARENTS = v.PARENTS
_TYPE, _EVENT, _TIMESTAMP, _USER, _ANONYMOUS, _MESSAGE = v.TYPE, v.EVENT, v.TIMESTAMP, v.USER, v.ANONYMOUS, v.MESSAGE
_DEVICE_TYPE, _MEDIUM = v.DEVICE_TYPE, v.MEDIUM
_LEFT, _TAKEN, _UNNAMED, _NONE, _TOO_LATE, _MAX_KEY_BYTES = LEFT, TAKEN, UNNAMED, NONE, LATEST_MS, MAX_KEY_BYTES
_ORDER, _REFUND = BEHAVIOURS.index("order"), BEHAVIOURS.index("refund")
_UNSEEN = CATEGORY_SLOTS - 1
_ABSENT = -1


class Found(NamedTuple):
    """What one record holds, by field: text[starts : ends], or `amounts`; `seen`: number of the last record that had it.

    starts is -1 where null stood.
    """

    starts: I8
    ends: I8
    amounts: F8
    seen: I8


class Columns(NamedTuple):
    """A run of records; see `models.kernel.tables.Events`. status [n]; named [n, 2]: where the name stands if it is UNNAMED."""

    status: U1
    times: I8
    local: I8
    behaviour: U1
    revenue: F8
    discount: F8
    category: U1
    channel: U1
    coupon: U1
    message: U8
    named: I8


def columns(n: int) -> Columns:
    """Room for n records."""
    return Columns(
        np.empty(n, np.uint8), np.zeros(n, np.int64), np.zeros(n, np.int64), np.empty(n, np.uint8), np.zeros(n), np.zeros(n),
        np.empty(n, np.uint8), np.empty(n, np.uint8), np.zeros(n, np.uint8), np.empty(n, np.uint64), np.empty((n, 2), np.int64),
    )  # fmt: skip


def found(vocabulary: Vocabulary) -> Found:
    """Room for one record's fields."""
    n = len(vocabulary.names.kinds)
    return Found(np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n), np.zeros(n, np.int64))


@flat
def _field(names: Names, level: Int, text: U1, start: Int, stop: Int) -> Int:
    """The field of this name in an object of this kind, or -1."""
    length = stop - start
    if length == 0:
        return _UNKNOWN
    f: Int = np.int64(names.buckets[bucket(level, length, np.int64(text[start]), np.int64(text[stop - 1]))])
    while f != _UNKNOWN:
        first = names.starts[f]
        if (
            names.levels[f] == level
            and names.starts[f + 1] - first == length
            and index.same(names.text, first, text, start, length)
        ):
            return f
        f = np.int64(names.following[f])
    return _UNKNOWN


@flat
def _value(names: Names, f: Int, text: U1, at: Int, found: Found) -> Int:
    """Behind the value of a field that is no object."""
    if text[at] == _N and names.nullable[f]:
        found.starts[f] = _ABSENT
        return null(text, at)
    if names.kinds[f] == _AMOUNT:
        found.starts[f] = at
        return amount(text, at, found.amounts, f)
    if names.kinds[f] != _TEXT or text[at] != _QUOTE:
        return -1
    stop = plain(text, at + 1)
    found.starts[f], found.ends[f] = at + 1, stop
    return stop + 1 if stop >= 0 else -1


@flat
def _fields(names: Names, text: U1, at: Int, mark: Int, found: Found) -> Int:
    """Reads one object and what is in it; gives its end, or -1. A name that stands there twice is left to others."""
    if text[at] != _OPEN:
        return -1
    level: Int = _TOP
    first = True
    at += 1
    while True:
        at = space(text, at)
        if text[at] == _CLOSE:
            at += 1
            if level == _TOP:
                return at
            level, first = np.int64(_PARENTS[level]), False
            continue
        if not first:
            if text[at] != _COMMA:
                return -1
            at = space(text, at + 1)
        first = False
        if text[at] != _QUOTE:
            return -1
        start = at + 1
        stop = plain(text, start)
        if stop < 0:
            return -1
        at = space(text, stop + 1)
        if text[at] != _COLON:
            return -1
        at = space(text, at + 1)
        f = _field(names, level, text, start, stop)
        if f < 0:
            at = skip(text, at)
        else:
            if found.seen[f] == mark:
                return -1
            found.seen[f] = mark
            if names.kinds[f] == _OBJECT and text[at] == _OPEN:
                level, first = np.int64(names.opens[f]), True
                at += 1
                continue
            at = _value(names, f, text, at, found)
        if at < 0:
            return -1


@flat
def _has(found: Found, f: Int, mark: Int) -> bool:
    return bool(found.seen[f] == mark and found.starts[f] >= 0)


@flat
def _has_text(found: Found, f: Int, mark: Int) -> bool:
    return bool(found.seen[f] == mark and found.starts[f] >= 0 and found.ends[f] > found.starts[f])


@compiled
def _code(words: Words, text: U1, start: Int, end: Int, missing: Int) -> Int:
    """What a text means."""
    h = hash_slice(text, start, end)
    row, _ = index.probe(words.slots, words.hashes, words.text, words.ends, text, start, end, h)
    return np.int64(words.codes[row]) if row >= 0 else missing


@flat
def _category(voc: Vocabulary, text: U1, found: Found, mark: Int) -> Int:
    """Of the first property that is there."""
    for k in range(voc.category.shape[0]):
        f = np.int64(voc.category[k])
        if _has(found, f, mark):
            return _code(voc.categories, text, found.starts[f], found.ends[f], _UNSEEN)
    return _NONE


@flat
def _channel(voc: Vocabulary, text: U1, found: Found, mark: Int) -> Int:
    """Of the first property of those in the taxonomy that says something; then of the campaign, then of the device."""
    n = voc.channel.shape[0]
    for k in range(n + 2):
        f = np.int64(voc.channel[k]) if k < n else _MEDIUM if k == n else _DEVICE_TYPE
        if _has(found, f, mark):
            code = _code(voc.channels, text, found.starts[f], found.ends[f], _NONE)
            if code != _NONE:
                return code
    return _NONE


@flat
def _first_amount(fields: I4, found: Found, mark: Int) -> float:
    for k in range(fields.shape[0]):
        f = np.int64(fields[k])
        if _has(found, f, mark):
            return float(found.amounts[f])
    return 0.0


@flat
def _too_large(fields: I4, found: Found, mark: Int, most: float) -> bool:
    for k in range(fields.shape[0]):
        f = np.int64(fields[k])
        if _has(found, f, mark) and found.amounts[f] > most:
            return True
    return False


@flat
def _is_key(text: U1, found: Found, mark: Int, keys: U1, start: Int, end: Int) -> bool:
    """Whether the record's key is the customer's id."""
    f = _USER if _has_text(found, _USER, mark) else _ANONYMOUS
    if not _has_text(found, f, mark) or found.ends[f] - found.starts[f] != end - start or end - start > _MAX_KEY_BYTES:
        return False
    return index.same(text, found.starts[f], keys, start, end - start)


@flat
def _take(voc: Vocabulary, text: U1, found: Found, mark: Int, most: float, i: Int, out: Columns) -> Int:
    """Fills line i from what was found; gives the record's status."""
    if found.seen[_TYPE] != mark or found.seen[_TIMESTAMP] != mark:
        return _LEFT
    if _code(voc.calls, text, found.starts[_TYPE], found.ends[_TYPE], _NONE) == _NONE:
        return _LEFT
    if _too_large(voc.money, found, mark, most) or _too_large(voc.discount, found, mark, most):
        return _LEFT
    out.times[i], out.local[i] = moment(text, found.starts[_TIMESTAMP], found.ends[_TIMESTAMP])
    if out.times[i] < 0 or out.times[i] >= _TOO_LATE:
        return _LEFT
    named = _EVENT if _has_text(found, _EVENT, mark) else _TYPE
    behaviour = _code(voc.behaviours, text, found.starts[named], found.ends[named], _UNKNOWN)
    out.named[i, 0], out.named[i, 1] = found.starts[named], found.ends[named]
    out.behaviour[i] = max(behaviour, 0)
    out.category[i] = _category(voc, text, found, mark)
    out.channel[i] = _channel(voc, text, found, mark)
    if behaviour in (_ORDER, _REFUND):
        out.revenue[i] = _first_amount(voc.money, found, mark)
        out.discount[i] = _first_amount(voc.discount, found, mark)
        for k in range(voc.coupon.shape[0]):
            if _has_text(found, voc.coupon[k], mark):
                out.coupon[i] = 1
    message = _has_text(found, _MESSAGE, mark)
    out.message[i] = hash_slice(text, found.starts[_MESSAGE], found.ends[_MESSAGE]) if message else np.uint64(0)
    return _TAKEN if behaviour >= 0 else _UNNAMED


@compiled
def scan(
    voc: Vocabulary, text: U1, ends: I8, keys: U1, key_ends: I8, most_bytes: Int, most: float, found: Found, out: Columns
) -> Int:
    """Columns of records text[ends[i - 1] : ends[i]], which PADDING follows, and their keys; gives how many are LEFT.

    most_bytes: of a value; most: of money.
    """
    start: Int = 0
    key_start: Int = 0
    left = 0
    for i in range(ends.shape[0]):
        mark, end, key_end = i + 1, ends[i], key_ends[i]
        status: Int = _LEFT
        if end - start <= most_bytes:
            at = _fields(voc.names, text, space(text, start), mark, found)
            if at >= 0 and space(text, at) == end and _is_key(text, found, mark, keys, key_start, key_end):
                status = _take(voc, text, found, mark, most, i, out)
        out.status[i] = status
        left += status == _LEFT
        start, key_start = end, key_end
    return left
