"""Turn decisions into records: one change event each, and the memberships of every customer that moved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from models.engine import Decisions, Engine
from models.features import COUNT
from models.kernel import layout as at
from models.kernel.decide import FLAP, HYSTERESIS, MICRO
from models.kernel.tables import I8
from models.row import CHANNELS, FLAG_CONSENT, FLAG_HOLDOUT, MICRO_SLOTS, SEGMENTATIONS
from models.taxonomy import Taxonomy
from streams.broker.protocol import Headers
from streams.contracts.changes import CE_TYPE, Cause
from streams.scoring.fragments import SEGMENTATION_NAMES, Fragments, number, scores

_OFFER = SEGMENTATIONS.index("offer")
_json = msgspec.json.Encoder().encode
_PLACES = tuple(enumerate(SEGMENTATIONS))
_MEMBER = tuple(b',"%b":' % name.encode() for name in SEGMENTATIONS)
_FLAGS = tuple(
    b',"holdout":%b,"consent":%b}'
    % (b"true" if flags & FLAG_HOLDOUT else b"false", b"true" if flags & FLAG_CONSENT else b"false")
    for flags in range(256)
)
_HYSTERESIS = tuple(b'],"hysteresis":"%b"' % name.encode() for name in HYSTERESIS)


@dataclass(frozen=True, slots=True)
class Record:
    """Something to be written to a topic."""

    key: bytes
    value: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class Trigger:
    """Why decisions were made, and the source. For a sweep `offset` is the position after which it ran."""

    cause: Cause
    topic: str
    partition: int
    at: int = 0
    offset: int = 0


def stamps(times: I8) -> list[bytes]:
    """Milliseconds since 1970 [n] as RFC 3339, 2024-03-01T12:00:00.123Z."""
    text = np.datetime_as_string(times.astype("datetime64[ms]"), unit="ms").astype("S23")
    return [stamp + b"Z" for stamp in text.tolist()]


class Publisher:
    """Writes changes and memberships of one engine. It holds names, never state."""

    def __init__(self, engine: Engine, taxonomy: Taxonomy) -> None:
        self._engine, self._taxonomy = engine, taxonomy
        self._made_for: tuple[object, object] = (None, None)
        self._fragments: Fragments
        self._reaches: dict[tuple[int, ...], bytes] = {}

    def _prepare(self) -> Fragments:
        engine = self._engine
        champions, program = self._made_for
        if champions is not engine.champions or program is not engine.program:
            self._fragments = Fragments(engine.champions, engine.program, self._taxonomy)
            self._reaches.clear()
            self._made_for = engine.champions, engine.program
        return self._fragments

    def changes(self, decisions: Decisions, trigger: Trigger, offset_of: Callable[[int], int]) -> list[Record]:
        """One record for each membership that moved. `offset_of` an event's index (unused for a sweep)."""
        fragments = self._prepare()
        ids, what = self._engine.table.ids, decisions.what
        sweep = trigger.cause == "sweep"
        hashes = self._engine.table.hashes[what[:, 1]].tolist()
        moments = stamps(what[:, 7])
        starts = stamps(np.where(what[:, 3] > 0, what[:, 5], 0))
        begun = stamps(np.where(what[:, 2] == MICRO, what[:, 7] // 1000 * 1000, what[:, 7]))
        values = np.take_along_axis(decisions.figures[:, 1:], np.maximum(decisions.reasons, 0), axis=1).tolist()
        source = b',"source":{"topic":%b,"partition":%d,"offset":' % (_json(trigger.topic), trigger.partition)
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_type", CE_TYPE.encode()),
            ("ce_source", f"/shoal/{trigger.topic}/{trigger.partition}".encode()),
            ("content-type", b"application/json"),
        ]
        cause = b'","cause":"%b","confidence":' % trigger.cause.encode()
        head, tail = b"%b-%d-" % (trigger.cause[:1].encode(), trigger.partition), b"%d" % trigger.offset
        records, count, before = [], 0, -1
        for k, (columns, sure, score, reach, reasons, effects) in enumerate(
            zip(
                what.tolist(), decisions.figures[:, 0].tolist(), decisions.figures[:, 1 + COUNT : 4 + COUNT].tolist(),
                decisions.reach.tolist(), decisions.reasons.tolist(), decisions.effects.tolist(), strict=True,
            )
        ):  # fmt: skip
            index, r, s, previous, current, _, how, _, _, marks = columns
            if sweep:
                offset = tail
                identity = b"%b%d-%016x-%b" % (head, trigger.at, hashes[k], SEGMENTATION_NAMES[s].encode())
                if s == MICRO:
                    identity += b"-%b-%b" % (fragments.key(s, current or previous).encode(), b"in" if current else b"out")
            else:
                if index != before:
                    before, count, offset = index, 0, b"%d" % offset_of(index)
                identity = b"%b%b-%d" % (head, offset, count)
                count += 1
            first, between, behind = fragments.move(s, previous, current)
            why = [
                opening + number(value) + middle + number(effect) + b"}"
                for j, value, effect in zip(reasons, values[k], effects, strict=True)
                if j >= 0
                for opening, middle in (fragments.reasons[j],)
            ]
            moment = moments[k]
            body = b"".join(
                (
                    b'{"id":"', identity, b'","customer_id":', _json(ids[r].decode("utf-8", "surrogatepass")),
                    first, starts[k] if previous else b"", between, begun[k] if current else b"", behind, moment,
                    cause, number(sure), b',"scores":', scores(*score), fragments.before_reasons, b",".join(why),
                    _HYSTERESIS[how & ~FLAP], fragments.model, source, offset, b'},"recommend":',
                    self._reach(reach, marks >> 8), _FLAGS[marks & 255],
                )
            )  # fmt: skip
            records.append(Record(ids[r], body, [*headers, ("ce_id", identity), ("ce_time", moment)]))
        return records

    def _reach(self, reach: list[int], offer: int) -> bytes:
        """How to reach the customer, as a `Recommend` object."""
        place = (*reach, offer)
        found = self._reaches.get(place)
        if found is None:
            channel, hour, *categories = reach
            known = self._taxonomy.categories
            found = self._reaches[place] = _json(
                {
                    "channel": CHANNELS[channel] if channel >= 0 else None,
                    "hour": hour if hour >= 0 else None,
                    "categories": [known[c] for c in categories if 0 <= c < len(known)],
                    "offer": self._fragments.key(_OFFER, offer) if offer else None,
                    "items": [],
                }
            )
        return found

    def memberships(self, rows: Sequence[int], variables: Sequence[Sequence[float]], moments: I8) -> list[Record]:
        """All memberships of these rows, with the scores of their last changes at `moments` (ms) [n].

        variables: churn, purchase and value of then, for each row.
        """
        fragments = self._prepare()
        table, picked = self._engine.table, np.array(rows, np.int64)
        u1 = table.rows.u1[picked]
        segments, priors = u1[:, at.SEGMENT : at.SEGMENT + 7].tolist(), u1[:, at.PRIOR : at.PRIOR + 7].tolist()
        micros = u1[:, at.MICRO : at.MICRO + MICRO_SLOTS]
        since = table.rows.i8[picked, at.SINCE : at.SINCE + 7]
        starts, written = stamps(since.ravel()), stamps(moments)
        records = []
        for k, r in enumerate(rows):
            held, last = [], []
            for s, _ in _PLACES:
                segment = segments[k][s]
                if segment:
                    start, prior = starts[7 * k + s], priors[k][s]
                    held.append(_MEMBER[s] + fragments.member(s, segment) + start + b'"}')
                    was = _json(fragments.key(s, prior)) if prior else b"null"
                    last.append(_MEMBER[s] + b'{"at":"' + start + b'","previous":' + was + b"}")
            micro = self._micro(r, micros[k].tolist()) if micros[k].any() else b""
            body = b"".join(
                (
                    b'{"customer_id":', _json(table.ids[r].decode("utf-8", "surrogatepass")), b',"at":"', written[k],
                    b'","memberships":{', b"".join(held)[1:], b'},"micro":[', micro, b'],"scores":', scores(*variables[k]),
                    b',"last_changes":{', b"".join(last)[1:], b"}", fragments.model, b"}",
                )
            )  # fmt: skip
            records.append(Record(table.ids[r], body, ()))
        return records

    def _micro(self, r: int, active: list[int]) -> bytes:
        since = self._engine.table.rows.u4[r, at.MICRO_SINCE : at.MICRO_SINCE + MICRO_SLOTS].astype(np.int64) * 1000
        return b",".join(
            self._fragments.member(MICRO, segment) + start + b'"}'
            for segment, start in zip(active, stamps(since), strict=True)
            if segment
        )
