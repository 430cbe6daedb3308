"""The customers of one partition: rows, index of ids, and the undo log of the open transaction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.identity import hash_all
from models.kernel.tables import I4, I8, U1, U8, Rows, UndoLog
from models.row import ROW, ROW_BYTES, Views, empty_row, views

_FIRST_CAPACITY = 1024
_KEPT_IMAGES = 4096
"""Room for before-images that a table keeps between transactions; a large one gives its room back."""


class Table:
    """Rows by customer id. Law: apply, `roll_back`, apply = apply.

    `ids[r]` is the id of row r; rows are never moved. Memory grows by doubling; untouched pages cost nothing.
    """

    def __init__(self) -> None:
        self.ids: list[bytes] = []
        self.index: dict[bytes, int] = {}
        self._committed = 0
        self._empty = empty_row()
        self._table: NDArray[np.void] = np.zeros(_FIRST_CAPACITY, ROW)
        self.hashes: U8 = np.zeros(_FIRST_CAPACITY, np.uint64)
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

    def _grow(self, needed: int) -> None:
        capacity = len(self._table)
        if needed <= capacity:
            return
        capacity = max(needed, 2 * capacity)
        n = len(self.ids)
        for name in ("_table", "hashes", "_stamp"):
            old = getattr(self, name)
            new = np.zeros(capacity, old.dtype)
            new[:n] = old[:n]
            setattr(self, name, new)
        self._view()

    def locate(self, keys: Sequence[bytes]) -> I8:
        """Row of each id, int64 [len(keys)]; makes empty rows for new ones."""
        index = self.index
        found = [index.get(key, -1) for key in keys]
        out = np.array(found, np.int64)
        if len(found) and out.min() < 0:
            self._create(keys, np.flatnonzero(out < 0), out)
        return out

    def _create(self, keys: Sequence[bytes], missing: I8, out: I8) -> None:
        index, ids, first = self.index, self.ids, len(self.ids)
        for i in missing.tolist():
            key = keys[i]
            r = index.get(key)
            if r is None:
                r = index[key] = len(ids)
                ids.append(key)
            out[i] = r
        fresh = ids[first:]
        del ids[first:]
        self._grow(first + len(fresh))
        ids.extend(fresh)
        self._table[first : len(ids)] = self._empty
        self.hashes[first : len(ids)] = hash_all(fresh)

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

    def images(self, rows: I8) -> U1:
        """The bytes of these rows: uint8 [n, ROW_BYTES]."""
        return np.asarray(self.rows.u1[rows])

    def forget(self) -> None:
        """The transaction is durable: drop the before-images."""
        self._stamp[self.touched()] = 0
        self._undo_count[0] = 0
        self._committed = len(self.ids)
        if len(self._undo_rows) > _KEPT_IMAGES:
            self._make_undo(_KEPT_IMAGES)
            self._view()

    def roll_back(self) -> None:
        """The transaction is void: rows as they were, new customers gone."""
        touched = self.touched()
        self.rows.u1[touched] = self._undo_images[: len(touched)]
        self._stamp[touched] = 0
        self._undo_count[0] = 0
        for key in self.ids[self._committed :]:
            del self.index[key]
        del self.ids[self._committed :]
        if len(self._order) > self._committed:
            self._order = np.zeros(0, np.int32)

    def put(self, keys: Sequence[bytes], images: NDArray[np.uint8]) -> None:
        """Rows as read from the changelog, images [n, ROW_BYTES]; a later one of the same id wins. For restore only."""
        rows = self.locate(keys)
        self.rows.u1[rows] = images
        self._committed = len(self.ids)

    def row(self, key: bytes) -> np.void | None:
        """One customer's row, or None."""
        r = self.index.get(key)
        return None if r is None else self._table[r]

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
