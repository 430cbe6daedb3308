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

from models.kernel.tables import U1
from models.pending import Pending
from models.row import ROW
from models.table import Table
from streams.broker.memory_cluster import MemoryCluster
from streams.broker.memory_connection import MemoryConnection
from streams.broker.memory_group import Group
from streams.broker.memory_reader import MemoryReader
from streams.broker.memory_transactions import Transaction, TransactionCoordinator, _Producer
from streams.broker.protocol import TP
from streams.scoring import changelog, partition, restore
from streams.scoring.changelog import Cursor
from streams.scoring.partition import Partition
from streams.scoring.restore import Restorer
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
    rates: Mapping[str, float] | None = None
    """Of the faults that bring it out; without, those that are drawn."""


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
    """Undo leaves customers who came in the aborted transaction, as it left them."""

    def careless(self: Table) -> None:
        touched = self.touched()
        old = touched < self._committed
        _struck[name] += not old.all()
        self.rows.u1[touched[old]] = self._undo_images[: len(touched)][old]
        self.forget()

    _replace(on, Table, "roll_back", careless)


def _samples_stay(on: ExitStack, name: str) -> None:
    """Undo leaves pending samples that were taken in the aborted transaction."""

    def kept(self: Pending) -> None:
        _struck[name] += self._kept is not None
        self._kept = None

    _replace(on, Pending, "roll_back", kept)


def _no_fencing(on: ExitStack, name: str) -> None:
    """Opening a transactional id fences nobody: both write into the one transaction, and neither group nor epoch is looked at."""

    def opened(self: TransactionCoordinator, transactional_id: str) -> int:
        return self._producers.setdefault(transactional_id, _Producer(0)).epoch

    def begun(self: TransactionCoordinator, transactional_id: str, epoch: int) -> None:
        before = self._producers[transactional_id].transaction
        _struck[name] += before is not None and before.committed is None
        running(self, transactional_id, epoch)

    def running(self: TransactionCoordinator, transactional_id: str, epoch: int) -> Transaction:
        producer = self._producers[transactional_id]
        if producer.transaction is None or producer.transaction.committed is not None:
            self.settle(transactional_id)
            self._numbers += 1
            producer.transaction = Transaction(self._numbers)
        return producer.transaction

    def anyhow(*_: object) -> None:
        """Whoever it is."""

    _replace(on, TransactionCoordinator, "open", opened)
    _replace(on, TransactionCoordinator, "begin", begun)
    _replace(on, TransactionCoordinator, "_running", running)
    _replace(on, Group, "check", anyhow)


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


def _held_as_it_was(on: ExitStack, name: str) -> None:
    """A held table is taken back as it is, without reading what others wrote since."""
    begin = Restorer.begin

    def careless(self: Restorer, partition: Partition, held_at: int | None) -> None:
        if held_at is not None:
            high = self.watermarks(TP(partition.topics.state, partition.number))[1]
            _struck[name] += high > held_at
            held_at = high
        begin(self, partition, held_at)

    _replace(on, Restorer, "begin", careless)


def _older_than_the_tombstones(on: ExitStack, name: str) -> None:
    """The log cleaner takes tombstones that a held table has not seen yet."""
    compact = MemoryCluster.compact

    def early(self: MemoryCluster, topic: str, partition: int, tombstones: bool = False) -> None:
        _struck[name] += 1
        compact(self, topic, partition, tombstones=True)

    _replace(on, MemoryCluster, "compact", early)


def _rows_unwritten(on: ExitStack, name: str) -> None:
    """The last row touched in a transaction does not reach the changelog."""
    pack = changelog.pack_rows

    def careless(rows: Any, which: Any) -> list[bytes]:
        _struck[name] += len(which) > 1
        return pack(rows, np.concatenate([which[:-1], which[:1]])) if len(which) > 1 else pack(rows, which)

    _replace(on, partition, "pack_rows", careless)


_COMINGS: Final = {"join": 0.05, "leave": 0.05, "clean": 0.1}
CONTROLS: Final = (
    Control("offsets committed apart from the outputs", _offsets_apart, ("changes", "twice", "state", "samples", "journal")),
    Control("undo forgets new customers", _new_customers_stay, ("changes", "state", "restored")),
    Control("undo forgets pending samples", _samples_stay, ("samples", "state", "live state")),
    Control("fencing off", _no_fencing, ("changes", "twice", "state", "samples", "journal", "links", "live state")),
    Control("message ids lost", _ids_lost, ("state", "counts", "changes", "restored")),
    Control("a journal entry dropped", _entry_dropped, ("journal",)),
    Control("restore to the last stable offset", _to_the_stable_offset, ("restored", "state", "changes")),
    Control("a sweep's cursor lost", _sweep_forgotten, ("samples", "changes", "state")),
    Control("a held table that is out of date", _held_as_it_was, ("restored", "state", "changes")),
    Control("a held table older than the tombstones", _older_than_the_tombstones, ("restored",), _COMINGS),
    Control("a row not written", _rows_unwritten, ("restored", "state", "live state")),
)


def caught(control: Control, first: int, most: int = _MOST) -> tuple[int, str]:
    """Schedules that ran until a law noticed, and its sentence; "" if none did. References were made before."""
    _struck[control.name] = 0
    with ExitStack() as on:
        control.switch(on, control.name)
        for k in range(most):
            for sentence in simulate(first + k, control.rates).broken:
                if sentence.startswith(control.laws) and _struck[control.name]:
                    return k + 1, sentence
    return most, ""


def main() -> int:
    """0 when each is caught."""
    missed = 0
    with ExitStack() as on:
        prepare(on, references=True)
        for control in CONTROLS:
            ran, sentence = caught(control, 1_000_000)
            struck = f"struck {_struck[control.name]:,} times in {ran} schedules"
            print(f"{control.name}: {struck}; {sentence or 'NOT CAUGHT'}", flush=True)
            missed += not sentence
    print(f"{len(CONTROLS) - missed} of {len(CONTROLS)} caught", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
