"""Apply one event to one row: decay, count, money, rhythm, habits. All sums in float64, stored as float32."""

from __future__ import annotations

import numpy as np

from models.kernel import layout as at
from models.kernel.jit import flat, inlined
from models.kernel.tables import Int, Rows
from models.row import CATEGORY_SLOTS, CHANNELS, HOUR_BINS, MESSAGE_IDS, NEVER, TIME_CONSTANTS

_D0, _D1, _D2 = TIME_CONSTANTS
_NEVER = np.int64(NEVER)
_IDS = MESSAGE_IDS
_HABITS_END = at.HOURS + HOUR_BINS + len(CHANNELS) + 1
_CATEGORY_SLOTS = CATEGORY_SLOTS
_LONGEST = at.COUNTS + 32
_MONEY_LONGEST = at.MONEY + 6


@inlined
def seen(rows: Rows, r: Int, message: np.uint64) -> bool:
    """Whether `message` is among the row's last ids."""
    for k in range(_IDS):
        if rows.u8[r, at.MESSAGE_IDS + k] == message:
            return True
    return False


@inlined
def remember(rows: Rows, r: Int, message: np.uint64) -> None:
    """Puts `message` into the ring of the last ids."""
    head = rows.u1[r, at.MESSAGE_HEAD]
    rows.u8[r, at.MESSAGE_IDS + head] = message
    rows.u1[r, at.MESSAGE_HEAD] = np.uint8((head + 1) % _IDS)


@flat
def decay(rows: Rows, r: Int, days: float) -> None:
    """Brings all decayed sums of a row `days` forward."""
    f4 = rows.f4
    g0, g1, g2 = np.exp(-days / _D0), np.exp(-days / _D1), np.exp(-days / _D2)
    for k in range(at.COUNTS, at.COUNTS + 16):
        f4[r, k] = np.float32(f4[r, k] * g0)
    for k in range(at.COUNTS + 16, at.COUNTS + 32):
        f4[r, k] = np.float32(f4[r, k] * g1)
    for k in range(at.COUNTS + 32, at.COUNTS + 48):
        f4[r, k] = np.float32(f4[r, k] * g2)
    for k in range(3):
        f4[r, at.MONEY + k] = np.float32(f4[r, at.MONEY + k] * g0)
        f4[r, at.MONEY + 3 + k] = np.float32(f4[r, at.MONEY + 3 + k] * g1)
        f4[r, at.MONEY + 6 + k] = np.float32(f4[r, at.MONEY + 6 + k] * g2)
    for k in range(at.CATEGORIES, _HABITS_END):
        f4[r, k] = np.float32(f4[r, k] * g2)


@flat
def _add_money(rows: Rows, r: Int, kind: Int, amount: float, w0: float, w1: float, w2: float) -> None:
    f4, k = rows.f4, at.MONEY + kind
    f4[r, k] = np.float32(f4[r, k] + amount * w0)
    f4[r, k + 3] = np.float32(f4[r, k + 3] + amount * w1)
    f4[r, k + 6] = np.float32(f4[r, k + 6] + amount * w2)


@flat
def _count(rows: Rows, r: Int, behaviour: Int, w0: float, w1: float, w2: float) -> None:
    f4, k = rows.f4, at.COUNTS + behaviour
    f4[r, k] = np.float32(f4[r, k] + w0)
    f4[r, k + 16] = np.float32(f4[r, k + 16] + w1)
    f4[r, k + 32] = np.float32(f4[r, k + 32] + w2)


