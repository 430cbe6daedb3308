"""Turn decisions into records: one change event each, and the memberships of every customer that moved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from models.definitions.program import Program
from models.engine import Decisions, Engine
from models.features import CATALOGUE, COUNT
from models.kernel import layout as at
from models.kernel.decide import FLAP, HYSTERESIS, MICRO
from models.row import CHANNELS, FLAG_CONSENT, FLAG_HOLDOUT, MICRO_SLOTS, SEGMENTATIONS
from models.taxonomy import Taxonomy
from streams.broker.protocol import Headers
from streams.contracts.changes import (
    CE_TYPE,
    Cause,
    Change,
    CustomerSegments,
    LastChange,
    Membership,
    Reason,
    Recommend,
    Scores,
    Source,
)
from streams.scoring.times import rfc3339

SEGMENTATION_NAMES = (*SEGMENTATIONS, "micro")
_BEHAVIOUR, _AFFINITY, _OFFER = (SEGMENTATIONS.index(name) for name in ("behaviour", "affinity", "offer"))
_NAMES = tuple(feature.name for feature in CATALOGUE)
_LABELS = tuple(feature.label for feature in CATALOGUE)


@dataclass(frozen=True, slots=True)
class Record:
    """Something to be written to a topic."""

    key: bytes
    value: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class Trigger:
    """Why decisions were made: prefix of the change id, and the source. For a sweep `offset` is the position after which it ran."""

    cause: Cause
    topic: str
    partition: int
    at: int = 0
    offset: int = 0


class Publisher:
    """Writes changes and memberships of one engine. It holds names, never state."""

    def __init__(self, engine: Engine, taxonomy: Taxonomy) -> None:
        self._engine = engine
        self._categories = taxonomy.categories
        self._encode = msgspec.json.Encoder().encode
        self._ready_for: tuple[object, object] = (None, None)

    def _prepare(self) -> None:
        """What stays the same while the same champions and definitions decide."""
        engine = self._engine
        champions, program = self._ready_for
        if champions is engine.champions and program is engine.program:
            return
        champions = engine.champions
        self._usual = [None if m != m else _short(m) for m in champions.median.tolist()]
        churn, purchase, high = champions.thresholds
        self._thresholds = Scores(_number(churn), _number(purchase), _number(high))
        self._model: dict[str, int] | None = {str(family): version for family, version in champions.versions.items()} or None
        self._definitions = engine.program.hash[:12]
        self._names = [self._segments_of(s, engine.program) for s in range(len(SEGMENTATION_NAMES))]
        self._ready_for = (champions, engine.program)

    def _segments_of(self, s: int, program: Program) -> list[tuple[str, str]]:
        """Key and name by segment id of a segmentation; ids are at most 255."""
        if s == _BEHAVIOUR:
            names = self._engine.champions.cluster_names
            return [(f"kind-{i}", names.get(i, f"Kind {i}")) for i in range(256)]
        if s == _AFFINITY:
            return [("", ""), *((f"loves:{c}", program.definitions.affinity.name.format(category=c)) for c in self._categories)]
        keys, names_ = program.keys[s], program.names[s]
        return [(key, name or key) for key, name in zip(keys, names_, strict=True)]

    def _membership(self, s: int, segment: int, since: int) -> Membership | None:
        if segment == 0:
            return None
        key, name = self._names[s][segment]
        return Membership(key, name, rfc3339(since))

    def changes(self, decisions: Decisions, trigger: Trigger, offset_of: Callable[[int], int]) -> list[Record]:
        """One record for each membership that moved. `offset_of` an event's index (unused for a sweep)."""
        self._prepare()
        ids, hashes = self._engine.table.ids, self._engine.table.hashes
        records, number, before = [], 0, -1
        rows = zip(
            decisions.what.tolist(), decisions.figures[:, 0].tolist(), decisions.figures[:, 1:], decisions.reach.tolist(),
            decisions.reasons.tolist(), decisions.effects.tolist(), strict=True,
        )  # fmt: skip
        for what, sure, x, reach, reasons, effects in rows:
            index, r, s, previous, current, since, how, t, _, marks = what
            if index != before:
                number, before = 0, index
            segmentation = SEGMENTATION_NAMES[s]
            if trigger.cause == "sweep":
                offset = trigger.offset
                identity = f"s-{trigger.partition}-{trigger.at}-{int(hashes[r]):016x}-{segmentation}"
                if s == MICRO:
                    identity += f"-{self._names[s][current or previous][0]}-{'in' if current else 'out'}"
            else:
                offset = offset_of(index)
                identity = f"{trigger.cause[0]}-{trigger.partition}-{offset}-{number}"
            number += 1
            moment = rfc3339(t)
            customer = ids[r]
            body = Change(
                id=identity,
                customer_id=customer.decode("utf-8", "surrogatepass"),
                segmentation=segmentation,
                previous=self._membership(s, previous, since),
                current=self._membership(s, current, t // 1000 * 1000 if s == MICRO else t),
                at=moment,
                cause=trigger.cause,
                confidence=_short(sure),
                scores=Scores(*(_number(v) for v in x[COUNT : COUNT + 3].tolist())),
                thresholds=self._thresholds,
                reasons=[
                    Reason(_NAMES[j], _LABELS[j], _short(float(x[j])), self._usual[j], _short(e))
                    for j, e in zip(reasons, effects, strict=True)
                    if j >= 0
                ],
                hysteresis=HYSTERESIS[how & ~FLAP],
                model=self._model,
                definitions=self._definitions,
                source=Source(trigger.topic, trigger.partition, offset),
                recommend=self._recommend(reach, marks >> 8),
                holdout=bool(marks & FLAG_HOLDOUT),
                consent=bool(marks & FLAG_CONSENT),
            )
            headers = [
                ("ce_specversion", b"1.0"),
                ("ce_type", CE_TYPE.encode()),
                ("ce_source", f"/shoal/{trigger.topic}/{trigger.partition}".encode()),
                ("ce_id", identity.encode()),
                ("ce_time", moment.encode()),
                ("content-type", b"application/json"),
            ]
            records.append(Record(customer, self._encode(body), headers))
        return records

    def _recommend(self, reach: list[int], offer: int) -> Recommend:
        channel, hour, *categories = reach
        return Recommend(
            channel=CHANNELS[channel] if channel >= 0 else None,
            hour=hour if hour >= 0 else None,
            categories=[self._categories[c] for c in categories if 0 <= c < len(self._categories)],
            offer=self._names[_OFFER][offer][0] if offer else None,
        )

    def memberships(self, r: int, x: Sequence[float], moment: int) -> Record:
        """All memberships of row `r`, with the scores of its last change at `moment` (ms); x: the variables of then."""
        self._prepare()
        rows, customer = self._engine.table.rows, self._engine.table.ids[r]
        held, last = {}, {}
        for s, name in enumerate(SEGMENTATIONS):
            segment = int(rows.u1[r, at.SEGMENT + s])
            membership = self._membership(s, segment, int(rows.i8[r, at.SINCE + s]))
            if membership is not None:
                held[name] = membership
                prior = int(rows.u1[r, at.PRIOR + s])
                last[name] = LastChange(membership.since, self._names[s][prior][0] if prior else None)
        micro = [
            self._membership(MICRO, int(rows.u1[r, at.MICRO + k]), int(rows.u4[r, at.MICRO_SINCE + k]) * 1000)
            for k in range(MICRO_SLOTS)
        ]
        body = CustomerSegments(
            customer_id=customer.decode("utf-8", "surrogatepass"),
            at=rfc3339(moment),
            memberships=held,
            micro=[m for m in micro if m is not None],
            scores=Scores(*(_number(v) for v in x[COUNT : COUNT + 3])),
            last_changes=last,
            model=self._model,
            definitions=self._definitions,
        )
        return Record(customer, self._encode(body), ())


def _short(value: float) -> float:
    """Six significant digits are evidence enough."""
    return float(f"{value:.6g}")


def _number(value: float | None) -> float | None:
    return None if value is None or value != value else _short(value)
