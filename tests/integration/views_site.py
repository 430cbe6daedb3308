"""What the tests of the views share: records as a worker writes them, and the process that serves them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
from confluent_kafka import Producer

from streams.contracts.changes import (
    Change,
    CustomerSegments,
    LastChange,
    Membership,
    Recommend,
    Scores,
    Source,
)
from streams.settings import Settings
from streams.views.client import ViewsClient
from streams.views.errors import ViewsError

ROOT = Path(__file__).parents[2]
T = TypeVar("T")

SINCE = "2011-05-02T10:00:00Z"


def membership(segment: str) -> Membership:
    return Membership(segment, segment.replace("_", " ").capitalize(), SINCE)


def customer(customer_id: str, lifecycle: str, micro: Iterable[str] = (), at: str = SINCE) -> CustomerSegments:
    """A customer in a segment of `lifecycle`, of `value`, and of `micro` if any."""
    return CustomerSegments(
        customer_id=customer_id,
        at=at,
        memberships={"lifecycle": membership(lifecycle), "value": membership("high")},
        micro=[membership(segment) for segment in micro],
        scores=Scores(churn=0.25),
        last_changes={"lifecycle": LastChange(SINCE, None)},
        model={"churn": 3},
        definitions="0123abcd",
    )


def change(number: int, previous: str | None, current: str, at: str = SINCE, segmentation: str = "lifecycle") -> Change:
    """A customer moved from one segment to another."""
    return Change(
        id=f"e-0-{number}-0",
        customer_id=f"customer-{number}",
        segmentation=segmentation,
        previous=None if previous is None else membership(previous),
        current=membership(current),
        at=at,
        cause="event",
        confidence=0.9,
        scores=Scores(churn=0.25),
        thresholds=Scores(churn=0.5),
        reasons=[],
        hysteresis="immediate",
        model=None,
        definitions="0123abcd",
        source=Source("events", 0, number),
        recommend=Recommend(),
        holdout=False,
        consent=True,
    )


class Worker:
    """Writes `segments` and `segment-changes` as workers do: in transactions, to the partition that they read."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer = Producer({
            "bootstrap.servers": settings.bootstrap_servers,
            "transactional.id": f"{settings.prefix}tests",
            "transaction.timeout.ms": 30_000,
        })  # fmt: skip
        self._producer.init_transactions(20)

    @contextmanager
    def transaction(self, *, commit: bool = True) -> Iterator[None]:
        """What is put meanwhile is committed, or aborted, at the end."""
        self._producer.begin_transaction()
        yield
        # So that aborted records are in the topic, and not just forgotten.
        self.flush()
        if commit:
            self._producer.commit_transaction(20)
        else:
            self._producer.abort_transaction(20)

    def write(self, customers: Iterable[CustomerSegments] = (), changes: Iterable[Change] = (), *, commit: bool = True) -> None:
        """One transaction."""
        with self.transaction(commit=commit):
            for each in customers:
                self.put_customer(each)
            for moved in changes:
                self._put("segment-changes", moved.customer_id, msgspec.json.encode(moved))

    def erase(self, customer_id: str) -> None:
        """A tombstone."""
        with self.transaction():
            self._put("segments", customer_id, None)

    def write_raw(self, topic: str, key: bytes | None, value: bytes) -> None:
        """Any bytes at all, into partition 0."""
        with self.transaction():
            self._producer.produce(self._settings.topic(topic), value, key, partition=0)

    def put_customer(self, customer: CustomerSegments) -> None:
        """Into the open transaction."""
        self._put("segments", customer.customer_id, msgspec.json.encode(customer))

    def flush(self) -> None:
        """Returns when the broker has all that was put."""
        assert self._producer.flush(20) == 0

    def _put(self, topic: str, customer_id: str, value: bytes | None) -> None:
        partition = sum(customer_id.encode()) % self._settings.partitions
        self._producer.produce(self._settings.topic(topic), value, customer_id, partition=partition)
        self._producer.poll(0)


class Serving:
    """A running `shoal serve`."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
        self.process, self.url, self.log = process, url, log
        self.client = ViewsClient(url)

    def wait_ready(self, within: float = 40.0) -> None:
        """Returns when the tables are rebuilt."""
        self.eventually(lambda: self.client.status().ready, within)

    def eventually(self, holds: Callable[[], T], within: float = 20.0) -> T:
        """What `holds` returns once that is true; views that do not answer yet are asked again."""
        deadline = time.monotonic() + within
        while True:
            try:
                if found := holds():
                    return found
                last = "it does not hold"
            except ViewsError as error:
                last = str(error)
            assert self.process.poll() is None, f"serve ended with {self.process.returncode}: {self.log.read_text()}"
            assert time.monotonic() < deadline, f"not within {within} s: {last}; {self.log.read_text()}"
            time.sleep(0.05)

    def kill(self) -> None:
        """As a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def terminate(self) -> int:
        """In good order; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


@contextmanager
def serving(settings: Settings, folder: Path, store_every: float | None = None) -> Iterator[Serving]:
    """`shoal serve` with these settings, killed at the end if it still runs.

    `store_every`: seconds between two writes of the flows, where a test cannot wait for the usual time.
    """
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SHOAL_")},
        "SHOAL_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "SHOAL_PREFIX": settings.prefix,
        "SHOAL_PARTITIONS": str(settings.partitions),
        "SHOAL_HTTP_PORT": str(port),
    }
    log = folder / "serve.log"
    with log.open("ab") as output:
        impatience = f"import streams.views.app as app; app.STORE_EVERY = {store_every}; " if store_every else ""
        command = [sys.executable, "-c", f"{impatience}from streams.cli.main import main; main()", "serve"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    running = Serving(process, f"http://127.0.0.1:{port}", log)
    try:
        yield running
    finally:
        running.client.close()
        if process.poll() is None:
            running.kill()


def free_port() -> int:
    """A port on 127.0.0.1 that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
