"""What the kernel is handed: rows, undo, model and rules, and where its output goes, as tuples of arrays."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

I8 = NDArray[np.int64]
I4 = NDArray[np.int32]
U8 = NDArray[np.uint64]
U4 = NDArray[np.uint32]
U1 = NDArray[np.uint8]
F8 = NDArray[np.float64]
F4 = NDArray[np.float32]

Int: TypeAlias = int | np.signedinteger[Any]
"""What the kernel takes as an integer: Python's, or what numba made of one."""

CHANGE_COLUMNS = 10
REACH_COLUMNS = 5
MOST_CHANGES = 32
"""More memberships than one evaluation can move: 7, and 16 micro-segments that end or begin."""


class Rows(NamedTuple):
    """Views of one table, each with one line a row (see `models.row.Views`)."""

    i8: I8
    u8: U8
    f8: F8
    f4: F4
    u4: U4
    u1: U1


class UndoLog(NamedTuple):
    """Before-images of the rows that the open transaction touched, in the order of their first touch.

    stamp [rows / 8]: bit r % 8 of byte r / 8 is set if row r was touched; rows [capacity]: which; images [capacity, 96]: as they
    were, in whole cache lines, zeros behind; used [1]: how many.
    """

    stamp: U1
    rows: I8
    images: U8
    used: I8


class Events(NamedTuple):
    """A decoded batch, one entry an event. times: UTC ms; local: ms added for the customer's hour of day.

    category, channel: slot or 255; message: hash of the message id, 0 if none; coupon: 0 or 1.
    """

    row: I8
    times: I8
    local: I8
    behaviour: U1
    revenue: F8
    discount: F8
    category: U1
    channel: U1
    coupon: U1
    message: U8


class Model(NamedTuple):
    """The champions of one manifest, folded for speed; `ready`: churn, purchase, behaviour, value (0 or 1).

    churn, purchase [COUNT]: weights on transformed features; linear [2, 4]: bias, slope, intercept, threshold of each.
    habit_scale [H]: 1 / variance of a habit; centres [H, K]: raw (transformed) centres; middle [H]: their mean; cluster [K]: ids;
    margin [1].
    value: factor * 365 / horizon, usual order, strength, horizon / 30, mid, high.
    """

    ready: U1
    churn: F8
    purchase: F8
    linear: F8
    habit_scale: F8
    centres: F8
    middle: F8
    cluster: U1
    margin: F8
    value: F8


class Rules(NamedTuple):
    """The definitions as arrays: see `models.definitions.Program`. `model_rule` [R]: 1 churn, 2 purchase, 0 neither."""

    code: I4
    consts: F8
    rules: I4
    ranges: I4
    confirmations: I4
    affinity: F8
    priority: I4
    offers: I4
    model_rule: U1


class Changes(NamedTuple):
    """Memberships that moved, in order. `used` [1]: how many.

    what [capacity, 10]: event index (or position in the sweep's order), row, segmentation (7: micro), previous and current
    segment (0: none), start of the previous (ms), hysteresis code (+ 16: a flap), time (ms), the segment behind a primary,
    flags + 256 x the place + 1 of the offer in the definitions (0: none). figures [capacity, 1 + VARIABLES]: confidence, then x.
    reach [capacity, 5]: channel or -1, start of the usual 3-hour bin or -1, three favourite category slots or -1.
    """

    what: I8
    figures: F8
    reach: I8
    used: I8


class Scratch(NamedTuple):
    """Room the kernel works in, as it allocates nothing.

    x [VARIABLES] variables, y [COUNT] transformed features, seen [COUNT] those whose logarithms y has, stack [32] of the rules,
    distances [256] to the kinds of customers, weight, named and places [COUNT] of the reasons.
    """

    x: F8
    y: F8
    seen: F8
    stack: F8
    distances: F8
    weight: F8
    named: F8
    places: I8
