"""What Shoal asks of a broker: the worker's connection, the plain reader, the plain writer.

Three implementations share one conformance suite: `confluent` (Kafka, the embedded broker) and `memory` (the twin).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol


class TP(NamedTuple):
    """A topic's partition."""

    topic: str
    partition: int


class Message(Protocol):
    """A record as read; confluent_kafka.Message has this shape, so nothing is copied."""

    def topic(self) -> str: ...
    def partition(self) -> int: ...
    def offset(self) -> int: ...
    def key(self) -> bytes | None: ...
    def value(self) -> bytes | None: ...
    def timestamp(self) -> tuple[int, int]: ...
    def headers(self) -> list[tuple[str, bytes]] | None: ...


Headers = Sequence[tuple[str, bytes]]
Record = tuple[bytes | None, bytes | None, list[tuple[str, bytes]] | None]
"""Key, value and headers of a record to be written. A plain tuple: nothing is made faster, and there are many."""


class Ownership(Protocol):
    """Who is told of rebalances; called from inside `Connection.poll` and `close`."""

    def assigned(self, partitions: Sequence[TP]) -> None:
        """These are ours now. The connection reads none of them before `resume`: it has paused them."""

    def revoked(self, partitions: Sequence[TP]) -> None:
        """Finish or abort the open transaction: after this call they are another's."""

    def lost(self, partitions: Sequence[TP]) -> None:
        """They are another's already: abort, never commit."""


class Connection(Protocol):
    """A worker's link: one consumer in a group, one transactional producer. Not thread-safe.

    Reads are read_committed. Offsets are the caller's to track. Errors: Aborted (abort, read again), Fenced (end),
    Unknown (throw tables away), BrokerError.
    """

    def subscribe(self, topics: Sequence[str], ownership: Ownership) -> None:
        """Joins the group. Partitions arrive through `ownership`."""

    def poll(self, limit: int, timeout: float) -> Sequence[Message]:
        """At most `limit` records of partitions not paused; waits `timeout` seconds for the first. Keeps membership."""

    def pause(self, partitions: Sequence[TP]) -> None:
        """No more records of these from poll, also none that were fetched already."""

    def resume(self, partitions: Sequence[TP]) -> None:
        """Reads on where the last record returned, or `seek`, left off; at first, from the beginning of the log."""

    def seek(self, partition: TP, offset: int) -> None:
        """The next record is the one at `offset`. The partition must be assigned; it may be paused."""

    def committed(self, partitions: Sequence[TP]) -> dict[TP, int]:
        """The group's next offsets, -1 where none. Raises BrokerError if they are not told in a moment, as while an open
        transaction holds them: ask again."""

    def watermarks(self, partition: TP) -> tuple[int, int]:
        """First offset kept and the high watermark, asked of the broker, never cached."""

    def begin(self) -> None:
        """Opens a transaction."""

    def produce(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers | None = None) -> None:
        """Into the open transaction; waits while the queue is full."""

    def produce_all(self, topic: str, partition: int, records: Iterable[Record]) -> None:
        """`produce` of each, in order, at less cost."""

    def commit(self, offsets: Mapping[TP, int]) -> None:
        """Sends these next offsets of the group with the transaction and commits it; returns when it is durable.

        Give an offset of each partition that the transaction writes for, be it the same as before: the offsets are what
        stops a zombie. Without any, only another process under the same transactional id does.
        """

    def abort(self) -> None:
        """Gives the open transaction up."""

    def close(self) -> None:
        """Leaves the group (revoked is called) and frees everything; aborts what is open."""


class Reader(Protocol):
    """Reads given partitions from given offsets, read_committed, outside any group."""

    def assign(self, offsets: Mapping[TP, int]) -> None:
        """Starts at these offsets (0 or the log's start, whichever is later, for -2)."""

    def poll(self, limit: int, timeout: float) -> Sequence[Message]:
        """At most `limit` records."""

    def position(self, partition: TP) -> int:
        """The next offset to be read; moves past commit markers and aborted records too."""

    def watermarks(self, partition: TP) -> tuple[int, int]:
        """First offset kept and the high watermark, asked of the broker."""

    def partitions(self, topic: str) -> int:
        """How many partitions the topic has. TopicError if it is not there."""

    def close(self) -> None:
        """Frees everything."""


class Writer(Protocol):
    """A transactional producer without a consumer: the learner's, and the one of `definitions apply`."""

    def begin(self) -> None: ...
    def produce(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers | None = None
    ) -> None: ...
    def commit(self) -> None: ...
    def abort(self) -> None: ...
    def close(self) -> None: ...


class Broker(Protocol):
    """Makes links to one cluster."""

    def connection(self, group: str, transactional_id: str) -> Connection:
        """A worker's link. `transactional_id` is unique for each live process and stable over its restarts."""

    def reader(self, name: str) -> Reader:
        """A reader; `name` shows in the broker's logs."""

    def writer(self, transactional_id: str) -> Writer:
        """A transactional producer; opening it fences the one before with the same id."""
