"""Decide one customer's memberships at a time: rules, clusters, affinity, hysteresis, micro-segments, primary."""

from __future__ import annotations

import numpy as np

from models.features import COUNT
from models.kernel import layout as at
from models.kernel.jit import flat
from models.kernel.rules import evaluate
from models.kernel.score import CHURN, PURCHASE, nearest
from models.kernel.tables import I4, I8, Changes, Int, Model, Rows, Rules, Scratch, UndoLog
from models.kernel.undo import touch
from models.row import CATEGORY_SLOTS, MICRO_SLOTS, SEGMENTATIONS

BEHAVIOUR, AFFINITY, PRIMARY = (SEGMENTATIONS.index(name) for name in ("behaviour", "affinity", "primary"))
MICRO = len(SEGMENTATIONS)
HYSTERESIS = ("none", "first", "immediate", "margin", "confirmed")
FIRST, IMMEDIATE, MARGIN, CONFIRMED = 1, 2, 3, 4
FLAP = 16
_VARIABLES = COUNT + 7
_CATEGORY_SLOTS = CATEGORY_SLOTS
_MICRO_SLOTS = MICRO_SLOTS
_FLAP_MS = at.DAY_MS
_MICRO_WORD = at.MICRO // 8
assert at.MICRO % 8 == 0
assert MICRO_SLOTS == 8


@flat
def _reach(rows: Rows, r: Int, out: I8) -> None:
    out[:] = -1
    best = np.float32(0.0)
    for k in range(8):
        if rows.f4[r, at.CHANNELS + k] > best:
            best, out[0] = rows.f4[r, at.CHANNELS + k], k
    best = np.float32(0.0)
    for k in range(8):
        if rows.f4[r, at.HOURS + k] > best:
            best, out[1] = rows.f4[r, at.HOURS + k], 3 * k
    for place in range(2, 5):
        best = np.float32(0.0)
        for k in range(_CATEGORY_SLOTS - 1):
            if rows.f4[r, at.CATEGORIES + k] > best and k != out[2] and k != out[3]:
                best, out[place] = rows.f4[r, at.CATEGORIES + k], k


@flat
def _record(
    rows: Rows, out: Changes, index: Int, r: Int, segmentation: Int, previous: Int, current: Int, since: Int, how: Int, t: Int,
    sure: float, behind: Int, scratch: Scratch,
) -> None:  # fmt: skip
    n = out.used[0]
    what = out.what[n]
    what[0], what[1], what[2], what[3] = index, r, segmentation, previous
    what[4], what[5], what[6], what[7] = current, since, how, t
    what[8], what[9] = behind, np.int64(rows.u1[r, at.FLAGS])
    _reach(rows, r, out.reach[n])
    out.figures[n, 0] = sure
    for j in range(_VARIABLES):
        out.figures[n, 1 + j] = scratch.x[j]
    out.used[0] = n + 1


@flat
def _rule(rules: Rules, s: Int, present: Int, scratch: Scratch) -> int:
    """Line in rules.rules of the segment that segmentation `s` calls for, -1 if none; a held segment keeps its place."""
    start, stop = rules.ranges[s], rules.ranges[s + 1]
    held = int(start + present - 1)  # segments are counted from 1, in order
    if start <= held < stop:
        line = rules.rules[held]
        if line[4] >= 0 and evaluate(rules.code, rules.consts, line[4], line[5], scratch.x, scratch.stack) == 1.0:
            return held
    for q in range(start, stop):
        line = rules.rules[q]
        if evaluate(rules.code, rules.consts, line[2], line[3], scratch.x, scratch.stack) == 1.0:
            return q
    return -1


@flat
def _sure(rules: Rules, q: Int, scratch: Scratch) -> float:
    """Confidence of a rule: that of the model it leans on, 1 where it leans on none."""
    kind = rules.model_rule[q]
    p = scratch.x[CHURN] if kind == 1 else scratch.x[PURCHASE] if kind == 2 else 1.0
    return max(p, 1.0 - p) if p == p else 1.0


@flat
def _affinity(rules: Rules, rows: Rows, r: Int) -> tuple[Int, float]:
    """Slot + 1 of the favourite category and its share; 0 if none stands out. The last slot, other, is nobody's favourite."""
    total, best, most = 0.0, 0, 0.0
    for k in range(_CATEGORY_SLOTS):
        w = np.float64(rows.f4[r, at.CATEGORIES + k])
        total += w
        if k < _CATEGORY_SLOTS - 1 and w > most:
            best, most = k + 1, w
    if total <= 0.0 or most < rules.affinity[0] * total or most < rules.affinity[1]:
        return 0, 0.0
    return best, most / total


@flat
def _move(
    rows: Rows, r: Int, s: Int, target: Int, needed: Int, how: Int, sure: float, behind: Int, t: Int, index: Int, undo: UndoLog,
    out: Changes, scratch: Scratch,
) -> None:  # fmt: skip
    """Hysteresis of segmentation `s`; records a move. The row is touched only if a byte of it changes."""
    u1 = rows.u1
    present = np.int64(u1[r, at.SEGMENT + s])
    if target == present:
        if u1[r, at.CANDIDATE + s] or u1[r, at.CONFIRMATIONS + s]:
            touch(rows, r, undo)
            u1[r, at.CANDIDATE + s] = 0
            u1[r, at.CONFIRMATIONS + s] = 0
        return
    touch(rows, r, undo)
    if present == 0:
        how = FIRST
    elif needed > 1:
        if np.int64(u1[r, at.CANDIDATE + s]) == target:
            u1[r, at.CONFIRMATIONS + s] += np.uint8(1)
        else:
            u1[r, at.CANDIDATE + s] = np.uint8(target)
            u1[r, at.CONFIRMATIONS + s] = np.uint8(1)
        if np.int64(u1[r, at.CONFIRMATIONS + s]) < needed:
            return
        how = CONFIRMED
    since = rows.i8[r, at.SINCE + s]
    flap = present != 0 and np.int64(u1[r, at.PRIOR + s]) == target and t - since < _FLAP_MS
    _record(rows, out, index, r, s, present, target, since, how + (FLAP if flap else 0), t, sure, behind, scratch)
    u1[r, at.PRIOR + s] = np.uint8(present)
    u1[r, at.SEGMENT + s] = np.uint8(target)
    u1[r, at.CANDIDATE + s] = 0
    u1[r, at.CONFIRMATIONS + s] = 0
    rows.i8[r, at.SINCE + s] = t


