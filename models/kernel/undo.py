"""Keep rows as they were at the last commit: the first touch of a row in a transaction takes its before-image."""

from __future__ import annotations

import numpy as np

from models.kernel.jit import compiled
from models.kernel.machine import put_away
from models.kernel.tables import Int, Rows, UndoLog


@compiled
def touch(rows: Rows, r: Int, undo: UndoLog) -> None:
    """To be called before any byte of row `r` changes. The undo log needs room for it."""
    place, bit = r >> 3, np.uint8(1 << (r & 7))
    if undo.stamp[place] & bit:
        return
    n = undo.used[0]
    undo.stamp[place] |= bit
    undo.rows[n] = r
    put_away(undo.images, n, rows.u8, r)
    undo.used[0] = n + 1
