"""The worker's open transaction: everything that its partitions write goes into it, and it says when it should be committed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from streams.broker.protocol import TP, Connection, Headers, Record
from streams.clock import Clock
from streams.settings import Settings

log = logging.getLogger(__name__)

_MOST_ROWS = 50_000
"""Rows changed in a transaction after which it is committed whatever the time: bounds the before-images kept."""
_FEWEST_ROWS = 250
_SHARE = 0.5
"""A transaction that is open for more of the time that the broker allows was too large for this broker. Less would mistake a
busy machine for a slow broker, and smaller transactions help nobody there (seen in a soak: a lag of minutes)."""


class Transaction:
    """The one transaction of a connection, opened by the first write into it. A partition's `Sink`."""

    def __init__(self, clock: Clock, settings: Settings) -> None:
        self._clock = clock
        self._shortest, self._longest = settings.commit_min_ms / 1000, settings.commit_max_ms / 1000
        self._longest_open = settings.transaction_timeout_ms / 1000
        self._connection: Connection | None = None
        self._open = False
        self._began_at = 0.0
        self._rows = 0
        self.rows_at_most = _MOST_ROWS
        """Of one transaction: as many as the last ones showed that the broker takes in good time."""
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

    def is_due(self, rows: int, *, behind: bool) -> bool:
        """Whether it is time to commit, with so many rows changed: late while the worker is behind its input, else soon."""
        self._rows = rows
        if rows > self.rows_at_most:
            return True
        return self._clock.monotonic() - self.committed_at >= (self._longest if behind else self._shortest)

    def commit(self, offsets: Mapping[TP, int]) -> None:
        """Commits all that was written together with these next offsets; returns when it is durable. Raises as the connection."""
        self.begin().commit(offsets)
        self._ended()

    def abort(self) -> None:
        """Gives up what is open."""
        if self._open:
            assert self._connection is not None
            self._connection.abort()
            self._ended()

    def abandon(self) -> None:
        """What is open is left to the broker: the connection is of no more use."""
        if self._open:
            self._ended()

    def _ended(self) -> None:
        """The next may be as large as the time of this one shows."""
        self._open = False
        took = self._clock.monotonic() - self._began_at
        share = took / self._longest_open
        if share > _SHARE:
            self.rows_at_most = max(_FEWEST_ROWS, min(self.rows_at_most, self._rows) // 2)
            log.info("a transaction of %d rows was open for %.1f s: the next ends at %d", self._rows, took, self.rows_at_most)
        elif share < _SHARE / 2:
            self.rows_at_most = min(_MOST_ROWS, self.rows_at_most * 2)
        self._rows = 0

    @property
    def is_overdue(self) -> bool:
        """Whether one is open for longer than the broker allows, so that nobody else need have fenced us."""
        return self._open and self._clock.monotonic() - self._began_at >= self._longest_open
