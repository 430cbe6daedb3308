"""Renders changes and memberships as JSON, a batch at a time, in compiled code: 1 us each, where Python takes 15."""

from __future__ import annotations

import numpy as np

from models.features import COUNT
from models.kernel import layout as row
from models.kernel.decide import FLAP, MICRO
from models.kernel.jit import compiled, flat
from models.kernel.tables import F8, I8, U1, U8, Int, Rows
from models.row import MICRO_SLOTS, SEGMENTATIONS
from streams.scoring import fragments as f
from streams.scoring.fragments import Fragments
from streams.scoring.text import put, put_hex, put_id, put_int, put_number, put_time_again

_FIXED_BYTES = 6_144
_FRAGMENTS = 40
_SCORES = 1 + COUNT
_IDS = f.IDS
_MICRO_SLOTS = MICRO_SLOTS
_PLACES = len(SEGMENTATIONS)
_FLAP = FLAP


def record_bytes(fr: Fragments) -> int:
    """More than a change, or one customer's memberships, can take apart from the id: what is fixed and the numbers, and
    some forty fragments, of which none is longer than the longest. Compiled code checks no bounds."""
    return _FIXED_BYTES + _FRAGMENTS * int(np.diff(fr.starts).max())


@flat
def _fragment(out: U1, end: Int, fr: Fragments, which: Int) -> Int:
    return put(out, end, fr.text, fr.starts[which], fr.starts[which + 1])


@flat
def _member(out: U1, end: Int, fr: Fragments, s: Int, segment: Int, since: Int, last: I8) -> Int:
    """A membership, or null."""
    if segment == 0:
        return _fragment(out, end, fr, f.NULL)
    end = _fragment(out, end, fr, fr.openings + _IDS * s + segment)
    return _fragment(out, put_time_again(out, end, since, last), fr, f.END)


@flat
def _scores(out: U1, end: Int, fr: Fragments, opening: Int, values: F8, first: Int) -> Int:
    end = put_number(out, _fragment(out, end, fr, opening), values[first])
    end = put_number(out, _fragment(out, end, fr, f.PURCHASE), values[first + 1])
    end = put_number(out, _fragment(out, end, fr, f.VALUE), values[first + 2])
    return _fragment(out, end, fr, f.BRACE)


@flat
def _reasons(out: U1, end: Int, fr: Fragments, x: F8, reasons: I8, effects: F8) -> Int:
    for k in range(reasons.shape[0]):
        j = reasons[k]
        if j < 0:
            break
        if k > 0:
            end = _fragment(out, end, fr, f.COMMA)
        end = put_number(out, _fragment(out, end, fr, fr.features + 2 * j), x[1 + j])
        end = put_number(out, _fragment(out, end, fr, fr.features + 2 * j + 1), effects[k])
        end = _fragment(out, end, fr, f.BRACE)
    return end


@flat
def _recommend(out: U1, end: Int, fr: Fragments, reach: I8, offer: Int) -> Int:
    end = _fragment(out, _fragment(out, end, fr, f.RECOMMEND), fr, fr.channels + 1 + reach[0])
    end = _fragment(out, end, fr, f.HOUR)
    end = put_int(out, end, reach[1]) if reach[1] >= 0 else _fragment(out, end, fr, f.NULL)
    end = _fragment(out, end, fr, f.CATEGORIES)
    for k in range(2, 2 + fr.favourites):
        if reach[k] >= 0:
            if k > 2:
                end = _fragment(out, end, fr, f.COMMA)
            end = _fragment(out, end, fr, fr.categories + reach[k])
    end = _fragment(out, end, fr, f.OFFER)
    end = _fragment(out, end, fr, fr.offers + offer)
    return _fragment(out, end, fr, f.ITEMS)


@flat
def _identity(
    out: U1, end: Int, fr: Fragments, sweep: bool, offset: Int, count: Int, hashed: np.uint64, s: Int, segment: Int, entered: bool
) -> Int:
    """What makes a change's id its own: offset and number, or the customer's hash and the segmentation."""
    if not sweep:
        return put_int(out, _fragment(out, put_int(out, end, offset), fr, f.DASH), count)
    end = _fragment(out, _fragment(out, put_hex(out, end, hashed), fr, f.DASH), fr, fr.names + s)
    if s == MICRO:
        end = put_int(out, _fragment(out, end, fr, f.DASH), segment)
        end = _fragment(out, end, fr, f.DASH)
        out[end] = 105 if entered else 111  # in or out
        end += 1
    return end


