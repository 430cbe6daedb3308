"""The worker's open transaction: everything that its partitions write goes into it, and it says when it should be committed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from streams.broker.protocol import TP, Connection, Headers, Record
from streams.clock import Clock
from streams.settings import Settings


class Transaction:
    """The one transaction of a connection, opened by the first write into it. A partition's `Sink`."""

    def __init__(self, clock: Clock, settings: Settings) -> None:
        self._clock = clock
        self._shortest, self._longest = settings.commit_min_ms / 1000, settings.commit_max_ms / 1000
        self._longest_open = settings.transaction_timeout_ms / 1000
        self._connection: Connection | None = None
        self._open = False
        self._began_at = 0.0
        self.committed_at = clock.monotonic()
        """When the last commit, or the last look whether one was needed, was over; seconds."""

    def belongs_to(self, connection: Connection) -> None:
        """A new connection: what was open on the one before is lost with it."""
        self._connection, self._open = connection, False

    def write(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers | None = None) -> None:
        """Into the open transaction; opens one if there is none."""
        self.begin().produce(topic, partition, key, value, headers)

    def write_all(self, topic: str, partition: int, records: Iterable[Record]) -> None:
        """Into the open transaction, in order; opens one if there is none."""
        self.begin().produce_all(topic, partition, records)

    def begin(self) -> Connection:
        """Opens one if there is none."""
        assert self._connection is not None
        if not self._open:
            self._connection.begin()
            self._open = True
            self._began_at = self._clock.monotonic()
        return self._connection

    def is_due(self, *, behind: bool) -> bool:
        """Whether it is time to commit: late while the worker is behind its input, else soon."""
        return self._clock.monotonic() - self.committed_at >= (self._longest if behind else self._shortest)

    def commit(self, offsets: Mapping[TP, int]) -> None:
        """Commits all that was written together with these next offsets; returns when it is durable. Raises as the connection."""
        self.begin().commit(offsets)
        self._open = False

    def abort(self) -> None:
        """Gives up what is open."""
        if self._open:
            assert self._connection is not None
            self._connection.abort()
            self._open = False

    def abandon(self) -> None:
        """What is open is left to the broker: the connection is of no more use."""
        self._open = False

    @property
    def is_overdue(self) -> bool:
        """Whether one is open for longer than the broker allows, so that nobody else need have fenced us."""
        return self._open and self._clock.monotonic() - self._began_at >= self._longest_open
