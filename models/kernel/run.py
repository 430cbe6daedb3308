"""The two entries of the kernel: a batch of events, and a stretch of a sweep."""

from __future__ import annotations

import numpy as np

from models.kernel import layout as at
from models.kernel.apply import apply, remember, seen
from models.kernel.decide import decide
from models.kernel.features import compute
from models.kernel.jit import compiled
from models.kernel.machine import fetch
from models.kernel.score import score
from models.kernel.tables import F8, I4, I8, U1, U8, Changes, Events, Int, Model, Rows, Rules, Scratch, UndoLog
from models.kernel.tables import MOST_CHANGES as _MOST_CHANGES
from models.kernel.undo import touch
from models.row import ROW_BYTES as _ROW_BYTES

__all__ = ["APPLIED", "DUPLICATE", "LATE", "run_events", "run_sweep"]

APPLIED, DUPLICATE, LATE = 0, 1, 2
_AHEAD = 4
"""So many events ahead a row is asked for: one in memory, not in a cache, takes as long to come as one event to decide."""
_TIMES_END, _SUMS = 8 * at.SINCE, 4 * at.COUNTS
"""A sweep reads a row's bytes up to the first and from the second on, not the starts of memberships and the message ids."""


@compiled
def run_events(
    rows: Rows, undo: UndoLog, events: Events, begin: int, rules: Rules, model: Model, out: Changes, scratch: Scratch, outcome: U1
) -> int:
    """Applies and decides events [begin, n) in order; gives how far it came, as it stops when `out` is nearly full.

    outcome [n]: APPLIED, DUPLICATE (row untouched) or LATE. The undo log needs room for every row named.
    """
    room = out.what.shape[0] - _MOST_CHANGES
    for i in range(begin, events.row.shape[0]):
        if out.used[0] > room:
            return i
        r = events.row[i]
        if i + _AHEAD < len(events.row):
            fetch(rows.u1, events.row[i + _AHEAD], 0, _ROW_BYTES)
            fetch(undo.stamp, events.row[i + _AHEAD] >> 3, 0, 1)
        message = events.message[i]
        if message != 0 and seen(rows, r, message):
            outcome[i] = DUPLICATE
            continue
        touch(rows, r, undo)
        late = apply(
            rows, r, events.times[i], events.local[i], np.int64(events.behaviour[i]), events.revenue[i], events.discount[i],
            np.int64(events.category[i]), np.int64(events.channel[i]), np.int64(events.coupon[i]),
        )  # fmt: skip
        if message != 0:
            remember(rows, r, message)
        outcome[i] = LATE if late else APPLIED
        t = rows.i8[r, at.LAST]
        compute(rows, r, t, scratch.x)
        score(model, scratch.x, scratch.y, scratch.seen)
        decide(rules, model, rows, r, t, i, undo, out, scratch)
    return len(events.row)


@compiled
def run_sweep(
    rows: Rows, undo: UndoLog, order: I4, begin: int, end: int, t: Int, hashes: U8, phase: int, phases: int, one_in: int,
    rules: Rules, model: Model, out: Changes, scratch: Scratch, sampled: I8, samples: F8, budget: int,
) -> tuple[int, int]:  # fmt: skip
    """Decides rows order[begin:end] at time `t` (ms) without applying anything; gives (how far it came, samples taken).

    Stops early when `out` is nearly full or `budget` rows were touched or sampled. A row is touched only if a byte of it
    changes. Row r is sampled if hash // 256 % phases == phase and hash >> 40 % one_in == 0: its index goes to sampled, its
    features to samples [., COUNT]. order [n]: row indices by (hash, id).
    """
    room = out.what.shape[0] - _MOST_CHANGES
    taken = used = 0
    for k in range(begin, end):
        if out.used[0] > room or used >= budget:
            return k, taken
        r = order[k]
        if k + _AHEAD < end:
            following = order[k + _AHEAD]
            fetch(rows.u1, following, 0, _TIMES_END)
            fetch(rows.u1, following, _SUMS, _ROW_BYTES)
            fetch(hashes, following, 0, 8)
        at_time = max(t, rows.i8[r, at.LAST])
        compute(rows, r, at_time, scratch.x)
        score(model, scratch.x, scratch.y, scratch.seen)
        h = hashes[r]
        if (h >> np.uint64(8)) % np.uint64(phases) == np.uint64(phase) and (h >> np.uint64(40)) % np.uint64(one_in) == 0:
            sampled[taken] = r
            for j in range(samples.shape[1]):
                samples[taken, j] = scratch.x[j]
            taken += 1
            used += 1
        touched = undo.used[0]
        decide(rules, model, rows, r, at_time, k, undo, out, scratch)
        used += undo.used[0] - touched
    return end, taken
