"""The two entries of the kernel: a batch of events, and a stretch of a sweep."""

from __future__ import annotations

import numpy as np

from models.kernel import layout as at
from models.kernel.apply import apply, remember, seen
from models.kernel.decide import decide
from models.kernel.features import compute, transform
from models.kernel.jit import compiled
from models.kernel.machine import fetch
from models.kernel.score import score
from models.kernel.tables import F8, I4, I8, U1, U8, Changes, Events, Int, Model, Rows, Rules, Scratch, UndoLog
from models.kernel.tables import MOST_CHANGES as _MOST_CHANGES
from models.row import ROW_BYTES as _ROW_BYTES

APPLIED, DUPLICATE, LATE = 0, 1, 2
_AHEAD = 4
"""So many events ahead a row is asked for: one in memory, not in a cache, takes as long to come as one event to decide."""


@compiled
def touch(rows: Rows, r: Int, undo: UndoLog) -> None:
    """Keeps the before-image of a row at its first touch in the open transaction."""
    if undo.stamp[r]:
        return
    n = undo.used[0]
    undo.stamp[r] = 1
    undo.rows[n] = r
    for k in range(_ROW_BYTES):
        undo.images[n, k] = rows.u1[r, k]
    undo.used[0] = n + 1


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
            fetch(rows.u1, events.row[i + _AHEAD])
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
        transform(scratch.x, scratch.y)
        score(model, scratch.x, scratch.y)
        decide(rules, model, rows, r, t, i, out, scratch)
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
    taken = 0
    image = scratch.image
    used = 0
    for k in range(begin, end):
        if out.used[0] > room or used >= budget:
            return k, taken
        r = order[k]
        at_time = max(t, rows.i8[r, at.LAST])
        compute(rows, r, at_time, scratch.x)
        transform(scratch.x, scratch.y)
        score(model, scratch.x, scratch.y)
        h = hashes[r]
        if (h >> np.uint64(8)) % np.uint64(phases) == np.uint64(phase) and (h >> np.uint64(40)) % np.uint64(one_in) == 0:
            sampled[taken] = r
            for j in range(samples.shape[1]):
                samples[taken, j] = scratch.x[j]
            taken += 1
            used += 1
        if undo.stamp[r]:
            decide(rules, model, rows, r, at_time, k, out, scratch)
            continue
        for j in range(_ROW_BYTES):
            image[j] = rows.u1[r, j]
        if decide(rules, model, rows, r, at_time, k, out, scratch):
            n = undo.used[0]
            undo.stamp[r] = 1
            undo.rows[n] = r
            for j in range(_ROW_BYTES):
                undo.images[n, j] = image[j]
            undo.used[0] = n + 1
            used += 1
    return end, taken