@compiled
def render_changes(
    fr: Fragments, sweep: bool, prefix: U1, cause: U1, source: U1, offsets: I8, ids: U1, id_starts: I8, hashes: U8, what: I8,
    figures: F8, reach: I8, reasons: I8, effects: F8, out: U1, places: I8, last: I8,
) -> None:  # fmt: skip
    """Renders each change into `out`; places [n, 4]: its start and end, the end of its id, the start of its time.

    prefix: of ids; cause: from behind the time to the confidence; source: up to the offset. offsets [n]: of the triggers.
    Customer k's id is ids[id_starts[k] : id_starts[k + 1]]. last [2]: see `put_time_again`; -1 at first.
    """
    end: Int = 0
    before, count = -1, 0
    for k in range(what.shape[0]):
        w = what[k]
        s, previous, current, t = w[2], w[3], w[4], w[7]
        count = count + 1 if w[0] == before else 0
        before = w[0]
        places[k, 0] = end
        end = put(out, _fragment(out, end, fr, f.OPEN), prefix, 0, len(prefix))
        end = _identity(out, end, fr, sweep, offsets[k], count, hashes[k], s, max(previous, current), current != 0)
        places[k, 2] = end
        end = put_id(out, _fragment(out, end, fr, f.CUSTOMER), ids, id_starts[k], id_starts[k + 1])
        end = _fragment(out, _fragment(out, end, fr, f.SEGMENTATION), fr, fr.names + s)
        end = _member(out, _fragment(out, end, fr, f.PREVIOUS), fr, s, previous, w[5], last)
        begun = t // 1000 * 1000 if s == MICRO else t
        end = _member(out, _fragment(out, end, fr, f.CURRENT), fr, s, current, begun, last)
        end = _fragment(out, end, fr, f.AT)
        places[k, 3] = end
        end = put(out, put_time_again(out, end, t, last), cause, 0, len(cause))
        end = put_number(out, end, figures[k, 0])
        end = _fragment(out, _scores(out, end, fr, f.CHURN, figures[k], _SCORES), fr, fr.before_reasons)
        end = _reasons(out, end, fr, figures[k], reasons[k], effects[k])
        end = _fragment(out, _fragment(out, end, fr, fr.hysteresis + w[6] % _FLAP), fr, fr.model)
        end = put_int(out, put(out, end, source, 0, len(source)), offsets[k])
        end = _fragment(out, _recommend(out, end, fr, reach[k], w[9] >> 8), fr, fr.flags + (w[9] & 255))
        places[k, 1] = end


@compiled
def render_memberships(
    fr: Fragments,
    rows: Rows,
    picked: I8,
    moments: I8,
    scores: F8,
    ids: U1,
    id_starts: I8,
    out: U1,
    places: I8,
    last: I8,
) -> None:
    """Renders all memberships of rows picked [n]; scores [n, 3]; places [n, 2]: start and end; last as above."""
    end: Int = 0
    for k in range(picked.shape[0]):
        r = picked[k]
        places[k, 0] = end
        end = put_id(out, _fragment(out, end, fr, f.MEMBER_OPEN), ids, id_starts[k], id_starts[k + 1])
        end = put_time_again(out, _fragment(out, end, fr, f.MEMBER_AT), moments[k], last)
        end = _fragment(out, end, fr, f.MEMBERSHIPS)
        first = True
        for s in range(_PLACES):
            segment = np.int64(rows.u1[r, row.SEGMENT + s])
            if segment:
                end = _named(out, end, fr, s, first)
                end = _member(out, end, fr, s, segment, rows.i8[r, row.SINCE + s], last)
                first = False
        end = _fragment(out, end, fr, f.MICRO_LIST)
        first = True
        for m in range(_MICRO_SLOTS):
            segment = np.int64(rows.u1[r, row.MICRO + m])
            if segment:
                if not first:
                    end = _fragment(out, end, fr, f.COMMA)
                end = _member(out, end, fr, MICRO, segment, np.int64(rows.u4[r, row.MICRO_SINCE + m]) * 1000, last)
                first = False
        end = _fragment(out, _scores(out, end, fr, f.MEMBER_SCORES, scores[k], 0), fr, f.LAST_CHANGES)
        end = _last_changes(out, end, fr, rows, r, last)
        places[k, 1] = end


@flat
def _named(out: U1, end: Int, fr: Fragments, s: Int, first: bool) -> Int:
    """A segmentation's name as a key of an object."""
    if not first:
        end = _fragment(out, end, fr, f.COMMA)
    end = _fragment(out, _fragment(out, end, fr, f.QUOTE), fr, fr.names + s)
    return _fragment(out, end, fr, f.COLON)


@flat
def _last_changes(out: U1, end: Int, fr: Fragments, rows: Rows, r: Int, last: I8) -> Int:
    """The newest change of each segmentation, and the end of the record."""
    first = True
    for s in range(_PLACES):
        if rows.u1[r, row.SEGMENT + s]:
            end = _fragment(out, _named(out, end, fr, s, first), fr, f.LAST_AT)
            end = _fragment(out, put_time_again(out, end, rows.i8[r, row.SINCE + s], last), fr, f.LAST_PREVIOUS)
            prior = np.int64(rows.u1[r, row.PRIOR + s])
            end = _fragment(out, end, fr, fr.keys + _IDS * s + prior if prior else f.NULL)
            end = _fragment(out, end, fr, f.BRACE)
            first = False
    end = _fragment(out, _fragment(out, end, fr, f.BRACE), fr, fr.model)
    return _fragment(out, end, fr, f.BRACE)
