"""What the conformance suite does with a broker again and again, and a team of workers on it that ends with the test."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from uuid import uuid4

import pytest

from streams.broker.protocol import TP, Message, Reader, Writer
from streams.errors import BrokerError
from tests.integration.broker_site import Site, Worker, drive


def unique(name: str) -> str:
    return f"{name}-{uuid4().hex[:8]}"


def fill(site: Site, tp: TP, count: int) -> list[bytes]:
    written = [b"%d" % number for number in range(count)]
    for value in written:
        site.append(tp, b"k" + value, value)
    return written


def read_some(reader: Reader, count: int, limit: int = 10) -> list[Message]:
    """At least `count` records."""
    found: list[Message] = []
    deadline = time.monotonic() + 10
    while len(found) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count} records came"
        found += reader.poll(limit, 0.1)
    return found


def write(writer: Writer, tp: TP, *written: bytes) -> None:
    writer.begin()
    for value in written:
        writer.produce(*tp, value, value)
    writer.commit()


def until_high(site: Site, tp: TP, high: int) -> None:
    """Returns when the high watermark is there: records leave the producer, and markers its coordinator, in their time."""
    with closing(site.broker.reader("conformance")) as reader:
        deadline = time.monotonic() + 10
        while (now := reader.watermarks(tp)[1]) < high:
            assert time.monotonic() < deadline, f"the high watermark stays at {now}, below {high}"
            time.sleep(0.02)


class Team:
    """Makes workers of one group, and closes them."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.group = unique("group")
        self.log: list[tuple[str, str, TP]] = []
        self.open = ExitStack()

    def worker(self, *topics: str, transactional_id: str | None = None) -> Worker:
        worker = Worker(self.site, self.group, transactional_id or unique("worker"), self.log)
        self.open.callback(self._close, worker)
        if topics:
            worker.link.subscribe(topics, worker)
        return worker

    def alone(self, topic: str, partitions: int) -> Worker:
        """A worker that has all partitions of the topic and has read nothing yet."""
        worker = self.worker(topic)
        worker.resumes = False
        drive(lambda: len(worker.owned) == partitions, worker)
        worker.resumes = True
        worker.go_on(sorted(worker.owned))
        return worker

    def writer(self, transactional_id: str | None = None) -> Writer:
        return self.open.enter_context(closing(self.site.broker.writer(transactional_id or unique("writer"))))

    def _close(self, worker: Worker) -> None:
        # A test may have closed it, or fenced it.
        with suppress(BrokerError):
            worker.link.close()


@pytest.fixture
def team(site: Site) -> Iterator[Team]:
    made = Team(site)
    with made.open:
        yield made
