"""The cluster of the in-memory twin, and the handles by which a test or a scheduler moves it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

from streams.broker.memory_group import Group
from streams.broker.memory_log import MemoryMessage, PartitionLog
from streams.broker.memory_transactions import Step, TransactionCoordinator
from streams.broker.protocol import TP, Headers
from streams.errors import BrokerError, TopicError


class Link(Protocol):
    """What the cluster does to whoever is open under a transactional id."""

    def crash(self) -> None:
        """No call works any more."""

    def expel(self) -> None:
        """Its member, if it has one, is out of its group."""


class MemoryCluster:
    """Topics, groups and transactions of one cluster, and the handles by which a test or a scheduler moves them."""

    def __init__(
        self,
        seed: int | None = None,
        now_ms: Callable[[], int] | None = None,
        fault: Callable[[Step], None] | None = None,
        wait: Callable[[str], None] | None = None,
        max_bytes: int = 1_000_000,
    ) -> None:
        """With `seed`, fetches return partitions in random order and batches of random size; without, all in order.

        `now_ms` dates what is produced (default: 0); `wait` is told the transactional id that somebody waits for.
        """
        self.random = None if seed is None else Random(seed)
        self.now_ms = now_ms or _zero
        self.fault = fault
        self.wait = wait
        self.max_bytes = max_bytes
        self.misheard: Callable[[], bool] | None = None
        """Whether a member that was expelled hears that its partitions are revoked, and not lost, as it may on Kafka."""
        self.coordinator = TransactionCoordinator(self.step)
        self._logs: dict[TP, PartitionLog] = {}
        self._sizes: dict[str, int] = {}
        self._groups: dict[str, Group] = {}
        self._links: dict[str, Link] = {}

    def create_topic(self, name: str, partitions: int) -> None:
        """Raises TopicError when it is there."""
        if name in self._sizes:
            raise TopicError(f"topic {name} is there already")
        self._sizes[name] = partitions
        for partition in range(partitions):
            tp = TP(name, partition)
            self._logs[tp] = PartitionLog(tp)

    def append(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
        timestamp: int | None = None,
    ) -> int:
        """A record outside any transaction; returns its offset. `timestamp` in ms since 1970."""
        time_ms = self.now_ms() if timestamp is None else timestamp
        return self.log(TP(topic, partition)).append(key, value, headers, time_ms)

    def read_committed(self, topic: str, partition: int) -> list[MemoryMessage]:
        """All that a read_committed reader can see now."""
        log = self.log(TP(topic, partition))
        return log.read(log.start, log.end)[0]

    def committed(self, group: str, tp: TP) -> int:
        """The group's next offset as it stands, -1 if none, without waiting for open transactions."""
        return self.group(group).offsets.get(tp, -1)

    def watermarks(self, tp: TP) -> tuple[int, int]:
        """First offset kept and the high watermark."""
        log = self.log(tp)
        return log.start, log.end

    def stable_offset(self, tp: TP) -> int:
        """The last stable offset; equal to the high watermark when no transaction is open or under way."""
        return self.log(tp).stable()

    def compact(self, topic: str, partition: int, tombstones: bool = False) -> None:
        """The log cleaner comes by; with `tombstones` it is past delete.retention.ms."""
        self.log(TP(topic, partition)).compact(tombstones)

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """Retention takes what is before `offset`."""
        self.log(TP(topic, partition)).delete_before(offset)

    def expire(self, transactional_id: str) -> None:
        """The session of this connection's member is over: others get its partitions; its next poll tells it so."""
        self.step(Step(transactional_id, "expire", False, "session"))
        self._link(transactional_id).expel()
        self.step(Step(transactional_id, "expire", True, "session"))

    def expire_transaction(self, transactional_id: str) -> None:
        """transaction.timeout.ms is over: the open transaction is aborted, its producer fenced."""
        self.step(Step(transactional_id, "expire", False, "transaction"))
        self.coordinator.expire(transactional_id)
        self.step(Step(transactional_id, "expire", True, "transaction"))

    def crash(self, transactional_id: str) -> None:
        """The process is gone: no call on its link works any more. Transaction and membership stay as they are."""
        self._link(transactional_id).crash()

    def hold_markers(self, hold: bool) -> None:
        """While held, a decided transaction's markers arrive one by one, by `deliver`, as across a real network."""
        self.coordinator.hold_markers = hold

    def under_way(self) -> Sequence[tuple[str, str]]:
        """(transactional id, log or group) of each marker that has not arrived."""
        return self.coordinator.under_way()

    def deliver(self, transactional_id: str, target: str) -> None:
        """One of `under_way` arrives."""
        self.coordinator.deliver(transactional_id, target)

    def step(self, step: Step) -> None:
        """Tells the scheduler."""
        if self.fault is not None:
            self.fault(step)

    def log(self, tp: TP) -> PartitionLog:
        """Raises TopicError."""
        try:
            return self._logs[tp]
        except KeyError:
            raise TopicError(
                f"{tp.topic}-{tp.partition}: no such topic or partition; make it with `shoal topics create`"
            ) from None

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has. Raises TopicError."""
        if topic not in self._sizes:
            raise TopicError(f"topic {topic} is not there: make it with `shoal topics create`")
        return self._sizes[topic]

    def sizes(self) -> dict[str, int]:
        """All topics with their numbers of partitions."""
        return self._sizes

    def group(self, name: str) -> Group:
        """A consumer group, made when first asked for."""
        return self._groups.setdefault(name, Group(name))

    def settle_offset(self, group: Group, tp: TP) -> None:
        """Returns when no transaction can change the group's offset any more."""
        for number in group.unstable(tp):
            if self.wait is not None:
                self.wait(self.coordinator.owner(number))
            # The one waited for may have ended; if not, its time is over.
            if number in group.unstable(tp):
                self.coordinator.time_out(number)

    def register(self, transactional_id: str, link: Link) -> None:
        """What is open under a transactional id; the newest counts."""
        self._links[transactional_id] = link

    def _link(self, transactional_id: str) -> Link:
        if transactional_id not in self._links:
            raise BrokerError(f"nothing was opened as {transactional_id}")
        return self._links[transactional_id]


def _zero() -> int:
    return 0
