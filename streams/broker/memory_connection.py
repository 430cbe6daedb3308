"""A worker's link to the in-memory twin: a member of a group and a transactional producer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from streams.broker.memory_cluster import MemoryCluster
from streams.broker.memory_group import Member
from streams.broker.memory_log import MemoryMessage
from streams.broker.memory_producer import MemoryWriter
from streams.broker.memory_reader import fetch, gone_from
from streams.broker.memory_transactions import Step
from streams.broker.protocol import TP, Ownership, Record
from streams.errors import BrokerError


class MemoryConnection:
    """`Connection` in memory. `poll` returns at once; rebalances happen inside it."""

    def __init__(self, cluster: MemoryCluster, group: str, transactional_id: str) -> None:
        self.name = transactional_id
        self._cluster = cluster
        self._group = cluster.group(group)
        self._producer = MemoryWriter(cluster, transactional_id)
        cluster.register(transactional_id, self)
        self.begin = self._producer.begin
        self.produce = self._producer.produce
        self.abort = self._producer.abort
        self._topics: tuple[str, ...] = ()
        self._ownership: Ownership | None = None
        self._member: Member | None = None
        self._generation = -1
        self._positions: dict[TP, int | None] = {}  # None: the group's committed offset
        self._paused: set[TP] = set()

    def produce_all(self, topic: str, partition: int, records: Iterable[Record]) -> None:
        """`produce` of each, in order."""
        for key, value, headers in records:
            self.produce(topic, partition, key, value, headers)

    def subscribe(self, topics: Sequence[str], ownership: Ownership) -> None:
        """Joins the group with the next poll."""
        for topic in topics:
            self._cluster.partitions(topic)
        self._topics, self._ownership = tuple(topics), ownership

    def poll(self, limit: int, timeout: float) -> Sequence[MemoryMessage]:
        """At most `limit` records of partitions not paused, at once. Raises what `ownership` raised."""
        self._producer.require_alive()
        self._step("poll", after=False)
        self._attend()
        running = {tp: self._position(tp) for tp in self._positions if tp not in self._paused}
        records = fetch(self._cluster, running, limit, gone_from(self.name))
        self._positions.update(running)
        self._step("poll", after=True)
        return records

    def pause(self, partitions: Sequence[TP]) -> None:
        """No more records of these from poll."""
        self._paused.update(self._ours(partitions, "pause"))

    def resume(self, partitions: Sequence[TP]) -> None:
        """Reads on where the last record returned, or `seek`, left off."""
        self._paused.difference_update(self._ours(partitions, "resume"))

    def seek(self, partition: TP, offset: int) -> None:
        """The next record is the one at `offset`."""
        self._ours([partition], "seek in")
        self._positions[partition] = offset

    def committed(self, partitions: Sequence[TP]) -> dict[TP, int]:
        """The group's next offsets, stable ones only; -1 where none."""
        self._producer.require_alive()
        self._step("committed", after=False)
        for tp in partitions:
            self._cluster.settle_offset(self._group, tp)
        found = {tp: self._group.offsets.get(tp, -1) for tp in partitions}
        self._step("committed", after=True)
        return found

    def watermarks(self, partition: TP) -> tuple[int, int]:
        """First offset kept and the high watermark."""
        return self._cluster.watermarks(partition)

    def commit(self, offsets: Mapping[TP, int]) -> None:
        """Commits outputs and the group's next offsets as one. Raises Aborted, Fenced."""
        member = self._member.id if self._member is not None else "nobody"
        self._producer.commit_with(offsets, self._group.name, member, self._generation)

    @property
    def is_current(self) -> bool:
        """Whether it is a member of its group as the group is now, which it may not have heard."""
        group, member = self._group, self._member
        return (
            member is not None and member.id in group.members and not group.rebalancing and self._generation == group.generation
        )

    def close(self) -> None:
        """Leaves the group (revoked is called) and aborts what is open."""
        try:
            self._leave()
        finally:
            self._producer.close()

    def crash(self) -> None:
        """No call works any more; membership and open transaction stay."""
        self._producer.crash()

    def expel(self) -> None:
        """The session is over: the group goes on without this member, which hears of it at its next poll."""
        if self._member is None or self._member.id not in self._group.members:
            raise BrokerError(f"{self.name} is not a member of group {self._group.name}")
        self._group.leave(self._member.id, self._cluster.sizes())

    def _leave(self) -> None:
        if self._member is None or self._ownership is None:
            return
        if self._member.id in self._group.members:
            raised = self._give_up(self._ownership.revoked)
            # It may have been expelled while it finished.
            if self._member.id in self._group.members:
                self._group.leave(self._member.id, self._cluster.sizes())
        else:
            raised = self._give_up(self._ownership.lost)
        self._member = None
        if raised is not None:
            raise raised

    def _attend(self) -> None:
        """What a heartbeat would tell: expelled, a rebalance begun, a rebalance done."""
        if self._ownership is None:
            return
        group, sizes = self._group, self._cluster.sizes()
        raised = None
        if self._member is not None and self._member.id not in group.members:
            misheard = self._cluster.misheard
            raised = self._give_up(self._ownership.revoked if misheard is not None and misheard() else self._ownership.lost)
            self._member = None
        if self._member is None:
            self._member = group.join(self.name, self._topics, sizes)
        elif group.rebalancing and not self._member.joined:
            raised = self._give_up(self._ownership.revoked)
            if self._member.id in group.members:
                group.rejoin(self._member, sizes)
        if raised is not None:
            raise raised
        if self._member.generation != self._generation and self._member.id in group.members and not group.rebalancing:
            self._generation = self._member.generation
            arrived = self._member.assigned
            self._positions = dict.fromkeys(arrived)
            self._paused = set(arrived)
            if arrived:
                self._ownership.assigned(arrived)

    def _give_up(self, tell: Callable[[Sequence[TP]], None]) -> Exception | None:
        """Tells, and lets go of everything whatever comes of it; a crash (BaseException) goes straight through."""
        raised = None
        gone = sorted(self._positions)
        if gone:
            try:
                tell(gone)
            except Exception as error:  # noqa: BLE001
                raised = error
        self._positions, self._paused = {}, set()
        return raised

    def _position(self, tp: TP) -> int:
        position = self._positions[tp]
        return self._cluster.log(tp).start if position is None else position

    def _ours(self, partitions: Sequence[TP], doing: str) -> Sequence[TP]:
        self._producer.require_alive()
        for tp in partitions:
            if tp not in self._positions:
                raise BrokerError(f"{self.name}: cannot {doing} {tp.topic}-{tp.partition}: it is not assigned here")
        return partitions

    def _step(self, operation: str, *, after: bool) -> None:
        self._cluster.step(Step(self.name, operation, after))
