"""The plain reader of the in-memory twin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from streams.broker.memory_cluster import MemoryCluster
from streams.broker.memory_log import MemoryMessage
from streams.broker.memory_transactions import Step
from streams.broker.protocol import TP
from streams.errors import BrokerError

_BEGINNING = -2


class MemoryReader:
    """`Reader` in memory."""

    def __init__(self, cluster: MemoryCluster, name: str) -> None:
        self._cluster = cluster
        self._name = name
        self._positions: dict[TP, int] = {}

    def assign(self, offsets: Mapping[TP, int]) -> None:
        """Starts at these offsets; -2 is the log's start."""
        for tp, offset in offsets.items():
            if offset < 0 and offset != _BEGINNING:
                raise BrokerError(f"{self._name}: {tp.topic}-{tp.partition}: {offset} is not an offset to read from")
        self._positions = {tp: self._cluster.log(tp).start if offset == _BEGINNING else offset for tp, offset in offsets.items()}

    def poll(self, limit: int, timeout: float) -> Sequence[MemoryMessage]:
        """At most `limit` records, at once. Raises BrokerError when an offset is not in the log."""
        self._cluster.step(Step(self._name, "poll", after=False))
        records = fetch(self._cluster, self._positions, limit, gone_from(self._name))
        self._cluster.step(Step(self._name, "poll", after=True))
        return records

    def position(self, partition: TP) -> int:
        """The next offset to be read; at the end of a partition, past its markers and aborted records."""
        return self._positions[partition]

    def watermarks(self, partition: TP) -> tuple[int, int]:
        """First offset kept and the high watermark."""
        return self._cluster.watermarks(partition)

    def partitions(self, topic: str) -> int:
        """How many partitions the topic has. Raises TopicError."""
        return self._cluster.partitions(topic)

    def close(self) -> None:
        """Frees everything."""
        self._positions = {}


def gone_from(name: str) -> Callable[[TP, int], BrokerError]:
    """What to raise when a reader of this name asks for an offset that is not in the log."""
    return lambda tp, offset: BrokerError(
        f"{name}: reading {tp.topic}-{tp.partition}: offset {offset} is not in the log any more, or not yet. "
        "Was the topic made anew, or its retention shorter than the reader was away?"
    )


def fetch(
    cluster: MemoryCluster, positions: dict[TP, int], limit: int, gone: Callable[[TP, int], BrokerError]
) -> list[MemoryMessage]:
    """Reads on from `positions`, which it moves. gone: what to raise if an offset is not in the log."""
    records: list[MemoryMessage] = []
    partitions = sorted(positions)
    if cluster.random is not None:
        cluster.random.shuffle(partitions)
    for tp in partitions:
        if len(records) == limit:
            break
        log = cluster.log(tp)
        if not log.start <= positions[tp] <= log.end:
            raise gone(tp, positions[tp])
        wanted = limit - len(records)
        if cluster.random is not None:
            wanted = cluster.random.randint(1, wanted)
        found, positions[tp] = log.read(positions[tp], wanted)
        records += found
    return records
