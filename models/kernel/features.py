"""Compute the feature catalogue of one row at a time t. The order is that of `models.features.CATALOGUE`; a test holds it."""

from __future__ import annotations

import numpy as np

from models.features import COUNT, LOGGED, NEVER_DAYS
from models.kernel import layout as at
from models.kernel.jit import flat, inlined
from models.kernel.tables import F8, Int, Rows
from models.row import CATEGORY_SLOTS, NEVER, TIME_CONSTANTS

_D0, _D1, _D2 = TIME_CONSTANTS
_NEVER = np.int64(NEVER)
_DAY = float(at.DAY_MS)
_HOUR = float(at.HOUR_MS)
_COUNT = COUNT
_NEVER_DAYS = NEVER_DAYS
_LOGGED = np.array(LOGGED)
_CATEGORY_SLOTS = CATEGORY_SLOTS


@inlined
def _since(t: Int, when: Int, unit: float) -> float:
    if when == _NEVER:
        return _NEVER_DAYS * _DAY / unit
    return (t - when) / unit if t > when else 0.0


@inlined
def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0.0 else 0.0


@flat
def compute(rows: Rows, r: Int, t: Int, x: F8) -> None:
    """Fills x[:COUNT] with the features of row `r` as of `t` (ms, not before the row's last event). All finite."""
    f4, u4, i8 = rows.f4, rows.u4, rows.i8
    idle = (t - i8[r, at.LAST]) / _DAY
    g0 = g1 = g2 = 1.0
    if idle > 0.0:
        g0, g1, g2 = np.exp(-idle / _D0), np.exp(-idle / _D1), np.exp(-idle / _D2)
    all0 = all1 = all2 = 0.0
    for k in range(16):
        all0 += f4[r, at.COUNTS + k]
        all1 += f4[r, at.COUNTS + 16 + k]
        all2 += f4[r, at.COUNTS + 32 + k]
    c0, c1, c2, m = at.COUNTS, at.COUNTS + 16, at.COUNTS + 32, at.MONEY
    views0 = np.float64(f4[r, c0 + at.PAGE]) + f4[r, c0 + at.VIEW] + f4[r, c0 + at.SEARCH]
    views1 = np.float64(f4[r, c1 + at.PAGE]) + f4[r, c1 + at.VIEW] + f4[r, c1 + at.SEARCH]
    views2 = np.float64(f4[r, c2 + at.PAGE]) + f4[r, c2 + at.VIEW] + f4[r, c2 + at.SEARCH]
    adds2, orders2 = np.float64(f4[r, c2 + at.ADD]), np.float64(f4[r, c2 + at.ORDER])
    spent2, refunded2, discounted2 = np.float64(f4[r, m + 6]), np.float64(f4[r, m + 7]), np.float64(f4[r, m + 8])
    orders, order_days = np.float64(u4[r, at.ORDERS]), np.float64(u4[r, at.ORDER_DAYS])
    gap_mean, amount_mean = np.float64(f4[r, at.GAP_MEAN]), np.float64(f4[r, at.AMOUNT_MEAN])
    known, since_order = _since(t, i8[r, at.FIRST], _DAY), _since(t, i8[r, at.LAST_ORDER], _DAY)
    all_hours = all_channels = all_categories = top = 0.0
    for k in range(8):
        all_hours += f4[r, at.HOURS + k]
        all_channels += f4[r, at.CHANNELS + k]
    for k in range(_CATEGORY_SLOTS):
        w = np.float64(f4[r, at.CATEGORIES + k])
        all_categories += w
        top = max(top, w)
    h, c = at.HOURS, at.CHANNELS

    x[0] = max(idle, 0.0)
    x[1] = known
    x[2] = since_order
    x[3] = _since(t, i8[r, at.LAST_ADD], _HOUR)
    x[4] = _since(t, i8[r, at.LAST_CHECKOUT], _HOUR)
    x[5] = 1.0 if i8[r, at.LAST_ADD] > i8[r, at.LAST_ORDER] else 0.0
    x[6] = np.float64(u4[r, at.EVENTS])
    x[7] = np.float64(u4[r, at.SESSIONS])
    x[8] = orders
    x[9] = order_days
    x[10] = all0 * g0
    x[11] = all1 * g1
    x[12] = all2 * g2
    x[13] = views0 * g0
    x[14] = views1 * g1
    x[15] = (np.float64(f4[r, c1 + at.ADD]) + f4[r, c1 + at.CHECKOUT]) * g1
    x[16] = f4[r, c1 + at.ORDER] * g1
    x[17] = orders2 * g2
    x[18] = f4[r, c2 + at.REFUND] * g2
    x[19] = (np.float64(f4[r, c2 + at.EMAIL_OPEN]) + f4[r, c2 + at.EMAIL_CLICK]) * g2
    x[20] = f4[r, m + 3] * g1
    x[21] = spent2 * g2
    x[22] = rows.f8[r, at.SPENT]
    x[23] = amount_mean
    x[24] = np.sqrt(max(np.float64(f4[r, at.AMOUNT_M2]), 0.0) / orders) / amount_mean if amount_mean > 0.0 else 0.0
    x[25] = _ratio(discounted2, spent2 + discounted2)
    x[26] = min(1.0, _ratio(np.float64(f4[r, c2 + at.COUPON]), orders2))
    x[27] = min(1.0, _ratio(refunded2, spent2))
    x[28] = gap_mean
    x[29] = np.sqrt(max(np.float64(f4[r, at.GAP_M2]), 0.0) / (order_days - 1.0)) / gap_mean if gap_mean > 0.0 else 0.0
    x[30] = np.float64(f4[r, at.GAP_LAST])
    x[31] = since_order / max(gap_mean, 1.0) if order_days > 1.0 else 0.0
    x[32] = 30.0 * order_days / max(known, 30.0)
    x[33] = _ratio((all1 * g1) / _D1, (all2 * g2) / _D2)
    x[34] = _ratio(orders2, views2 + adds2 + orders2)
    x[35] = max(0.0, 1.0 - orders2 / adds2) if adds2 > 0.0 else 0.0
    x[36] = _ratio(np.float64(f4[r, h]) + f4[r, h + 1], all_hours)
    x[37] = _ratio(np.float64(f4[r, h + 6]) + f4[r, h + 7], all_hours)
    x[38] = _ratio(np.float64(f4[r, at.WEEKEND]), all_hours)
    x[39] = _ratio(np.float64(f4[r, c + 1]) + f4[r, c + 3], all_channels)
    x[40] = _ratio(np.float64(f4[r, c + 4]), all_channels)
    x[41] = _ratio(top, all_categories)


@flat
def transform_one(j: Int, x: F8, y: F8, seen: F8) -> None:
    """What models see of feature j: y = log1p(x) where the catalogue says so, else x.

    seen [COUNT]: of what y already is the logarithm, from the calls before; much is the same of one customer and the next.
    """
    if not _LOGGED[j]:
        y[j] = x[j]
    elif x[j] != seen[j]:
        seen[j] = x[j]
        y[j] = np.log1p(x[j])


@flat
def transform(x: F8, y: F8, seen: F8) -> None:
    """What models see of all features."""
    for j in range(_COUNT):
        transform_one(j, x, y, seen)
