"""What the twin adds to Kafka: every step can be watched, stopped and reordered, the same way each time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from streams.broker.memory import MemoryBroker, MemoryCluster, Step
from streams.broker.memory_connection import MemoryConnection
from streams.broker.memory_group import range_assignment
from streams.broker.protocol import TP, Message
from streams.errors import BrokerError, Fenced, TopicError, Unknown

EVENTS = TP("events", 0)
STATE = TP("state", 0)


class Killed(BaseException):
    """The process ends here."""


class Owner:
    """Reads on from the committed offsets."""

    def __init__(self, link: MemoryConnection) -> None:
        self.link = link
        self.owned: set[TP] = set()

    def assigned(self, partitions: Sequence[TP]) -> None:
        self.owned.update(partitions)
        for tp, offset in self.link.committed(partitions).items():
            self.link.seek(tp, max(offset, 0))
        self.link.resume(partitions)

    def revoked(self, partitions: Sequence[TP]) -> None:
        self.owned.difference_update(partitions)

    def lost(self, partitions: Sequence[TP]) -> None:
        self.owned.difference_update(partitions)


def cluster_with(events: int, fault: Callable[[Step], None] | None = None, seed: int | None = None) -> MemoryCluster:
    cluster = MemoryCluster(seed=seed, fault=fault)
    for topic in ("events", "state"):
        cluster.create_topic(topic, 2)
    for number in range(events):
        cluster.append("events", number % 2, b"k", b"%d" % number)
    return cluster


def join(cluster: MemoryCluster, name: str = "worker") -> MemoryConnection:
    link = MemoryBroker(cluster).connection("workers", name)
    link.subscribe(["events"], Owner(link))
    return link


def copy(link: MemoryConnection, limit: int = 100) -> None:
    """One turn of a worker that copies events to state."""
    records = link.poll(limit, 0)
    if not records:
        return
    link.begin()
    for record in records:
        link.produce("state", record.partition(), record.key(), record.value())
    link.commit({TP(record.topic(), record.partition()): record.offset() + 1 for record in records})


def killer(after: int) -> Callable[[Step], None]:
    """Kills at the step with this number."""
    steps: list[Step] = []

    def kill(step: Step) -> None:
        steps.append(step)
        if len(steps) == after + 1:
            raise Killed

    return kill


def state(cluster: MemoryCluster) -> list[list[bytes | None]]:
    return [[record.value() for record in cluster.read_committed("state", partition)] for partition in range(2)]


def test_a_turn_killed_at_any_step_leaves_all_or_nothing() -> None:
    expected = [[b"0", b"2", b"4"], [b"1", b"3", b"5"]]
    steps: list[Step] = []
    copy(join(cluster_with(6, steps.append)))
    assert {"open", "poll", "begin", "produce", "send_offsets", "end", "marker"} <= {step.operation for step in steps}
    for fatal in range(len(steps)):
        cluster = cluster_with(6, killer(fatal))
        with pytest.raises(Killed):
            copy(join(cluster))
        cluster.fault = None
        if cluster.group("workers").members:
            cluster.crash("worker")
            cluster.expire("worker")
        successor = join(cluster)
        for _ in range(3):
            copy(successor)
        assert state(cluster) == expected, steps[fatal]
        assert [cluster.committed("workers", TP("events", partition)) for partition in range(2)] == [3, 3]
        assert all(cluster.stable_offset(TP("state", p)) == cluster.watermarks(TP("state", p))[1] for p in range(2))


def test_a_lost_reply_to_a_commit_is_a_commit() -> None:
    def lose(step: Step) -> None:
        if step.operation == "end" and step.after:
            raise Unknown("no answer")

    cluster = cluster_with(2, lose)
    link = join(cluster)
    with pytest.raises(Unknown):
        copy(link)
    cluster.fault = None
    assert state(cluster) == [[b"0"], [b"1"]]
    assert cluster.committed("workers", EVENTS) == 1


def test_offsets_can_be_stable_while_the_changelog_s_marker_is_under_way() -> None:
    # KAFKA-10167: whoever restores to the last stable offset instead of the high watermark loses the state.
    cluster = cluster_with(2)
    cluster.hold_markers(True)
    link = join(cluster)
    copy(link)
    assert cluster.under_way() == [("worker", "state-0"), ("worker", "state-1"), ("worker", "group workers")]
    assert state(cluster) == [[], []]
    cluster.deliver("worker", "group workers")
    assert link.committed([EVENTS]) == {EVENTS: 1}
    reader = MemoryBroker(cluster).reader("restore")
    reader.assign({STATE: 0})
    assert reader.watermarks(STATE) == (0, 1)
    assert cluster.stable_offset(STATE) == 0
    assert reader.poll(10, 0) == []
    assert reader.position(STATE) == 0
    cluster.deliver("worker", "state-0")
    assert [record.value() for record in reader.poll(10, 0)] == [b"0"]
    assert reader.poll(10, 0) == []
    assert reader.position(STATE) == 2
    with pytest.raises(BrokerError, match="no marker is under way"):
        cluster.deliver("worker", "state-0")


def test_waiting_for_a_transaction_delivers_what_is_under_way() -> None:
    cluster = cluster_with(2)
    cluster.hold_markers(True)
    link = join(cluster)
    copy(link)
    assert link.committed([EVENTS]) == {EVENTS: 1}
    assert cluster.under_way() == []


def test_waiting_for_a_dead_transaction_expires_it() -> None:
    def stop(step: Step) -> None:
        if step.operation == "end":
            raise Killed

    cluster = cluster_with(2)
    dead = join(cluster, "dead")
    cluster.fault = stop
    with pytest.raises(Killed):
        copy(dead)
    cluster.fault = None
    waited: list[str] = []
    cluster.wait = waited.append
    cluster.expire("dead")
    copy(join(cluster, "heir"))
    assert waited == ["dead"]
    assert state(cluster) == [[b"0"], [b"1"]]
    with pytest.raises(Fenced):
        dead.commit({EVENTS: 1})


def test_an_expired_transaction_fences_its_producer() -> None:
    cluster = cluster_with(0)
    writer = MemoryBroker(cluster).writer("learner")
    writer.begin()
    writer.produce("state", 0, b"k", b"v")
    cluster.expire_transaction("learner")
    with pytest.raises(Fenced, match="learner"):
        writer.produce("state", 0, b"k", b"v")
    with pytest.raises(Fenced):
        writer.commit()
    assert state(cluster) == [[], []]


def test_a_crashed_link_does_nothing_more_and_stays_a_member() -> None:
    cluster = cluster_with(4)
    link = join(cluster)
    link.poll(1, 0)
    link.begin()
    link.produce("state", 0, b"k", b"v")
    cluster.crash("worker")
    for call in (
        lambda: link.poll(1, 0),
        lambda: link.produce("state", 0, b"k", b"v"),
        lambda: link.commit({EVENTS: 1}),
        link.abort,
    ):
        with pytest.raises(BrokerError, match="crashed"):
            call()
    assert cluster.stable_offset(STATE) < cluster.watermarks(STATE)[1]
    heir = join(cluster, "heir")
    assert heir.poll(1, 0) == []
    cluster.expire("worker")
    assert heir.poll(1, 0)


def test_a_seed_decides_the_batches_and_repeats_them() -> None:
    def batches(seed: int | None) -> list[list[tuple[int, int]]]:
        cluster = cluster_with(40, seed=seed)
        link = join(cluster)
        found: list[list[tuple[int, int]]] = []
        while sum(map(len, found)) < 40:
            records: Sequence[Message] = link.poll(8, 0)
            found.append([(record.partition(), record.offset()) for record in records])
        return found

    assert batches(None)[:2] == [[(0, offset) for offset in range(8)], [(0, offset) for offset in range(8, 16)]]
    assert batches(7) == batches(7)
    assert batches(7) != batches(8)
    for partition in range(2):
        assert [offset for batch in batches(7) for p, offset in batch if p == partition] == list(range(20))


def test_compaction_keeps_the_newest_of_each_key_at_its_offset() -> None:
    cluster = MemoryCluster()
    cluster.create_topic("state", 1)
    for key, value in ((b"a", b"1"), (b"b", b"1"), (b"a", b"2"), (b"b", None), (b"c", b"1")):
        cluster.append("state", 0, key, value)
    writer = MemoryBroker(cluster).writer("writer")
    writer.begin()
    writer.produce("state", 0, b"a", b"aborted")
    writer.abort()
    writer.begin()
    writer.produce("state", 0, b"c", b"open")
    cluster.compact("state", 0)
    assert [(record.offset(), record.key(), record.value()) for record in cluster.read_committed("state", 0)] == [
        (2, b"a", b"2"),
        (3, b"b", None),
        (4, b"c", b"1"),
    ]
    writer.commit()
    cluster.compact("state", 0, tombstones=True)
    assert [(record.key(), record.value()) for record in cluster.read_committed("state", 0)] == [(b"a", b"2"), (b"c", b"open")]
    reader = MemoryBroker(cluster).reader("restore")
    reader.assign({STATE: -2})
    assert len(reader.poll(10, 0)) == 2
    assert reader.position(STATE) == reader.watermarks(STATE)[1]


def test_range_assignment_is_kafka_s() -> None:
    topics = {"c": ["events", "commands"], "a": ["events", "commands"], "b": ["events"]}
    assert range_assignment(topics, {"events": 7, "commands": 2}) == {
        "a": (TP("commands", 0), TP("events", 0), TP("events", 1), TP("events", 2)),
        "b": (TP("events", 3), TP("events", 4)),
        "c": (TP("commands", 1), TP("events", 5), TP("events", 6)),
    }


def test_topics_are_made_once_and_missed_by_name() -> None:
    cluster = cluster_with(0)
    with pytest.raises(TopicError, match="there already"):
        cluster.create_topic("events", 1)
    with pytest.raises(TopicError, match="nowhere-0"):
        cluster.append("nowhere", 0, None, None)
    with pytest.raises(TopicError, match="nowhere"):
        MemoryBroker(cluster).connection("g", "t").subscribe(["nowhere"], Owner(join(cluster)))
