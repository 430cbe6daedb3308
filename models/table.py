"""The customers of one partition: rows, index of ids, and the undo log of the open transaction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.ids import Ids
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
        self._empty = empty_row()
        self._table: NDArray[np.void] = np.zeros(_FIRST_CAPACITY, ROW)
        self._stamp = np.zeros(_FIRST_CAPACITY, np.uint8)
        self._undo_count = np.zeros(1, np.int64)
        self._make_undo(_FIRST_CAPACITY)
        self._order: I4 = np.zeros(0, np.int32)
        self._view()

    def __len__(self) -> int:
        return len(self.ids)

    def _view(self) -> None:
        v: Views = views(self._table)
        self.rows = Rows(v.i8, v.u8, v.f8, v.f4, v.u4, v.u1)
        self.undo = UndoLog(self._stamp, self._undo_rows, self._undo_images, self._undo_count)

    def _make_undo(self, capacity: int) -> None:
        self._undo_rows, self._undo_images = np.empty(capacity, np.int64), np.empty((capacity, ROW_BYTES), np.uint8)

    @property
    def hashes(self) -> U8:
        """`models.identity.stable_hash` of each row's id, uint64 [at least len(self)]."""
        return self.ids.hashes

    def _grow(self, n: int) -> None:
        """Room for all ids; the first n rows are in use."""
        if len(self.ids) <= len(self._table):
            return
        capacity = max(len(self.ids), 2 * len(self._table))
        table, stamp = np.zeros(capacity, ROW), np.zeros(capacity, np.uint8)
        table[:n], stamp[:n] = self._table[:n], self._stamp[:n]
        self._table, self._stamp = table, stamp
        self._view()

    def locate(self, keys: Sequence[bytes]) -> I8:
        """Row of each id, int64 [len(keys)]; makes empty rows for new ones."""
        known = len(self.ids)
        rows = self.ids.locate(keys)
        if len(self.ids) > known:
            self._grow(known)
            self._table[known : len(self.ids)] = self._empty
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
        self._stamp[self.touched()] = 0
        self._undo_count[0] = 0
        self._committed = len(self.ids)
        if len(self._undo_rows) > max(_KEPT_IMAGES, 4 * touched):
            self._make_undo(_KEPT_IMAGES)
            self._view()

    def roll_back(self) -> None:
        """The transaction is void: rows as they were, new customers gone."""
        touched = self.touched()
        self.rows.u1[touched] = self._undo_images[: len(touched)]
        self._stamp[touched] = 0
        self._undo_count[0] = 0
        self.ids.truncate(self._committed)
        if len(self._order) > self._committed:
            self._order = np.zeros(0, np.int32)

    def put(self, keys: Sequence[bytes], images: NDArray[np.uint8]) -> None:
        """Rows as read from the changelog, images [n, ROW_BYTES]; a later one of the same id wins. For restore only."""
        rows = self.locate(keys)
        self.rows.u1[rows] = images
        self._committed = len(self.ids)

    def row(self, key: bytes) -> np.void | None:
        """One customer's row, or None."""
        r = int(self.ids.find([key])[0])
        return None if r < 0 else self._table[r]

    def order(self) -> I4:
        """Row indices by (hash, id): the order of sweeps, which depends on the customers alone."""
        n = len(self.ids)
        if len(self._order) != n:
            hashes = self.hashes[:n]
            order = np.argsort(hashes, kind="stable")
            ties = np.flatnonzero(hashes[order[1:]] == hashes[order[:-1]])
            if len(ties):
                order = np.array(sorted(range(n), key=lambda r: (int(hashes[r]), self.ids[r])), np.int64)
            self._order = order.astype(np.int32)
        return self._order
