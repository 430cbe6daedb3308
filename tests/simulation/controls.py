"""Breaks each guarantee on purpose: the laws must notice. `make chaos-controls`.

A control that is not caught, or that never struck, fails: it would mean that the laws, or the faults, see less than they claim.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from streams.broker.memory_cluster import MemoryCluster
from streams.broker.memory_connection import MemoryConnection
from streams.broker.memory_group import Group
from streams.broker.memory_reader import MemoryReader
from streams.broker.memory_transactions import Transaction, TransactionCoordinator, _Producer
from streams.broker.protocol import TP
from streams.errors import Aborted
from streams.scoring.partition import Partition
from streams.scoring.worker import Worker
from tests.chaos import breaking
from tests.chaos.breaking import replace, struck
from tests.chaos.twin import Killed
from tests.simulation.run import prepare, simulate

_MOST = 300


@dataclass(frozen=True, slots=True)
class Control:
    """A guarantee, what breaks it, and the laws of which at least one must notice."""

    name: str
    switch: breaking.Switch
    laws: tuple[str, ...]
    rates: Mapping[str, float] | None = None
    """Of the faults that bring it out; without, those that are drawn."""


def _offsets_apart(on: ExitStack, name: str) -> None:
    """Outputs in one transaction, offsets in the next, and nothing in the state says where it stands."""
    breaking.positions_unsaid(on)
    commit = MemoryConnection.commit

    def torn(self: MemoryConnection, offsets: Mapping[TP, int]) -> None:
        commit(self, {})
        struck[name] += 1
        self.begin()
        commit(self, offsets)

    replace(on, MemoryConnection, "commit", torn)


def _sweep_forgotten(on: ExitStack, name: str) -> None:
    """The cursor does not say how far a sweep has come; workers die where that shows, once in three times."""
    breaking.sweep_forgotten(on, name)
    forget, passed = Partition.forget, itertools.count(1)

    def dying(self: Partition) -> None:
        forget(self)
        if self.cursor.place > 0 and next(passed) % 3 == 0:
            raise Killed

    replace(on, Partition, "forget", dying)


def _no_fencing(on: ExitStack, name: str) -> None:
    """Opening a transactional id fences nobody: both write into the one transaction, and neither group nor epoch is looked at."""

    def opened(self: TransactionCoordinator, transactional_id: str) -> int:
        return self._producers.setdefault(transactional_id, _Producer(0)).epoch

    def begun(self: TransactionCoordinator, transactional_id: str, epoch: int) -> None:
        before = self._producers[transactional_id].transaction
        struck[name] += before is not None and before.committed is None
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

    replace(on, TransactionCoordinator, "open", opened)
    replace(on, TransactionCoordinator, "begin", begun)
    replace(on, TransactionCoordinator, "_running", running)
    replace(on, Group, "check", anyhow)


def _to_the_stable_offset(on: ExitStack, name: str) -> None:
    """Restore goes up to the last stable offset, where the predecessor's records are still under way."""

    def stable(self: MemoryReader, tp: TP) -> tuple[int, int]:
        low, high = self._cluster.watermarks(tp)
        end = self._cluster.stable_offset(tp)
        struck[name] += end < high
        return low, end

    replace(on, MemoryReader, "watermarks", stable)


def _older_than_the_tombstones(on: ExitStack, name: str) -> None:
    """The log cleaner takes tombstones that a held table has not seen yet."""
    compact = MemoryCluster.compact

    def early(self: MemoryCluster, topic: str, partition: int, tombstones: bool = False) -> None:
        struck[name] += 1
        compact(self, topic, partition, tombstones=True)

    replace(on, MemoryCluster, "compact", early)


def _shelved_unproven(on: ExitStack, name: str) -> None:
    """Tables are held as of the end of the changelog, whoever has written there."""

    def trusting(self: Worker, gone: Collection[int]) -> dict[int, int]:
        try:
            self._commit()
        except Aborted:
            self._rewind(gone)
        numbers = [number for number, slot in self.slots.items() if slot.running and number in gone]
        struck[name] += len(numbers)
        return {number: self._takeover.end(number) for number in numbers}

    replace(on, Worker, "_proven_ends", trusting)


_MISHEARD: Final = {"expire": 0.01, "misheard": 0.1, "join": 0.02, "leave": 0.02}
_LATE: Final = {"late marker": 0.1, "kill": 0.01, "join": 0.02, "leave": 0.02}
_COMINGS: Final = {"join": 0.05, "leave": 0.05, "clean": 0.1}
CONTROLS: Final = (
    Control("offsets committed apart from the outputs", _offsets_apart, ("changes", "twice", "state", "samples", "journal")),
    Control("undo forgets new customers", breaking.new_customers_stay, ("changes", "state", "restored")),
    Control("undo forgets pending samples", breaking.samples_stay, ("samples", "state", "live state")),
    Control("fencing off", _no_fencing, ("changes", "twice", "state", "samples", "journal", "links", "live state")),
    Control("message ids lost", breaking.ids_lost, ("state", "counts", "changes", "restored")),
    Control("a journal entry dropped", breaking.entry_dropped, ("journal",)),
    Control("restore to the last stable offset", _to_the_stable_offset, ("restored", "state", "changes"), _LATE),
    Control("a sweep's cursor lost", _sweep_forgotten, ("samples", "changes", "state")),
    Control("a held table that is out of date", breaking.held_as_it_was, ("restored", "state", "changes")),
    Control("a held table older than the tombstones", _older_than_the_tombstones, ("restored",), _COMINGS),
    Control("a table held without proof", _shelved_unproven, ("restored",), _MISHEARD),
    Control("a row not written", breaking.rows_unwritten, ("restored", "state", "live state")),
)


def caught(control: Control, first: int, most: int = _MOST) -> tuple[int, str]:
    """Schedules that ran until a law noticed, and its sentence; "" if none did. References were made before."""
    struck[control.name] = 0
    with ExitStack() as on:
        control.switch(on, control.name)
        for k in range(most):
            for sentence in simulate(first + k, control.rates).broken:
                if sentence.startswith(control.laws) and struck[control.name]:
                    return k + 1, sentence
    return most, ""


def main() -> int:
    """0 when each is caught."""
    missed = 0
    with ExitStack() as on:
        prepare(on, references=True)
        for control in CONTROLS:
            ran, sentence = caught(control, 1_000_000)
            times = f"struck {struck[control.name]:,} times in {ran} schedules"
            print(f"{control.name}: {times}; {sentence or 'NOT CAUGHT'}", flush=True)
            missed += not sentence
    print(f"{len(CONTROLS) - missed} of {len(CONTROLS)} caught", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
