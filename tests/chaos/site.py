"""A broker of the programs' own, and topics that begin anew for each run under the same names."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from streams.admin import admin, partition_counts
from streams.embedded import Kind, RunningBroker, start_broker
from streams.errors import ShoalError
from streams.settings import Settings
from streams.topics import TOPICS, create_topics
from tests.chaos.line import Line, records

PREFIX = "chaos."
_WITHIN_S = 60.0
_NO_GROUP = KafkaError.GROUP_ID_NOT_FOUND
_NOT_YET = (
    KafkaError.NON_EMPTY_GROUP,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)


@dataclass(frozen=True, slots=True)
class Site:
    """A broker. `storage`: where a local Kafka keeps its partitions, None for one that keeps them in memory."""

    servers: str
    storage: Path | None

    def settings(self, **given: Any) -> Settings:
        """Ticks and four partitions; a member that is gone is noticed after three seconds, a transaction after six."""
        options = {
            "bootstrap_servers": self.servers,
            "prefix": PREFIX,
            "partitions": 4,
            "clock": "ticks",
            "horizon_days": 10,
            "sample_every_days": 3,
            "session_timeout_ms": 3_000,
            "transaction_timeout_ms": 6_000,
            **given,
        }
        return Settings(**options)

    def folders(self, settings: Settings, *names: str) -> list[Path]:
        """Of all partitions of these topics."""
        if self.storage is None:
            return []
        found = (self.storage.glob(f"{settings.topic(name)}-*") for name in names)
        return [folder for topic in found for folder in topic if folder.name.rpartition("-")[2].isdigit()]


@contextmanager
def broker(kind: Kind) -> Iterator[Site]:
    """Starts one in a temporary folder, and stops it at the end."""
    with start_broker(kind) as running:
        yield site_of(running)


def site_of(running: RunningBroker) -> Site:
    """The site of a broker that runs already."""
    return Site(running.bootstrap_servers, running.folder / "kafka" if running.kind == "kafka" else None)


def begin(settings: Settings) -> None:
    """Empty topics and no group, whatever was there: the same names, so that what is written can be the same bytes."""
    remove(settings, [topic.name for topic in TOPICS])
    client, group = admin(settings), settings.group_name()
    deadline = time.monotonic() + _WITHIN_S
    while group in [known.group_id for known in client.list_consumer_groups(request_timeout=10).result().valid]:
        why = _tolerate(client.delete_consumer_groups([group])[group], _NO_GROUP, *_NOT_YET)
        _pause(deadline, f"group {group} cannot be removed (error {why})")
    create_topics(settings)


def remove(settings: Settings, names: Sequence[str]) -> None:
    """Removes topics, named as in `streams.topics`; returns when they are gone."""
    client, ours = admin(settings), [settings.topic(name) for name in names]
    deadline = time.monotonic() + _WITHIN_S
    while there := [name for name in ours if name in partition_counts(settings, client)]:
        for future in client.delete_topics(there).values():
            _tolerate(future, KafkaError.UNKNOWN_TOPIC_OR_PART)
        _pause(deadline, f"topics {', '.join(there)} are still there")


def _tolerate(future: Any, *codes: int) -> int | None:
    """The result's error code, if it is one of these; None when all went well."""
    try:
        future.result(timeout=_WITHIN_S)
    except KafkaException as raised:
        code: int = raised.args[0].code()
        if code not in codes:
            raise
        return code
    return None


def _pause(deadline: float, what: str) -> None:
    if time.monotonic() > deadline:
        raise ShoalError(f"{what} after {_WITHIN_S:.0f} s")
    time.sleep(0.05)


def pour(settings: Settings, line: Line) -> None:
    """Writes the line into the topics, each record to its partition, without gaps between offsets."""
    failures: list[str] = []
    producer = Producer(
        {
            "bootstrap.servers": settings.bootstrap_servers,
            "log_level": 3,
            "enable.idempotence": True,
            "linger.ms": 5,
            "message.max.bytes": 1_048_588,
            "delivery.report.only.error": True,
            "on_delivery": lambda error, message: failures.append(f"{message.topic()}: {error}"),
        }
    )
    for name, partition, record in records(line):
        while True:
            try:
                producer.produce(settings.topic(name), record.value, record.key, partition=partition)
                break
            except BufferError:
                producer.poll(0.05)
    producer.flush()
    if failures:
        raise ShoalError(f"the input was not written whole: {failures[0]}, and {len(failures) - 1} more")
