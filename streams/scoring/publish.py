"""Turn decisions into records: one change event each, and the memberships of every customer that moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np

from models.engine import Decisions, Engine
from models.ids import cut
from models.kernel.tables import F8, I8, U1
from models.taxonomy import Taxonomy
from streams.broker.protocol import Record
from streams.contracts.changes import CE_TYPE, Cause
from streams.scoring.fragments import Fragments, fragments
from streams.scoring.render import record_bytes, render_changes, render_memberships

_json = msgspec.json.Encoder().encode
_AT_ONCE = 256
"""Changes rendered in one buffer."""
_ESCAPED = 6
"""An id's byte takes so many at most in JSON."""


class Rendered(NamedTuple):
    """Changes as records. `links`: what one event or one swept row moved, its changes one after another."""

    records: list[Record]
    links: list[bytes]


@dataclass(frozen=True, slots=True)
class Trigger:
    """Why decisions were made, and the source. `at`: time of the sweep, ms."""

    cause: Cause
    topic: str
    partition: int
    at: int = 0


def _bytes(text: bytes) -> U1:
    return np.frombuffer(text, np.uint8)


class Publisher:
    """Writes changes and memberships of one engine. It holds names, never state."""

    def __init__(self, engine: Engine, taxonomy: Taxonomy) -> None:
        self._engine, self._taxonomy = engine, taxonomy
        self._made_for: tuple[object, object] = (None, None)
        self._fragments: Fragments
        self._record_bytes = 0
        self._buffer = np.empty(0, np.uint8)

    def _prepare(self) -> Fragments:
        """The fragments of those who decide now."""
        engine = self._engine
        champions, program = self._made_for
        if champions is not engine.champions or program is not engine.program:
            self._fragments = fragments(engine.champions, engine.program, self._taxonomy)
            self._record_bytes = record_bytes(self._fragments)
            self._made_for = engine.champions, engine.program
        return self._fragments

    def _room(self, text: U1) -> U1:
        """The buffer, large enough for these ids on top of all else."""
        needed = _AT_ONCE * self._record_bytes + _ESCAPED * len(text)
        if len(self._buffer) < needed:
            self._buffer = np.empty(needed, np.uint8)
        return self._buffer

    def changes(self, decisions: Decisions, trigger: Trigger, offsets: I8) -> Iterator[Rendered]:
        """One record for each membership that moved. offsets [n]: of the events; for a sweep, the position after which it ran."""
        fragments, table, sweep = self._prepare(), self._engine.table, trigger.cause == "sweep"
        source = b',"source":{"topic":%b,"partition":%d,"offset":' % (_json(trigger.topic), trigger.partition)
        prefix = (
            b"s-%d-%d-" % (trigger.partition, trigger.at)
            if sweep
            else b"%b-%d-" % (trigger.cause[:1].encode(), trigger.partition)
        )
        cause = b'","cause":"%b","confidence":' % trigger.cause.encode()
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_type", CE_TYPE.encode()),
            ("ce_source", f"/shoal/{trigger.topic}/{trigger.partition}".encode()),
            ("content-type", b"application/json"),
        ]
        for part in _parts(decisions.what):
            what = decisions.what[part]
            text, starts = table.ids.gather(what[:, 1])
            out, places = self._room(text), np.empty((len(what), 4), np.int64)
            d, hashes = decisions, table.hashes[what[:, 1]]
            render_changes(
                fragments, sweep, _bytes(prefix), _bytes(cause), _bytes(source), offsets[part], text, starts, hashes, what,
                d.figures[part], d.reach[part], d.reasons[part], d.effects[part], out, places, np.full(2, -1),
            )  # fmt: skip
            data = out[: int(places[-1, 1])].tobytes()
            records: list[Record] = [
                (key, data[start:end], [*headers, ("ce_id", data[start + 7 : behind]), ("ce_time", data[moment : moment + 24])])
                for key, (start, end, behind, moment) in zip(cut(text, starts), places.tolist(), strict=True)
            ]
            firsts = np.flatnonzero(np.diff(what[:, 0], prepend=-1))
            begins, ends = places[firsts, 0].tolist(), places[np.append(firsts[1:], len(what)) - 1, 1].tolist()
            yield Rendered(records, [data[start:end] for start, end in zip(begins, ends, strict=True)])

    def memberships(self, rows: I8, scores: F8, moments: I8) -> Iterator[list[Record]]:
        """All memberships of rows [n], with churn, purchase and value, scores [n, 3], of their last changes at `moments` (ms)."""
        fragments, table = self._prepare(), self._engine.table
        for part in _parts(rows):
            text, starts = table.ids.gather(rows[part])
            out, places = self._room(text), np.empty((len(starts) - 1, 2), np.int64)
            render_memberships(
                fragments, table.rows, rows[part], moments[part], scores[part], text, starts, out, places, np.full(2, -1)
            )
            data = out[: int(places[-1, 1])].tobytes()
            yield [(key, data[start:end], None) for key, (start, end) in zip(cut(text, starts), places.tolist(), strict=True)]


def _parts(of: I8) -> list[slice]:
    """Stretches of at most _AT_ONCE changes, never cutting what one event or one row moved."""
    n = len(of)
    cuts = [0]
    while n - cuts[-1] > _AT_ONCE:
        cut = cuts[-1] + _AT_ONCE
        while of.ndim == 2 and of[cut, 0] == of[cut - 1, 0]:
            cut -= 1
        cuts.append(cut)
    return [slice(start, end) for start, end in zip(cuts, [*cuts[1:], n], strict=True)] if n else []