@flat
def _order(rows: Rows, r: Int, t: Int, revenue: float, late: bool) -> None:
    """An order's money and rhythm. Gaps are whole days between order days (Welford's running mean and m2)."""
    f4, u4, i8 = rows.f4, rows.u4, rows.i8
    u4[r, at.ORDERS] += np.uint32(1)
    rows.f8[r, at.SPENT] += revenue
    n = np.float64(u4[r, at.ORDERS])
    mean = np.float64(f4[r, at.AMOUNT_MEAN])
    step = revenue - mean
    mean += step / n
    f4[r, at.AMOUNT_MEAN] = np.float32(mean)
    f4[r, at.AMOUNT_M2] = np.float32(f4[r, at.AMOUNT_M2] + step * (revenue - mean))
    last = i8[r, at.LAST_ORDER]
    if last == _NEVER:
        i8[r, at.FIRST_ORDER] = t
        i8[r, at.LAST_ORDER] = t
        u4[r, at.ORDER_DAYS] = np.uint32(1)
        return
    if late and t < last:
        i8[r, at.FIRST_ORDER] = min(i8[r, at.FIRST_ORDER], t)
        return
    gap = np.float64(t // at.DAY_MS - last // at.DAY_MS)
    i8[r, at.LAST_ORDER] = t
    if gap > 0.0:
        gaps = np.float64(u4[r, at.ORDER_DAYS])
        u4[r, at.ORDER_DAYS] += np.uint32(1)
        mean = np.float64(f4[r, at.GAP_MEAN])
        step = gap - mean
        mean += step / gaps
        f4[r, at.GAP_MEAN] = np.float32(mean)
        f4[r, at.GAP_M2] = np.float32(f4[r, at.GAP_M2] + step * (gap - mean))
        f4[r, at.GAP_LAST] = np.float32(gap)


@flat
def apply(
    rows: Rows,
    r: Int,
    t: Int,
    local: Int,
    behaviour: Int,
    revenue: float,
    discount: float,
    category: Int,
    channel: Int,
    coupon: Int,
) -> bool:
    """Applies an event at `t` (ms) to row `r`; gives whether it came late.

    A late event counts with the weight it would have by now, and leaves what depends on order alone. `local`: ms from UTC
    to the customer's own time. category, channel: slot or 255.
    """
    f4, u4, i8 = rows.f4, rows.u4, rows.i8
    last = i8[r, at.LAST]
    w0 = w1 = w2 = 1.0
    late = False
    if last == _NEVER:
        i8[r, at.FIRST] = t
        i8[r, at.LAST] = t
        u4[r, at.SESSIONS] = np.uint32(1)
    elif t >= last:
        if t > last:
            decay(rows, r, (t - last) / np.float64(at.DAY_MS))
            if t - last > at.SESSION_MS:
                u4[r, at.SESSIONS] += np.uint32(1)
            i8[r, at.LAST] = t
    else:
        late = True
        days = (last - t) / np.float64(at.DAY_MS)
        w0, w1, w2 = np.exp(-days / _D0), np.exp(-days / _D1), np.exp(-days / _D2)
        i8[r, at.FIRST] = min(i8[r, at.FIRST], t)
    u4[r, at.EVENTS] += np.uint32(1)
    _count(rows, r, behaviour, w0, w1, w2)
    if behaviour == at.ORDER:
        _order(rows, r, t, revenue, late)
        _add_money(rows, r, 0, revenue, w0, w1, w2)
        if discount > 0.0:
            _add_money(rows, r, 2, discount, w0, w1, w2)
        if coupon:
            _count(rows, r, at.COUPON, w0, w1, w2)
    elif behaviour == at.REFUND:
        _add_money(rows, r, 1, revenue, w0, w1, w2)
    elif behaviour == at.ADD:
        i8[r, at.LAST_ADD] = max(i8[r, at.LAST_ADD], t)
    elif behaviour == at.CHECKOUT:
        i8[r, at.LAST_CHECKOUT] = max(i8[r, at.LAST_CHECKOUT], t)
    if category < _CATEGORY_SLOTS:
        k = at.CATEGORIES + category
        f4[r, k] = np.float32(f4[r, k] + w2)
    if channel < 8:
        k = at.CHANNELS + channel
        f4[r, k] = np.float32(f4[r, k] + w2)
    there = t + local
    k = at.HOURS + (there % at.DAY_MS) // (3 * at.HOUR_MS)
    f4[r, k] = np.float32(f4[r, k] + w2)
    if (there // at.DAY_MS + 3) % 7 >= 5:  # 1970-01-01 was a Thursday; 0 is Monday
        f4[r, at.WEEKEND] = np.float32(f4[r, at.WEEKEND] + w2)
    return late
