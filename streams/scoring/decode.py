"""Decode a run of records of one partition into the kernel's columns; what cannot be decoded becomes a dead letter.

One pass of compiled code takes nearly all of them (`scan`); the few that it leaves are read one by one (`exact`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from models.kernel.tables import I8, U1, Events
from models.taxonomy import Taxonomy
from streams.broker.protocol import Message
from streams.scoring.events import CALLS
from streams.scoring.exact import Bad, Exact, Refused
from streams.scoring.json_text import PADDING
from streams.scoring.scan import LEFT, TAKEN, UNNAMED, Columns, columns, found, scan
from streams.scoring.vocabulary import vocabulary


@dataclass(frozen=True, slots=True)
class Decoded:
    """The good ones of a run, as columns, and the bad ones.

    places: of the good ones in the run. keys: customer ids. Times are not yet clamped. unknown: event names not in the taxonomy.
    """

    places: I8
    keys: list[bytes]
    columns: Columns
    bad: tuple[Bad, ...]
    unknown: tuple[str, ...]

    def events(self, rows: I8, part: slice) -> Events:
        """A part of the good ones as the kernel takes them, of customers in these rows."""
        c = self.columns
        return Events(
            rows, c.times[part], c.local[part], c.behaviour[part], c.revenue[part], c.discount[part], c.category[part],
            c.channel[part], c.coupon[part], c.message[part],
        )  # fmt: skip


class Decode:
    """Decodes runs of records with one taxonomy. Limits: `max_bytes` of a value, `max_amount` of money."""

    def __init__(self, taxonomy: Taxonomy, *, max_bytes: int, max_amount: float) -> None:
        self._exact = Exact(taxonomy, max_bytes=max_bytes, max_amount=max_amount)
        self._vocabulary = vocabulary(taxonomy, CALLS)
        self._max_bytes, self._max_amount = max_bytes, max_amount

    def run(self, messages: Sequence[Message]) -> Decoded:
        """Columns of a run of records, in order."""
        values, keys = [m.value() for m in messages], [m.key() for m in messages]
        text, ends = _joined(values)
        key_text, key_ends = _joined(keys)
        c = columns(len(messages))
        left = scan(
            self._vocabulary, text, ends, key_text, key_ends, self._max_bytes, self._max_amount, found(self._vocabulary), c
        )
        unknown = [text[start:end].tobytes().decode() for start, end in c.named[c.status == UNNAMED].tolist()]
        bad: list[Bad] = []
        for place in np.flatnonzero(c.status == LEFT).tolist() if left else ():
            try:
                name = self._exact.take(keys[place], values[place], c, place)
            except Refused as refused:
                bad.append(Bad(place, refused.kind, refused.reason))
                continue
            c.status[place] = TAKEN
            if name is not None:
                unknown.append(name)
        places, known = np.arange(len(messages)), cast("list[bytes]", keys)  # without a key there is no event
        if bad:
            places = np.flatnonzero(c.status != LEFT)
            known, c = [known[place] for place in places.tolist()], Columns._make(column[places] for column in c)
        return Decoded(places, known, c, tuple(bad), tuple(unknown))


def _joined(texts: list[bytes | None]) -> tuple[U1, I8]:
    """Texts one after another, PADDING behind them, and where each ends: uint8 [.], int64 [n]."""
    some = [text or b"" for text in texts] if None in texts else cast("list[bytes]", texts)
    ends = np.cumsum(np.fromiter(map(len, some), np.int64, len(some)))
    return np.frombuffer(b"".join([*some, PADDING]), np.uint8), ends
