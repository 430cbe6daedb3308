"""The in-memory twin of a Kafka cluster: single-threaded, deterministic, every step open to a scheduler.

    cluster = MemoryCluster()
    cluster.create_topic("events", 4)
    cluster.append("events", 0, b"ada", b"{}")
    connection = MemoryBroker(cluster).connection("workers", "worker-0")

Nothing waits and no time passes by itself: `poll` returns at once, sessions end by `expire`, transactions by
`expire_transaction`. Where Kafka would make a caller wait for another's open transaction, the twin first calls `wait`
and then takes it that the transaction's time is over. `fault` is called before and after each step, and what it raises
comes out of the call under way: an exception after a step is a reply that was lost.
"""

from __future__ import annotations

from streams.broker.memory_cluster import MemoryCluster
from streams.broker.memory_connection import MemoryConnection
from streams.broker.memory_log import MemoryMessage
from streams.broker.memory_producer import MemoryWriter
from streams.broker.memory_reader import MemoryReader
from streams.broker.memory_transactions import Step

__all__ = ["MemoryBroker", "MemoryCluster", "MemoryMessage", "Step"]


class MemoryBroker:
    """`Broker` on a cluster in memory."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self._cluster = cluster

    def connection(self, group: str, transactional_id: str) -> MemoryConnection:
        """A worker's link; fences the one before."""
        return MemoryConnection(self._cluster, group, transactional_id)

    def reader(self, name: str) -> MemoryReader:
        """A reader of given partitions."""
        return MemoryReader(self._cluster, name)

    def writer(self, transactional_id: str) -> MemoryWriter:
        """A transactional producer; fences the one before."""
        return MemoryWriter(self._cluster, transactional_id)