@flat
def _place(rows: Rows, r: Int, segment: Int) -> int:
    """The lowest free place of a micro-segment, -1 if there is none or the customer is in that segment."""
    if rows.u8[r, _MICRO_WORD] == 0:
        return 0
    free = -1
    for k in range(_MICRO_SLOTS - 1, -1, -1):
        active = np.int64(rows.u1[r, at.MICRO + k])
        if active == segment:
            return -1
        if active == 0:
            free = k
    return free


@flat
def _micro(rules: Rules, rows: Rows, r: Int, t: Int, index: Int, undo: UndoLog, out: Changes, scratch: Scratch) -> None:
    """Ends and begins micro-segments. Those active end first; new ones take free places in the order of the definitions."""
    start, stop = rules.ranges[MICRO], rules.ranges[MICRO + 1]
    for k in range(_MICRO_SLOTS if rows.u8[r, _MICRO_WORD] != 0 else 0):
        present = np.int64(rows.u1[r, at.MICRO + k])
        if present == 0:
            continue
        stays = False
        for q in range(start, stop):
            line = rules.rules[q]
            if line[1] == present:
                a, b = (line[4], line[5]) if line[4] >= 0 else (line[2], line[3])
                stays = evaluate(rules.code, rules.consts, a, b, scratch.x, scratch.stack) == 1.0
                break
        if not stays:
            since = np.int64(rows.u4[r, at.MICRO_SINCE + k]) * 1000
            touch(rows, r, undo)
            _record(rows, out, index, r, MICRO, present, 0, since, IMMEDIATE, t, 1.0, present, scratch)
            rows.u1[r, at.MICRO + k] = 0
            rows.u4[r, at.MICRO_SINCE + k] = 0
    for q in range(start, stop):
        line = rules.rules[q]
        free = _place(rows, r, line[1])
        if free < 0 or evaluate(rules.code, rules.consts, line[2], line[3], scratch.x, scratch.stack) != 1.0:
            continue
        touch(rows, r, undo)
        _record(
            rows, out, index, r, MICRO, 0, np.int64(line[1]), 0, FIRST, t, _sure(rules, q, scratch), np.int64(line[1]), scratch
        )
        rows.u1[r, at.MICRO + free] = np.uint8(line[1])
        rows.u4[r, at.MICRO_SINCE + free] = np.uint32(t // 1000)


@flat
def _first_held(places: I4, rows: Rows, r: Int) -> tuple[Int, Int]:
    """Line + 1 of the first of these memberships that the customer holds, and its segment; (0, 0) if none."""
    for p in range(places.shape[0]):
        s, wanted = places[p, 0], places[p, 1]
        if s == MICRO:
            for k in range(_MICRO_SLOTS if rows.u8[r, _MICRO_WORD] != 0 else 0):
                held = np.int64(rows.u1[r, at.MICRO + k])
                if held != 0 and (wanted == 0 or held == wanted):
                    return p + 1, held
        elif s >= 0:
            held = np.int64(rows.u1[r, at.SEGMENT + s])
            if held != 0 and (wanted == 0 or held == wanted):
                return p + 1, held
    return 0, 0


@flat
def decide(
    rules: Rules, model: Model, rows: Rows, r: Int, t: Int, index: Int, undo: UndoLog, out: Changes, scratch: Scratch
) -> None:
    """Decides all memberships of row `r` at `t` from scratch.x and y; touches the row only if a byte of it changes."""
    before = out.used[0]
    for s in range(PRIMARY):
        present = np.int64(rows.u1[r, at.SEGMENT + s])
        needed = np.int64(rules.confirmations[s])
        if s == BEHAVIOUR:
            if model.ready[2] == 0:
                continue
            target, first, second, now = nearest(model, scratch.y, present, scratch.distances)
            if present != 0 and target != present and not first < model.margin[0] * now:
                target = present
            sure = 1.0 - first / second if 0.0 < second < np.inf else 1.0
            how = MARGIN
        elif s == AFFINITY:
            target, sure = _affinity(rules, rows, r)
            if target == 0:
                target = present  # a favourite stays until another stands out
            how = IMMEDIATE
        else:
            q = _rule(rules, s, present, scratch)
            if q < 0:
                target, sure = present, 1.0
            else:
                target, sure = np.int64(rules.rules[q, 1]), _sure(rules, q, scratch)
                needed = np.int64(rules.rules[q, 6])
            how = IMMEDIATE
        _move(rows, r, s, target, needed, how, sure, target, t, index, undo, out, scratch)
    _micro(rules, rows, r, t, index, undo, out, scratch)
    target, behind = _first_held(rules.priority, rows, r)
    if target == 0:
        target = np.int64(rows.u1[r, at.SEGMENT + PRIMARY])
    _move(rows, r, PRIMARY, target, 1, IMMEDIATE, 1.0, behind, t, index, undo, out, scratch)
    if out.used[0] > before:
        offer, _ = _first_held(rules.offers, rows, r)
        for n in range(before, out.used[0]):
            out.what[n, 9] += 256 * offer
