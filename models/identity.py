"""One keyed, stable 64-bit hash of ids, for message ids, sweep order, sampling and holdouts. Never Python's `hash`.

A word-wise multiply-and-fold over little-endian 8-byte words (the last one padded with zeros), seeded with the length,
finished with the 64-bit avalanche of MurmurHash3 (Appleby, public domain).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.kernel.jit import compiled
from models.kernel.machine import word
from models.kernel.tables import Int

_MASK = (1 << 64) - 1
_SEED = 0x5348_4F41_4C5F_4944  # "SHOAL_ID"
_MULTIPLY = 0x9E37_79B9_7F4A_7C15
_FINAL_1 = 0xFF51_AFD7_ED55_8CCD
_FINAL_2 = 0xC4CE_B9FE_1A85_EC53


@compiled
def hash_slice(text: NDArray[np.uint8], start: Int, end: Int) -> np.uint64:
    """Hash of text[start:end]; that of nothing is 0."""
    if end == start:
        return np.uint64(0)
    multiply = np.uint64(_MULTIPLY)
    h = np.uint64(_SEED) ^ (np.uint64(end - start) * multiply)
    at = start
    while end - at >= 8:
        h = (h ^ word(text, at)) * multiply
        h ^= h >> np.uint64(32)
        at += 8
    if at < end:
        rest, shift = np.uint64(0), np.uint64(0)
        for k in range(at, end):
            rest |= np.uint64(text[k]) << shift
            shift += np.uint64(8)
        h = (h ^ rest) * multiply
        h ^= h >> np.uint64(32)
    h ^= h >> np.uint64(33)
    h *= np.uint64(_FINAL_1)
    h ^= h >> np.uint64(33)
    h *= np.uint64(_FINAL_2)
    h ^= h >> np.uint64(33)
    return h if h != np.uint64(0) else np.uint64(1)


@compiled
def hash_slices(text: NDArray[np.uint8], ends: NDArray[np.int64], out: NDArray[np.uint64]) -> None:
    """Hashes of slices of `text`: slice i ends at ends[i] and starts where i - 1 ended. An empty slice gives 0."""
    start = 0
    for i in range(ends.shape[0]):
        out[i] = hash_slice(text, start, ends[i])
        start = ends[i]


def stable_hash(data: bytes) -> int:
    """The same hash of one id in plain Python: 0 for the empty id, else 1 to 2**64 - 1."""
    if not data:
        return 0
    h = _SEED ^ (len(data) * _MULTIPLY & _MASK)
    for position in range(0, len(data), 8):
        h = (h ^ int.from_bytes(data[position : position + 8], "little")) * _MULTIPLY & _MASK
        h ^= h >> 32
    h ^= h >> 33
    h = h * _FINAL_1 & _MASK
    h ^= h >> 33
    h = h * _FINAL_2 & _MASK
    h ^= h >> 33
    return h or 1


def hash_all(items: Sequence[bytes]) -> NDArray[np.uint64]:
    """`stable_hash` of every item: uint64 [len(items)]."""
    out = np.empty(len(items), np.uint64)
    ends = np.cumsum(np.fromiter(map(len, items), np.int64, len(items)))
    hash_slices(np.frombuffer(b"".join(items), np.uint8), ends, out)
    return out
