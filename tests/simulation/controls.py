"""Breaks each guarantee on purpose: the laws must notice. `make chaos-controls`.

A control that is not caught, or that never struck, fails: it would mean that the laws, or the faults, see less than they claim.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final
from unittest import mock

import numpy as np

from models.ids import Ids
from models.kernel.tables import U1
from models.pending import Pending
from models.row import ROW
from streams.broker.memory_connection import MemoryConnection
from streams.broker.memory_reader import MemoryReader
from streams.broker.memory_transactions import TransactionCoordinator
from streams.broker.protocol import TP
from streams.scoring import changelog, partition, restore
from streams.scoring.changelog import Cursor
from streams.scoring.hold import Held, Shelf
from streams.scoring.partition import Partition
from tests.simulation.run import prepare, simulate

_MOST = 300
_struck: Counter[str] = Counter()
Switch = Callable[[ExitStack, str], None]


@dataclass(frozen=True, slots=True)
class Control:
    """A guarantee, what breaks it, and the laws of which at least one must notice."""

    name: str
    switch: Switch
    laws: tuple[str, ...]


def _replace(on: ExitStack, owner: object, attribute: str, value: object) -> None:
    on.enter_context(mock.patch.object(owner, attribute, value))


def _offsets_apart(on: ExitStack, name: str) -> None:
    """Outputs in one transaction, offsets in the next."""
    commit = MemoryConnection.commit

    def torn(self: MemoryConnection, offsets: Mapping[TP, int]) -> None:
        commit(self, {})
        _struck[name] += 1
        self.begin()
        commit(self, offsets)

    _replace(on, MemoryConnection, "commit", torn)


def _new_customers_stay(on: ExitStack, name: str) -> None:
    """Undo leaves the ids of customers who came in the aborted transaction."""

    def kept(self: Ids, count: int) -> None:
        _struck[name] += count < len(self)

    _replace(on, Ids, "truncate", kept)


def _samples_stay(on: ExitStack, name: str) -> None:
    """Undo leaves pending samples that were taken in the aborted transaction."""

    def kept(self: Pending) -> None:
        _struck[name] += self._kept is not None
        self._kept = None

    _replace(on, Pending, "roll_back", kept)


def _no_fencing(on: ExitStack, name: str) -> None:
    """A producer whose epoch is over goes on writing."""

    def anyone(self: TransactionCoordinator, transactional_id: str, epoch: int) -> object:
        producer = self._producers[transactional_id]
        _struck[name] += producer.epoch != epoch
        return producer

    def anyhow(*_: object) -> None:
        """Nor does the group look at who commits."""

    _replace(on, TransactionCoordinator, "_current", anyone)
    on.enter_context(mock.patch("streams.broker.memory_group.Group.check", anyhow))


def _ids_lost(on: ExitStack, name: str) -> None:
    """Customers are restored without the ids of their last messages."""
    unpack = changelog.unpack_rows

    def forgetful(values: Sequence[bytes], where: str) -> U1:
        rows = unpack(values, where)
        rows.view(ROW)["message_ids"] = 0
        _struck[name] += len(values)
        return rows

    _replace(on, restore, "unpack_rows", forgetful)


def _entry_dropped(on: ExitStack, name: str) -> None:
    """One journal entry in ten is not written."""
    note = Partition.note

    def careless(self: Partition, kind: Any, **given: Any) -> None:
        if self.cursor.sequence % 10 == 9:
            _struck[name] += 1
            self.update(sequence=self.cursor.sequence + 1)
        else:
            note(self, kind, **given)

    _replace(on, Partition, "note", careless)


def _to_the_stable_offset(on: ExitStack, name: str) -> None:
    """Restore goes up to the last stable offset, where the predecessor's records are still under way."""

    def stable(self: MemoryReader, tp: TP) -> tuple[int, int]:
        low, high = self._cluster.watermarks(tp)
        end = self._cluster.stable_offset(tp)
        _struck[name] += end < high
        return low, end

    _replace(on, MemoryReader, "watermarks", stable)


def _sweep_forgotten(on: ExitStack, name: str) -> None:
    """The cursor does not say how far a sweep has come."""
    encode = changelog.encode_cursor

    def forgetful(cursor: Cursor) -> bytes:
        _struck[name] += cursor.place > 0
        return encode(Cursor(**{**_fields(cursor), "place": 0}))

    _replace(on, partition, "encode_cursor", forgetful)


def _fields(cursor: Cursor) -> dict[str, Any]:
    return {field: getattr(cursor, field) for field in cursor.__struct_fields__}


def _too_old_a_table(on: ExitStack, name: str) -> None:
    """A held table is taken back as it is, without reading what others wrote since."""
    take = Shelf.take

    def careless(self: Shelf, number: int, log_start: int) -> Held | None:
        held = take(self, number, log_start)
        if held is None:
            return None
        _struck[name] += 1
        return Held(held.partition, 1 << 40, held.since)

    _replace(on, Shelf, "take", careless)


def _rows_unwritten(on: ExitStack, name: str) -> None:
    """The last row touched in a transaction does not reach the changelog."""
    pack = changelog.pack_rows

    def careless(rows: Any, which: Any) -> list[bytes]:
        _struck[name] += len(which) > 1
        return pack(rows, np.concatenate([which[:-1], which[:1]])) if len(which) > 1 else pack(rows, which)

    _replace(on, partition, "pack_rows", careless)


CONTROLS: Final = (
    Control("offsets committed apart from the outputs", _offsets_apart, ("changes", "twice", "state", "samples", "journal")),
    Control("undo forgets new customers", _new_customers_stay, ("live state", "state", "changes", "samples")),
    Control("undo forgets pending samples", _samples_stay, ("live state", "state", "samples", "stopped")),
    Control("fencing off", _no_fencing, ("changes", "twice", "state", "journal", "links", "stopped", "open")),
    Control("message ids lost", _ids_lost, ("state", "counts", "changes")),
    Control("a journal entry dropped", _entry_dropped, ("journal",)),
    Control("restore to the last stable offset", _to_the_stable_offset, ("state", "changes", "live state", "stopped")),
    Control("a sweep's cursor lost", _sweep_forgotten, ("samples", "changes", "state")),
    Control("a held table that is out of date", _too_old_a_table, ("state", "changes", "live state", "stopped")),
    Control("a row not written", _rows_unwritten, ("live state", "state", "stopped")),
)


def caught(control: Control, first: int, most: int = _MOST) -> tuple[int, str]:
    """Schedules that ran until a law noticed, and its sentence; "" if none did. References were made before."""
    _struck[control.name] = 0
    with ExitStack() as on:
        control.switch(on, control.name)
        for k in range(most):
            for sentence in simulate(first + k).broken:
                if sentence.startswith(control.laws) and _struck[control.name]:
                    return k + 1, sentence
    return most, ""


def main() -> int:
    """0 when each is caught."""
    prepare(references=True)
    missed = 0
    for control in CONTROLS:
        ran, sentence = caught(control, 1_000_000)
        struck = f"struck {_struck[control.name]:,} times in {ran} schedules"
        print(f"{control.name}: {struck}; {sentence or 'NOT CAUGHT'}", flush=True)
        missed += not sentence
    print(f"{len(CONTROLS) - missed} of {len(CONTROLS)} caught", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
