"""What the conformance suite needs of a broker beyond the protocol: topics, plain records, and ways to do it harm."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Protocol

from streams.broker.protocol import TP, Broker, Connection, Headers, Message


class Site(Protocol):
    """One broker under test."""

    @property
    def broker(self) -> Broker:
        """Makes the links."""

    def topic(self, partitions: int) -> str:
        """A new topic's name."""

    def append(
        self,
        tp: TP,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
        timestamp: int | None = None,
    ) -> None:
        """A record outside any transaction."""

    def silence(self, group: str, transactional_id: str) -> None:
        """Returns when the group has expelled this connection's member, which has not heard of it."""

    def begin_offsets(self, group: str, offsets: Mapping[TP, int]) -> Callable[[bool], None]:
        """A transaction of somebody else holds offsets of the group; call what this returns to commit or abort it."""

    def while_waiting(self, act: Callable[[], None]) -> None:
        """Does this while somebody waits for that transaction."""

    def delete_before(self, tp: TP, offset: int) -> None:
        """Retention has taken what is before `offset`."""


class Worker:
    """A connection with the simplest owner: reads on from the committed offsets, and notes what it is told."""

    def __init__(self, site: Site, group: str, transactional_id: str, log: list[tuple[str, str, TP]]) -> None:
        self.name = transactional_id
        self.link: Connection = site.broker.connection(group, transactional_id)
        self.log = log
        self.owned: set[TP] = set()
        self.records: list[Message] = []
        self.resumes = True
        self.on_revoked: Callable[[], None] = _nothing

    def assigned(self, partitions: Sequence[TP]) -> None:
        self._note("assigned", partitions)
        self.owned.update(partitions)
        if self.resumes:
            self.go_on(partitions)

    def revoked(self, partitions: Sequence[TP]) -> None:
        try:
            self.on_revoked()
        finally:
            self._note("revoked", partitions)
            self.owned.difference_update(partitions)

    def lost(self, partitions: Sequence[TP]) -> None:
        self._note("lost", partitions)
        self.owned.difference_update(partitions)

    def go_on(self, partitions: Sequence[TP]) -> None:
        """Reads these from the committed offsets on."""
        for tp, offset in self.link.committed(partitions).items():
            self.link.seek(tp, max(offset, 0))
        self.link.resume(partitions)

    def next(self, limit: int = 1) -> Sequence[Message]:
        """The next batch that is not empty."""
        deadline = time.monotonic() + 20
        while not (found := self.poll(limit)):
            assert time.monotonic() < deadline, "nothing comes"
        return found

    def poll(self, limit: int = 500, timeout: float = 0.02) -> Sequence[Message]:
        records = self.link.poll(limit, timeout)
        self.records += records
        return records

    def told(self, what: str) -> list[TP]:
        """The partitions of all calls of this kind, in order."""
        return [tp for kind, name, tp in self.log if kind == what and name == self.name]

    def _note(self, what: str, partitions: Sequence[TP]) -> None:
        self.log += [(what, self.name, tp) for tp in partitions]


def drive(until: Callable[[], bool], *workers: Worker, within: float = 20.0) -> None:
    """Polls all in turn until it is so."""
    deadline = time.monotonic() + within
    while not until():
        assert time.monotonic() < deadline, f"not within {within} s"
        for worker in workers:
            worker.poll()


def quiet(*workers: Worker, seconds: float = 0.3) -> list[Message]:
    """What comes within a while: for "nothing comes"."""
    deadline = time.monotonic() + seconds
    found: list[Message] = []
    while time.monotonic() < deadline:
        for worker in workers:
            found += worker.poll()
    return found


def values(records: Sequence[Message]) -> list[bytes | None]:
    """Their values in order."""
    return [record.value() for record in records]


def read_all(site: Site, topic: str, partitions: int = 1) -> list[Message]:
    """All that is committed, partition by partition, read to the high watermarks. No transaction may be open."""
    reader = site.broker.reader("conformance")
    found: list[Message] = []
    try:
        for partition in range(partitions):
            tp = TP(topic, partition)
            reader.assign({tp: -2})
            end = reader.watermarks(tp)[1]
            deadline = time.monotonic() + 10
            while reader.position(tp) < end:
                assert time.monotonic() < deadline, f"the reader stays at {reader.position(tp)}, below {end}"
                found += reader.poll(500, 0.1)
    finally:
        reader.close()
    return found


def read_until_refused(site: Site, tp: TP, offset: int) -> None:
    """Reads from there, for ten seconds at most."""
    with closing(site.broker.reader("conformance")) as reader:
        reader.assign({tp: offset})
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            reader.poll(10, 0.1)


def _nothing() -> None:
    """What a worker does when it is told to give up, unless a test says more."""
