"""A partition of the in-memory twin: records, markers at offsets of their own, the last stable offset."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from streams.broker.protocol import TP, Headers


class MemoryMessage:
    """A record of the twin; answers as confluent_kafka.Message does."""

    __slots__ = ("_headers", "_key", "_offset", "_time_ms", "_tp", "_value")

    def __init__(
        self, tp: TP, offset: int, key: bytes | None, value: bytes | None, headers: Headers | None, time_ms: int
    ) -> None:
        self._tp, self._offset, self._key, self._value, self._time_ms = tp, offset, key, value, time_ms
        self._headers = list(headers) if headers else None

    def topic(self) -> str:
        """The topic's name."""
        return self._tp.topic

    def partition(self) -> int:
        """The partition's number."""
        return self._tp.partition

    def offset(self) -> int:
        """The record's offset in its partition."""
        return self._offset

    def key(self) -> bytes | None:
        """The key, None if there is none."""
        return self._key

    def value(self) -> bytes | None:
        """The value, None for a tombstone."""
        return self._value

    def timestamp(self) -> tuple[int, int]:
        """(1, ms since 1970): 1 says that the producer gave it."""
        return 1, self._time_ms

    def headers(self) -> list[tuple[str, bytes]] | None:
        """The headers in their order, None if there are none."""
        return self._headers

    def __repr__(self) -> str:
        return f"<{self._tp.topic}-{self._tp.partition}@{self._offset} {self._key!r}: {self._value!r}>"


@dataclass(slots=True)
class _Entry:
    offset: int
    message: MemoryMessage | None  # None: a marker
    transaction: int | None


@dataclass(slots=True)
class PartitionLog:
    """An append-only log with transactions. `transaction` is a number that is never used twice."""

    tp: TP
    start: int = 0
    end: int = 0
    _entries: list[_Entry] = field(default_factory=list)
    _open: dict[int, int] = field(default_factory=dict)  # transaction without marker -> its first offset
    _aborted: set[int] = field(default_factory=set)

    def append(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None,
        time_ms: int,
        transaction: int | None = None,
    ) -> int:
        """Returns the record's offset."""
        offset = self.end
        if transaction is not None:
            self._open.setdefault(transaction, offset)
        message = MemoryMessage(self.tp, offset, key, value, headers, time_ms)
        self._entries.append(_Entry(offset, message, transaction))
        self.end += 1
        return offset

    def mark(self, transaction: int, committed: bool) -> None:
        """The marker that ends a transaction here; it takes an offset."""
        del self._open[transaction]
        if not committed:
            self._aborted.add(transaction)
        self._entries.append(_Entry(self.end, None, transaction))
        self.end += 1

    def stable(self) -> int:
        """The last stable offset: what read_committed readers do not get past."""
        return min(self._open.values(), default=self.end)

    def read(self, offset: int, limit: int, committed: bool = True) -> tuple[list[MemoryMessage], int]:
        """At most `limit` records from `offset` on, and where to read on: past markers and aborted ones at the end."""
        end = self.stable() if committed else self.end
        found: list[MemoryMessage] = []
        for index in range(bisect_left(self._entries, offset, key=_offset_of), len(self._entries)):
            entry = self._entries[index]
            if entry.offset >= end:
                break
            if entry.message is None or (committed and entry.transaction in self._aborted):
                continue
            if len(found) == limit:
                return found, found[-1].offset() + 1
            found.append(entry.message)
        if len(found) == limit and found:
            # As on Kafka, the end is noticed only by reading on.
            return found, found[-1].offset() + 1
        return found, max(offset, end)

    def delete_before(self, offset: int) -> None:
        """Retention: the log begins at `offset` from now on."""
        self.start = max(self.start, min(offset, self.stable()))
        self._entries = [entry for entry in self._entries if entry.offset >= self.start]

    def compact(self, tombstones: bool = False) -> None:
        """Keeps the newest committed record of each key; with `tombstones`, drops those too. Offsets stay."""
        end = self.stable()
        newest: dict[bytes | None, int] = {}
        for entry in self._entries:
            if entry.offset < end and entry.message is not None and entry.transaction not in self._aborted:
                newest[entry.message.key()] = entry.offset
        self._entries = [entry for entry in self._entries if entry.offset >= end or self._stays(entry, newest, tombstones)]

    def open_transactions(self) -> Sequence[int]:
        """The transactions that have records and no marker here."""
        return sorted(self._open)

    def _stays(self, entry: _Entry, newest: dict[bytes | None, int], tombstones: bool) -> bool:
        if entry.message is None or newest.get(entry.message.key()) != entry.offset:
            return False
        return not (tombstones and entry.message.value() is None)


def _offset_of(entry: _Entry) -> int:
    return entry.offset
