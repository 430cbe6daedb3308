"""Rows as the changelog holds them: which of a row's words are not zero, and those. Most of a row is zero.

A packed row: a word with the layout's version in its low 16 bits and the marks of words 0 to 47 above, a word with the marks
of the others, then every marked word in order.
"""

from __future__ import annotations

import numpy as np

from models.kernel.jit import compiled
from models.kernel.machine import fetch, trailing_zeros
from models.kernel.tables import I8, U8, Int
from models.row import LAYOUT_VERSION, ROW_BYTES

WORDS = ROW_BYTES // 8
HEAD = 2
_WORDS, _HEAD, _LAYOUT = WORDS, HEAD, LAYOUT_VERSION
_FIRST = 48
_ROW_BYTES, _AHEAD = ROW_BYTES, 4
assert ROW_BYTES % 8 == 0
assert _FIRST < WORDS <= _FIRST + 64


@compiled
def pack(rows: U8, which: I8, out: U8, ends: I8) -> None:
    """Packs rows[which] one behind the other; ends [n]: in words. out [n * (HEAD + WORDS) + 1]; rows [., WORDS]."""
    end: Int = 0
    for i in range(which.shape[0]):
        r, head = which[i], end
        if i + _AHEAD < which.shape[0]:
            fetch(rows, which[i + _AHEAD], 0, _ROW_BYTES)
        low, high = np.uint64(_LAYOUT), np.uint64(0)
        end += _HEAD
        for k in range(_FIRST):  # written in any case, kept if not zero: no branch to guess
            word = rows[r, k]
            out[end] = word
            there = np.uint64(word != 0)
            end += np.int64(there)
            low |= there << np.uint64(k + 16)
        for k in range(_FIRST, _WORDS):
            word = rows[r, k]
            out[end] = word
            there = np.uint64(word != 0)
            end += np.int64(there)
            high |= there << np.uint64(k - _FIRST)
        out[head], out[head + 1] = low, high
        ends[i] = end


@compiled
def unpack(packed: U8, ends: I8, out: U8) -> int:
    """Rows again: out [n, WORDS]; ends [n]: in words. Gives the place of the first one that is none, or -1.

    It is none if its layout is another, if a marked word is zero, or if there are more or fewer words than marks.
    """
    at: Int = 0
    for i in range(ends.shape[0]):
        end = ends[i]
        if end - at < _HEAD or packed[at] & np.uint64(0xFFFF) != np.uint64(_LAYOUT):
            return i
        low, high = packed[at] >> np.uint64(16), packed[at + 1]
        at += _HEAD
        if high >> np.uint64(_WORDS - _FIRST):
            return i
        for k in range(_WORDS):
            out[i, k] = np.uint64(0)
        for first, marks in ((0, low), (_FIRST, high)):
            while marks:
                if at == end or packed[at] == np.uint64(0):
                    return i
                out[i, first + np.int64(trailing_zeros(marks))] = packed[at]
                marks &= marks - np.uint64(1)
                at += 1
        if at != end:
            return i
    return -1


@compiled
def scatter(images: U8, which: I8, rows: U8) -> None:
    """Copies images [n, WORDS] to rows[which], in order: of two for one row the later stays."""
    for i in range(which.shape[0]):
        for k in range(_WORDS):
            rows[which[i], k] = images[i, k]
