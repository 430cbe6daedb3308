"""The transactional producer of the in-memory twin."""

from __future__ import annotations

from collections.abc import Mapping

from streams.broker.memory_cluster import MemoryCluster
from streams.broker.memory_transactions import Step
from streams.broker.protocol import TP, Headers
from streams.errors import Aborted, BrokerError, Fenced


class MemoryWriter:
    """`Writer` in memory; opening it fences the one before with the same id and ends its transaction."""

    def __init__(self, cluster: MemoryCluster, transactional_id: str) -> None:
        self.name = transactional_id
        self._cluster = cluster
        self._crashed = False
        self._failed = False
        self._open = False
        self._step("open", after=False)
        self._epoch = cluster.coordinator.open(transactional_id)
        cluster.register(transactional_id, self)
        self._step("open", after=True)

    def begin(self) -> None:
        """Opens a transaction."""
        self.require_alive()
        self._step("begin", after=False)
        self._cluster.coordinator.begin(self.name, self._epoch)
        self._open, self._failed = True, False
        self._step("begin", after=True)

    def produce(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers | None = None) -> None:
        """Into the open transaction. Raises Aborted, Fenced, BrokerError, TopicError."""
        self._require_usable("producing to " + topic)
        tp = TP(topic, partition)
        log = self._cluster.log(tp)
        size = len(key or b"") + len(value or b"")
        if size > self._cluster.max_bytes:
            raise BrokerError(
                f"{self.name}: producing {size} bytes to {topic}-{partition}: more than message.max.bytes "
                f"({self._cluster.max_bytes})"
            )
        self._step("produce", after=False, subject=f"{topic}-{partition}")
        transaction = self._cluster.coordinator.joined(self.name, self._epoch, log)
        log.append(key, value, headers, self._cluster.now_ms(), transaction)
        self._step("produce", after=True, subject=f"{topic}-{partition}")

    def commit(self) -> None:
        """Commits. Raises Aborted, Fenced."""
        self._require_usable("committing a transaction")
        self._end(committed=True)

    def commit_with(self, offsets: Mapping[TP, int], group: str, member: str, generation: int) -> None:
        """Commits together with a group's next offsets. Raises Aborted for a zombie, Fenced."""
        self._require_usable("committing a transaction")
        if offsets:
            self._step("send_offsets", after=False, subject=f"group {group}")
            self._cluster.coordinator.check(self.name, self._epoch)
            try:
                self._cluster.group(group).check(member, generation)
            except Aborted:
                self._failed = True
                raise
            self._cluster.coordinator.add_offsets(self.name, self._epoch, self._cluster.group(group), dict(offsets))
            self._step("send_offsets", after=True, subject=f"group {group}")
        self._end(committed=True)

    def abort(self) -> None:
        """Gives the open transaction up; nothing to do when there is none."""
        self.require_alive()
        if self._open:
            self._end(committed=False)

    def close(self) -> None:
        """Aborts what is open; once is enough."""
        if self._crashed:
            return
        self._step("close", after=False)
        try:
            self.abort()
        except Fenced:
            # The coordinator has aborted it.
            self._open = False
        self._crashed = True
        self._step("close", after=True)

    def crash(self) -> None:
        """No call works any more; what is open stays open."""
        self._crashed = True

    def expel(self) -> None:
        """A writer is in no group."""

    def require_alive(self) -> None:
        """Raises BrokerError after a crash or a close."""
        if self._crashed:
            raise BrokerError(f"{self.name}: this link is closed, or its process has crashed")

    def _end(self, committed: bool) -> None:
        subject = "commit" if committed else "abort"
        self._step("end", after=False, subject=subject)
        self._cluster.coordinator.end(self.name, self._epoch, committed)
        self._open = False
        self._step("end", after=True, subject=subject)

    def _require_usable(self, doing: str) -> None:
        self.require_alive()
        if not self._open:
            raise BrokerError(f"{self.name}: {doing}: there is no open transaction: begin one first")
        if self._failed:
            raise Aborted(f"{self.name}: {doing}: the transaction has failed already: abort it")

    def _step(self, operation: str, *, after: bool, subject: str = "") -> None:
        self._cluster.step(Step(self.name, operation, after, subject))
