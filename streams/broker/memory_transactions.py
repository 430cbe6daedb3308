"""The transaction coordinator of the in-memory twin: epochs, fencing, and markers that arrive one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from streams.broker.memory_group import Group
from streams.broker.memory_log import PartitionLog
from streams.broker.protocol import TP
from streams.errors import BrokerError, Fenced


class Step(NamedTuple):
    """A moment at which a scheduler may act: crash somebody, lose a reply, let others run."""

    who: str
    """The transactional id, or a reader's name."""
    operation: str
    """poll, committed, begin, produce, send_offsets, end, marker, open, expire, close ..."""
    after: bool
    """False before it happens, True after: an exception then is a lost reply."""
    subject: str = ""
    """A topic's partition, or what else it is about."""


@dataclass(slots=True)
class Transaction:
    """One transaction: what it touched and, once decided, which markers are still under way."""

    number: int
    logs: dict[TP, PartitionLog] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    committed: bool | None = None


@dataclass(slots=True)
class _Producer:
    epoch: int = -1
    transaction: Transaction | None = None


class TransactionCoordinator:
    """Knows every transactional id. `step` is called before and after each thing that can be seen from outside."""

    def __init__(self, step: Callable[[Step], None]) -> None:
        self._step = step
        self._producers: dict[str, _Producer] = {}
        self._numbers = 0
        self.hold_markers = False

    def open(self, transactional_id: str) -> int:
        """A new epoch: fences the producer before and ends its transaction. Returns the epoch."""
        self.settle(transactional_id)
        producer = self._producers.setdefault(transactional_id, _Producer())
        producer.epoch += 1
        return producer.epoch

    def begin(self, transactional_id: str, epoch: int) -> None:
        """Opens a transaction, when the markers of the one before have all arrived."""
        producer = self._current(transactional_id, epoch)
        if producer.transaction is not None:
            if producer.transaction.committed is None:
                raise BrokerError(f"{transactional_id}: a transaction is open already")
            self.settle(transactional_id)
        self._numbers += 1
        producer.transaction = Transaction(self._numbers)

    def joined(self, transactional_id: str, epoch: int, log: PartitionLog) -> int:
        """The open transaction's number, for a record in `log`."""
        transaction = self._running(transactional_id, epoch)
        transaction.logs[log.tp] = log
        return transaction.number

    def check(self, transactional_id: str, epoch: int) -> None:
        """Raises Fenced, and BrokerError when no transaction is open."""
        self._running(transactional_id, epoch)

    def add_offsets(self, transactional_id: str, epoch: int, group: Group, offsets: dict[TP, int]) -> None:
        """A group's next offsets become part of the open transaction."""
        transaction = self._running(transactional_id, epoch)
        transaction.groups[group.name] = group
        group.pending.setdefault(transaction.number, {}).update(offsets)

    def end(self, transactional_id: str, epoch: int, committed: bool) -> None:
        """Decides the transaction: from here on it is durable, whatever becomes of its producer."""
        transaction = self._running(transactional_id, epoch)
        transaction.committed = committed
        if not self.hold_markers:
            self._deliver_all(transactional_id)

    def expire(self, transactional_id: str) -> None:
        """transaction.timeout.ms is over: the open transaction is aborted and its producer fenced."""
        self.settle(transactional_id)
        self._producers[transactional_id].epoch += 1

    def settle(self, transactional_id: str) -> None:
        """Ends what is under way: an undecided transaction is aborted, a decided one gets its markers."""
        producer = self._producers.get(transactional_id)
        if producer is not None and producer.transaction is not None:
            if producer.transaction.committed is None:
                producer.transaction.committed = False
            self._deliver_all(transactional_id)

    def under_way(self) -> list[tuple[str, str]]:
        """(transactional id, log or group) of every marker that has been decided and has not arrived."""
        return [
            (transactional_id, target)
            for transactional_id, producer in self._producers.items()
            if producer.transaction is not None and producer.transaction.committed is not None
            for target in _targets(producer.transaction)
        ]

    def deliver(self, transactional_id: str, target: str) -> None:
        """One marker arrives."""
        producer = self._producers[transactional_id]
        transaction = producer.transaction
        if transaction is None or transaction.committed is None or target not in _targets(transaction):
            raise BrokerError(f"{transactional_id}: no marker is under way to {target}")
        self._step(Step(transactional_id, "marker", False, target))
        group = transaction.groups.pop(target.removeprefix("group "), None)
        if group is not None:
            group.decide(transaction.number, transaction.committed)
        else:
            log = next(log for log in transaction.logs.values() if _name(log.tp) == target)
            del transaction.logs[log.tp]
            log.mark(transaction.number, transaction.committed)
        if not transaction.logs and not transaction.groups:
            producer.transaction = None
        self._step(Step(transactional_id, "marker", True, target))

    def time_out(self, number: int) -> None:
        """What waiting for a transaction comes to: its markers arrive if it was decided, else it expires."""
        owner = self.owner(number)
        transaction = self._producers[owner].transaction
        if transaction is not None and transaction.committed is None:
            self.expire(owner)
        else:
            self.settle(owner)

    def owner(self, number: int) -> str:
        """Whose transaction this is."""
        return next(
            transactional_id
            for transactional_id, producer in self._producers.items()
            if producer.transaction is not None and producer.transaction.number == number
        )

    def _deliver_all(self, transactional_id: str) -> None:
        producer = self._producers[transactional_id]
        transaction = producer.transaction
        while transaction is not None and (targets := _targets(transaction)):
            self.deliver(transactional_id, targets[0])
        producer.transaction = None

    def _current(self, transactional_id: str, epoch: int) -> _Producer:
        producer = self._producers[transactional_id]
        if producer.epoch != epoch:
            raise Fenced(
                f"{transactional_id}: epoch {epoch} is over, now is {producer.epoch} (PRODUCER_FENCED): another "
                "process opened the same transactional id, or the transaction expired; this process must end"
            )
        return producer

    def _running(self, transactional_id: str, epoch: int) -> Transaction:
        transaction = self._current(transactional_id, epoch).transaction
        if transaction is None or transaction.committed is not None:
            raise BrokerError(f"{transactional_id}: there is no open transaction: begin one first")
        return transaction


def _targets(transaction: Transaction) -> list[str]:
    """Outputs first, as a reader could see them, then the offsets; a scheduler may choose otherwise."""
    return [_name(tp) for tp in transaction.logs] + [f"group {name}" for name in transaction.groups]


def _name(tp: TP) -> str:
    return f"{tp.topic}-{tp.partition}"
