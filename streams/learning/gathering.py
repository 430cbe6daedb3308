"""Gather the samples of an epoch from all partitions, up to their marks; count, and refuse what came twice or in part."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from models.errors import UNREADABLE, SequenceError
from models.learning.batch import Matured, Record
from streams.contracts.samples import Mark, Sample

AHEAD = 4
"""A partition with so many epochs waiting is not read on until the others have come near."""

_decode = msgspec.json.Decoder(Sample | Mark).decode
_UNREADABLE = Record("", 0, [], None)


@dataclass(frozen=True, slots=True)
class Section:
    """A partition's part of an epoch, closed by its mark. `next_offset`: behind the mark."""

    epoch: int
    records: Sequence[Record]
    customers: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class Epoch:
    """What the learner takes at once. `offsets`, `marks` by partition, as of its end; `absent`: gone on without."""

    epoch: int
    records: Sequence[Record]
    customers: int
    offsets: Sequence[int]
    marks: Sequence[int]
    absent: Sequence[int]


@dataclass(slots=True)
class Partition:
    """Where one partition stands. `position`: next offset expected; `taken`: offset up to which it has been learnt.

    `mark`: last epoch marked; `lost`: the log begins behind what was learnt, so what comes before the next mark is in part.
    """

    position: int
    taken: int
    mark: int
    customers: int = 0
    lost: bool = False
    open: list[Record] = field(default_factory=list)
    closed: deque[Section] = field(default_factory=deque)


class Gathering:
    """Feeds on records of `samples`; `take` gives the next epoch when all partitions have marked it.

    Holds what is between the last epoch taken and the newest mark: at most AHEAD + 1 epochs of a partition.
    """

    def __init__(self, offsets: Sequence[int], marks: Sequence[int], epoch: int) -> None:
        self.partitions = [Partition(o, o, m) for o, m in zip(offsets, marks, strict=True)]
        self.epoch = epoch
        self.late = 0
        """Samples that came after the learner had gone on without their partition."""

    def feed(self, partition: int, offset: int, value: bytes | None) -> None:
        """One record. Behind the position: skipped, for it was delivered again. Raises SequenceError at a wrong mark."""
        p = self.partitions[partition]
        if offset < p.position:
            return
        p.position = offset + 1
        try:
            item = _decode(value or b"")
        except UNREADABLE:
            p.open.append(_UNREADABLE)
            return
        if isinstance(item, Sample):
            label = item.label
            outcome = None if label is None else Matured(label.events, label.orders, label.spent)
            p.open.append(Record(item.customer_id, item.t0, item.features, outcome))
        else:
            self._mark(partition, p, offset, item)

    def _mark(self, partition: int, p: Partition, offset: int, mark: Mark) -> None:
        where = f"samples partition {partition}, offset {offset}"
        last = p.closed[-1].epoch if p.closed else p.mark
        if mark.epoch <= last:
            raise SequenceError(
                f"{where}: a second mark for epoch {mark.epoch} (the last was {last}). Two workers have written this "
                "partition, or it is not read read_committed; look for workers with another --prefix or group, then restart"
            )
        records, p.open = p.open, []
        lost, p.lost = p.lost, False
        if not lost and mark.samples != len(records):
            raise SequenceError(
                f"{where}: the mark of epoch {mark.epoch} counts {mark.samples} samples, {len(records)} came before it. "
                "Records are missing, doubled, or of an aborted transaction; nothing was learnt from this epoch. "
                "Run `shoal doctor`; on a broker that keeps transactions apart a restart reads them again"
            )
        if lost or mark.epoch <= self.epoch:
            self.late += len(records)
            p.mark, p.taken, p.customers = mark.epoch, p.position, mark.customers
            return
        p.closed.append(Section(mark.epoch, records, mark.customers, p.position))

    def missing(self) -> list[int]:
        """Partitions whose next mark is not there yet."""
        return [i for i, p in enumerate(self.partitions) if not p.closed]

    def waiting(self) -> bool:
        """Whether some partition has marked an epoch and another has not."""
        return any(p.closed for p in self.partitions)

    def crowded(self) -> set[int]:
        """Partitions that are far ahead of the others, and not to be read on for now."""
        return {i for i, p in enumerate(self.partitions) if len(p.closed) >= AHEAD}

    def take(self, without: Sequence[int] = ()) -> Epoch | None:
        """The next epoch, once every partition but those in `without` has a mark for it or for a later one."""
        there = [p.closed[0].epoch for p in self.partitions if p.closed]
        if not there or any(i not in without for i in self.missing()):
            return None
        epoch = min(there)
        records: list[Record] = []
        for p in self.partitions:
            if p.closed and p.closed[0].epoch == epoch:
                section = p.closed.popleft()
                records.extend(section.records)
                p.mark, p.taken, p.customers = epoch, section.next_offset, section.customers
        self.epoch = epoch
        return Epoch(
            epoch,
            records,
            sum(p.customers for p in self.partitions),
            [p.taken for p in self.partitions],
            [p.mark for p in self.partitions],
            [i for i in without if not self.partitions[i].closed and self.partitions[i].mark != epoch],
        )
