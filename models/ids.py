"""Which customer has which row: ids packed one after another, found by hash in a compiled table of slots.

A dict of bytes takes some 130 bytes a customer, this 24 to 36 and the id itself. Slots are probed one after the other from the
hash's place on; ids are compared byte by byte, so two of the same hash stay two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import overload

import numpy as np

from models.identity import hash_slices
from models.kernel import index
from models.kernel.tables import I4, I8, U1, U4, U8

_FIRST_SLOTS = 4096
_ITERATED = 4096
_MOST_TEXT = 2**32 - 1


class Ids(Sequence[bytes]):
    """Ids by row, rows by id. Rows are given out in the order of arrival and taken back from the end only.

    At most 4 GiB of text: OverflowError. `hashes` [capacity]: `models.identity.hash_slices` of each id.
    """

    def __init__(self) -> None:
        self._count = 0
        self._text: U1 = np.empty(_FIRST_SLOTS, np.uint8)
        self._ends: U4 = np.empty(_FIRST_SLOTS // 2, np.uint32)
        self.hashes: U8 = np.empty(_FIRST_SLOTS // 2, np.uint64)
        self._slots: I4 = np.full((_FIRST_SLOTS, 2), index.FREE, np.int32)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> list[bytes]: ...
    def __getitem__(self, at: int | slice) -> bytes | list[bytes]:
        if isinstance(at, slice):
            return self.of(np.arange(self._count)[at])
        if not 0 <= at < self._count:
            raise IndexError(f"row {at} of {self._count}")
        first = int(self._ends[at - 1]) if at else 0
        return self._text[first : int(self._ends[at])].tobytes()

    def __iter__(self) -> Iterator[bytes]:
        for first in range(0, self._count, _ITERATED):
            yield from self[first : first + _ITERATED]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and self.find([key])[0] >= 0

    def searched(self) -> tuple[I4, U8, U1, U4]:
        """What `models.kernel.index` searches, as it is now: slots, hashes, text, ends."""
        return self._slots, self.hashes, self._text, self._ends

    def gather(self, rows: I8) -> tuple[U1, I8]:
        """The ids of rows [n], one after another, and where each starts (with the end of the last): uint8 [.], int64 [n + 1]."""
        starts = np.zeros(len(rows) + 1, np.int64)
        lengths = self._ends[rows].astype(np.int64) - np.where(rows > 0, self._ends[rows - 1], 0)
        out = np.empty(int(lengths.sum()), np.uint8)
        index.gather(self._text, self._ends, rows, out, starts)
        return out, starts

    def of(self, rows: I8) -> list[bytes]:
        """The ids of rows [n]."""
        return cut(*self.gather(rows))

    def find(self, keys: Sequence[bytes]) -> I8:
        """Row of each id, -1 where there is none: int64 [len(keys)]."""
        return self._find(*_packed(keys))

    def locate(self, keys: Sequence[bytes]) -> I8:
        """Row of each id, int64 [len(keys)]; gives rows to new ones, in order."""
        text, ends, hashes = _packed(keys)
        rows = self._find(text, ends, hashes)
        new = int(np.count_nonzero(rows < 0))
        if new:
            self._make_room(self._count + new, len(text))
            self._count = int(index.add(self._slots, self.hashes, self._text, self._ends, self._count, text, ends, hashes, rows))
        return rows

    def _find(self, text: U1, ends: I8, hashes: U8) -> I8:
        rows = np.empty(len(ends), np.int64)
        index.find(self._slots, self.hashes, self._text, self._ends, text, ends, hashes, rows)
        return rows

    def truncate(self, count: int) -> None:
        """Keeps the first `count` ids."""
        if count < self._count:
            index.remove(self._slots, self.hashes, count, self._count)
            self._count = count

    def _make_room(self, ids: int, more_text: int) -> None:
        """Room for so many ids, and so much more text; slots are two thirds full at most."""
        n = self._count
        used = int(self._ends[n - 1]) if n else 0
        if used + more_text > _MOST_TEXT:
            raise OverflowError(f"the ids of {ids:,} customers of one partition take more than 4 GiB; use more partitions")
        if used + more_text > len(self._text):
            text = np.empty(max(used + more_text, 2 * len(self._text)), np.uint8)
            text[:used] = self._text[:used]
            self._text = text
        if ids > len(self._ends):
            capacity = max(ids, 2 * len(self._ends))
            ends, hashes = np.empty(capacity, np.uint32), np.empty(capacity, np.uint64)
            ends[:n], hashes[:n] = self._ends[:n], self.hashes[:n]
            self._ends, self.hashes = ends, hashes
        if 3 * ids > 2 * len(self._slots):
            self._slots = np.full((1 << (3 * ids // 2).bit_length(), 2), index.FREE, np.int32)
            index.place(self._slots, self.hashes, n)


def cut(text: U1, starts: I8) -> list[bytes]:
    """Pieces of text, each from its start to the next one's."""
    data, at = text.tobytes(), starts.tolist()
    return [data[start:end] for start, end in pairwise(at)]


def _packed(keys: Sequence[bytes]) -> tuple[U1, I8, U8]:
    """Ids one after another, their ends and hashes."""
    text, ends = np.frombuffer(b"".join(keys), np.uint8), np.cumsum(np.fromiter(map(len, keys), np.int64, len(keys)))
    hashes = np.empty(len(keys), np.uint64)
    hash_slices(text, ends, hashes)
    return text, ends, hashes
