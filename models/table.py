"""The customers of one partition: rows, index of ids, and the undo log of the open transaction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.ids import Ids
from models.kernel.machine import IMAGE_WORDS
from models.kernel.packing import scatter
from models.kernel.tables import I4, I8, U8, Rows, UndoLog
from models.row import ROW, ROW_BYTES, Views, empty_row, views

_FIRST_CAPACITY = 1024
_KEPT_IMAGES = 4096
"""Room for before-images that a table keeps in any case. More is given back once a transaction needs a quarter of it."""


class Table:
    """Rows by customer id. Law: apply, `roll_back`, apply = apply.

    `ids[r]` is the id of row r; rows are never moved. Memory grows by doubling; untouched pages cost nothing.
    """

    def __init__(self) -> None:
        self.ids = Ids()
        self._committed = 0
        self._empty = empty_row().view(np.uint64)
        self._table: NDArray[np.void] = np.zeros(_FIRST_CAPACITY, ROW)
        self._stamp = np.zeros(_FIRST_CAPACITY // 8, np.uint8)
        self._undo_count = np.zeros(1, np.int64)
        self._make_undo(_FIRST_CAPACITY)
        self._order: I4 = np.zeros(0, np.int32)
        self._view()

    def __len__(self) -> int:
        return len(self.ids)

    def _view(self) -> None:
        v: Views = views(self._table)
        self.rows = Rows(v.i8, v.u8, v.f8, v.f4, v.u4, v.u1)
        self.undo = UndoLog(self._stamp, self._undo_rows, self._undo_lines, self._undo_count)

    def _make_undo(self, capacity: int) -> None:
        self._undo_rows = np.empty(capacity, np.int64)
        room = np.empty((capacity + 1) * IMAGE_WORDS, np.uint64)
        first = -room.ctypes.data // 8 % 8  # images begin where a cache line does
        self._undo_lines = room[first : first + capacity * IMAGE_WORDS].reshape(capacity, IMAGE_WORDS)
        self._undo_images = self._undo_lines.view(np.uint8)[:, :ROW_BYTES]

    @property
    def hashes(self) -> U8:
        """`models.identity.stable_hash` of each row's id, uint64 [at least len(self)]."""
        return self.ids.hashes

    def _grow(self, n: int) -> None:
        """Room for all ids; the first n rows are in use."""
        if len(self.ids) <= len(self._table):
            return
        capacity = max(len(self.ids), 2 * len(self._table))
        table, stamp, before = np.zeros(capacity, ROW), np.zeros(-(-capacity // 8), np.uint8), self.rows
        stamp[: len(self._stamp)] = self._stamp
        self._table, self._stamp = table, stamp
        self._view()
        self.rows.u8[:n] = before.u8[:n]  # as words: field by field takes six times as long

    def locate(self, keys: Sequence[bytes]) -> I8:
        """Row of each id, int64 [len(keys)]; makes empty rows for new ones."""
        known = len(self.ids)
        rows = self.ids.locate(keys)
        if len(self.ids) > known:
            self._grow(known)
            self.rows.u8[known : len(self.ids)] = self._empty
        return rows

    def make_room(self, rows: int) -> None:
        """Room in the undo log for `rows` more first touches."""
        needed = int(self._undo_count[0]) + rows
        if needed <= len(self._undo_rows):
            return
        n, rows_, images = int(self._undo_count[0]), self._undo_rows, self._undo_images
        self._make_undo(max(needed, 2 * len(rows_)))
        self._undo_rows[:n], self._undo_images[:n] = rows_[:n], images[:n]
        self._view()

    def touched(self) -> I8:
        """Rows changed in the open transaction, in order of first touch."""
        return self._undo_rows[: int(self._undo_count[0])]

    def touched_count(self) -> int:
        """How many rows the open transaction changed."""
        return int(self._undo_count[0])

    def forget(self) -> None:
        """The transaction is durable: drop the before-images."""
        touched = self.touched_count()
        self._stamp[self.touched() >> 3] = 0
        self._undo_count[0] = 0
        self._committed = len(self.ids)
        if len(self._undo_rows) > max(_KEPT_IMAGES, 4 * touched):
            self._make_undo(_KEPT_IMAGES)
            self._view()

    def roll_back(self) -> None:
        """The transaction is void: rows as they were, new customers gone."""
        touched = self.touched()
        self.rows.u1[touched] = self._undo_images[: len(touched)]
        self._stamp[touched >> 3] = 0
        self._undo_count[0] = 0
        self.ids.truncate(self._committed)
        if len(self._order) > self._committed:
            self._order = np.zeros(0, np.int32)

    def put(self, keys: Sequence[bytes], images: NDArray[np.uint8]) -> None:
        """Rows as read from the changelog, images [n, ROW_BYTES]; a later one of the same id wins. For restore only."""
        known = len(self.ids)
        rows = self.ids.locate(keys)
        self._grow(known)
        scatter(images.view(np.uint64), rows, self.rows.u8)
        self._committed = len(self.ids)

    def row(self, key: bytes) -> np.void | None:
        """One customer's row, or None."""
        r = int(self.ids.find([key])[0])
        return None if r < 0 else self._table[r]

    def order(self) -> I4:
        """Row indices by (hash, id): the order of sweeps, which depends on the customers alone."""
        n = len(self.ids)
        if len(self._order) != n:
            self._order = self.ranked(np.arange(n)).astype(np.int32)
        return self._order

    def ranked(self, rows: I8) -> I8:
        """These rows in the order of sweeps: their places, int64 [len(rows)]."""
        hashes = self.hashes[rows]
        places = np.argsort(hashes)
        ascending = hashes[places]
        if (ascending[1:] == ascending[:-1]).any():
            keys = self.ids.of(rows)
            places = np.array(sorted(range(len(rows)), key=lambda k: (int(hashes[k]), keys[k])), np.int64)
        return places
