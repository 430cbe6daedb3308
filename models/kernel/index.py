"""The index of ids: open addressing over their hashes, probed one slot after the other. See `models.ids.Ids`.

slots [a power of two]: row or FREE; hashes [rows]; text: ids one after another, of which row r ends at ends[r]. Keys likewise.
"""

from __future__ import annotations

import numpy as np

from models.kernel.jit import compiled, flat
from models.kernel.tables import I4, I8, U1, U4, U8, Int

FREE = -1


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


@compiled
def probe(
    slots: I4, hashes: U8, text: U1, ends: U4, keys: U1, start: Int, end: Int, key_hash: np.uint64
) -> tuple[Int, np.uint64]:
    """Row of keys[start:end], or FREE, and the slot where the search ended."""
    mask = np.uint64(slots.shape[0] - 1)
    place = key_hash & mask
    r = np.int64(slots[place])
    while r != FREE and not (hashes[r] == key_hash and _is_row(text, ends, r, keys, start, end)):
        place = (place + np.uint64(1)) & mask
        r = np.int64(slots[place])
    return r, place


@compiled
def find(slots: I4, hashes: U8, text: U1, ends: U4, keys: U1, key_ends: I8, key_hashes: U8, out: I8) -> None:
    """Row of each key, or -1."""
    start = 0
    for i in range(key_ends.shape[0]):
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
                ends[r], hashes[r], slots[place] = first + end - start, h, r
                n += 1
            out[i] = r
        start = end
    return n


@compiled
def place(slots: I4, hashes: U8, n: Int) -> None:
    """Puts rows 0 to n into empty slots, in order."""
    mask = np.uint64(slots.shape[0] - 1)
    for r in range(n):
        place = hashes[r] & mask
        while slots[place] != FREE:
            place = (place + np.uint64(1)) & mask
        slots[place] = r


@compiled
def remove(slots: I4, hashes: U8, kept: Int, n: Int) -> None:
    """Empties the slots of rows kept to n, the newest first: each was empty when all that are left were put in."""
    mask = np.uint64(slots.shape[0] - 1)
    for r in range(n - 1, kept - 1, -1):
        place = hashes[r] & mask
        while slots[place] != r:
            place = (place + np.uint64(1)) & mask
        slots[place] = FREE


@compiled
def gather(text: U1, ends: U4, rows: I8, out: U1, starts: I8) -> None:
    """Copies the ids of rows one after another; starts[1:]: where each ends."""
    end = 0
    for i in range(rows.shape[0]):
        r = rows[i]
        first = np.int64(ends[r - 1]) if r > 0 else 0
        for k in range(first, np.int64(ends[r])):
            out[end] = text[k]
            end += 1
        starts[i + 1] = end
