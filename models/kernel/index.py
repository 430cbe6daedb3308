"""The index of ids: open addressing over their hashes, probed one slot after the other. See `models.ids.Ids`.

slots [a power of two, 2]: row or FREE, and a half of its hash; hashes [rows]; text: ids one after another, of which row r ends
at ends[r]. Keys likewise.
"""

from __future__ import annotations

import numpy as np

from models.kernel.jit import compiled, flat
from models.kernel.machine import fetch
from models.kernel.tables import I4, I8, U1, U4, U8, Int

FREE = -1
_AT_ONCE = 32
"""Keys looked up side by side, step by step: what the next step looks at is on its way from memory meanwhile."""
_AHEAD = 16
_SLOT_BYTES = 8


@flat
def same(text: U1, first: Int, other: U1, start: Int, length: Int) -> bool:
    """Whether text[first : first + length] is other[start : start + length]."""
    for k in range(length):
        if text[first + k] != other[start + k]:
            return False
    return True


@flat
def _is_row(text: U1, ends: U4, r: Int, key: U1, start: Int, end: Int) -> bool:
    first = np.int64(ends[r - 1]) if r > 0 else 0
    return bool(np.int64(ends[r]) - first == end - start) and same(text, first, key, start, end - start)


@flat
def _tag(key_hash: np.uint64) -> np.int32:
    """What a slot keeps of a hash, so that hardly another id is looked at: its upper half. The lower one says where it stands."""
    return np.int32(np.int64(key_hash >> np.uint64(32)) - (1 << 31))


@compiled
def probe(
    slots: I4, hashes: U8, text: U1, ends: U4, keys: U1, start: Int, end: Int, key_hash: np.uint64
) -> tuple[Int, np.uint64]:
    """Row of keys[start:end], or FREE, and the slot where the search ended."""
    mask, tag = np.uint64(slots.shape[0] - 1), _tag(key_hash)
    place = key_hash & mask
    r = np.int64(slots[place, 0])
    while r != FREE and not (slots[place, 1] == tag and hashes[r] == key_hash and _is_row(text, ends, r, keys, start, end)):
        place = (place + np.uint64(1)) & mask
        r = np.int64(slots[place, 0])
    return r, place


@compiled
def find(slots: I4, hashes: U8, text: U1, ends: U4, keys: U1, key_ends: I8, key_hashes: U8, out: I8) -> None:
    """Row of each key, or -1."""
    mask, n = np.uint64(slots.shape[0] - 1), key_ends.shape[0]
    for first in range(0, n, _AT_ONCE):
        last = min(first + _AT_ONCE, n)
        for i in range(first, last):
            fetch(slots, np.int64(key_hashes[i] & mask), 0, _SLOT_BYTES)
        for i in range(first, last):
            place, tag = key_hashes[i] & mask, _tag(key_hashes[i])
            while slots[place, 0] != FREE and slots[place, 1] != tag:
                place = (place + np.uint64(1)) & mask
            r = np.int64(slots[place, 0])
            out[i] = r
            if r != FREE:
                fetch(ends, r, 0, 4)
        for i in range(first, last):
            if out[i] > 0:
                fetch(text, np.int64(ends[out[i] - 1]), 0, 1)
                fetch(text, np.int64(ends[out[i]]) - 1, 0, 1)
        start = key_ends[first - 1] if first > 0 else 0
        for i in range(first, last):
            if out[i] != FREE and not _is_row(text, ends, out[i], keys, start, key_ends[i]):
                out[i], _ = probe(slots, hashes, text, ends, keys, start, key_ends[i], key_hashes[i])
            start = key_ends[i]


@compiled
def add(slots: I4, hashes: U8, text: U1, ends: U4, n: Int, keys: U1, key_ends: I8, key_hashes: U8, out: I8) -> Int:
    """Gives rows, from n on, to those keys whose row is -1; gives how many ids there are then. There must be room."""
    start = 0
    for i in range(key_ends.shape[0]):
        end, h = key_ends[i], key_hashes[i]
        if out[i] < 0:
            r, place = probe(slots, hashes, text, ends, keys, start, end, h)
            if r == FREE:  # else it came twice
                r = np.int64(n)
                first = np.int64(ends[r - 1]) if r > 0 else 0
                for k in range(end - start):
                    text[first + k] = keys[start + k]
                ends[r], hashes[r] = first + end - start, h
                slots[place, 0], slots[place, 1] = r, _tag(h)
                n += 1
            out[i] = r
        start = end
    return n


@compiled
def place(slots: I4, hashes: U8, n: Int) -> None:
    """Puts rows 0 to n into empty slots, in order."""
    mask = np.uint64(slots.shape[0] - 1)
    for r in range(n):
        if r + _AHEAD < n:
            fetch(slots, np.int64(hashes[r + _AHEAD] & mask), 0, _SLOT_BYTES)
        place = hashes[r] & mask
        while slots[place, 0] != FREE:
            place = (place + np.uint64(1)) & mask
        slots[place, 0], slots[place, 1] = r, _tag(hashes[r])


@compiled
def remove(slots: I4, hashes: U8, kept: Int, n: Int) -> None:
    """Empties the slots of rows kept to n, the newest first: each was empty when all that are left were put in."""
    mask = np.uint64(slots.shape[0] - 1)
    for r in range(n - 1, kept - 1, -1):
        place = hashes[r] & mask
        while slots[place, 0] != r:
            place = (place + np.uint64(1)) & mask
        slots[place, 0] = FREE


@compiled
def gather(text: U1, ends: U4, rows: I8, out: U1, starts: I8) -> None:
    """Copies the ids of rows one after another; starts[1:]: where each ends."""
    end, n = 0, rows.shape[0]
    for i in range(n):
        r = rows[i]
        if i + 2 * _AHEAD < n:
            fetch(ends, rows[i + 2 * _AHEAD], 0, 4)
        if i + _AHEAD < n:
            fetch(text, np.int64(ends[rows[i + _AHEAD]]) - 1, 0, 1)
        first = np.int64(ends[r - 1]) if r > 0 else 0
        for k in range(first, np.int64(ends[r])):
            out[end] = text[k]
            end += 1
        starts[i + 1] = end
