"""What stands in a deployment's topics afterwards, read one record after another: a million customers are not kept."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from models.row import ROW
from streams.broker.confluent import KafkaBroker
from streams.errors import ShoalError
from streams.scoring.changelog import ROW_PREFIX, unpack_rows
from streams.scoring.digest import live_entries
from streams.settings import Settings

_SILENCE_S = 30.0
_BEHAVIOUR = "behaviour"


def committed(settings: Settings, name: str) -> Iterator[Message]:
    """All committed records of a topic, named without prefix. Raises ShoalError when an open transaction hides a part."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings.bootstrap_servers,
            "group.id": f"{settings.prefix}limits",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    waiting = set(range(settings.partitions))
    consumer.assign([TopicPartition(settings.topic(name), partition, 0) for partition in waiting])
    deadline = time.monotonic() + _SILENCE_S
    try:
        while waiting:
            for message in consumer.consume(10_000, 0.05):
                deadline = time.monotonic() + _SILENCE_S
                if (error := message.error()) is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    waiting.discard(message.partition() or 0)
                else:
                    raise KafkaException(error)
            if time.monotonic() > deadline:
                raise ShoalError(f"{name}: nothing more for {_SILENCE_S:.0f} s and no end of partitions {sorted(waiting)}")
    finally:
        consumer.close()


@dataclass
class Rows:
    """What the changelog holds: customers, their events, and those of customers asked for."""

    customers: int = 0
    events: int = 0
    each: dict[bytes, int] = field(default_factory=dict)


def rows(settings: Settings, asked: frozenset[bytes] = frozenset()) -> Rows:
    """Sums up the rows of all partitions, one partition at a time."""
    found = Rows()
    reader = KafkaBroker(settings).reader("limits")
    try:
        for partition in range(settings.partitions):
            live = live_entries(reader, settings.topic("state"), [partition])
            keys = [key for key in live if key.startswith(ROW_PREFIX)]
            held = unpack_rows([live[key] for key in keys], "state").view(ROW)["events"].reshape(-1)
            found.customers += len(keys)
            found.events += int(held.sum(dtype=np.int64))
            found.each |= {
                key[len(ROW_PREFIX) :]: int(held[place]) for place, key in enumerate(keys) if key[len(ROW_PREFIX) :] in asked
            }
    finally:
        reader.close()
    return found


class _Moved(msgspec.Struct):
    id: str
    customer_id: str
    segmentation: str
    hysteresis: str
    cause: str


@dataclass
class Moves:
    """What `segment-changes` holds. by: of each cause and segmentation. first: how many customers had a first behaviour.

    again: customers who had one more than once; twice: changes whose id another one has.
    """

    total: int = 0
    by: Counter[tuple[str, str]] = field(default_factory=Counter)
    first: int = 0
    again: int = 0
    twice: int = 0


def moves(settings: Settings) -> Moves:
    """Reads all changes."""
    found, decode = Moves(), msgspec.json.Decoder(_Moved).decode
    firsts: Counter[str] = Counter()
    ids: list[int] = []
    for message in committed(settings, "segment-changes"):
        moved = decode(message.value() or b"")
        found.by[moved.cause, moved.segmentation] += 1
        ids.append(hash(moved.id))
        if moved.segmentation == _BEHAVIOUR and moved.hysteresis == "first":
            firsts[moved.customer_id] += 1
    found.total, found.first = len(ids), len(firsts)
    found.again = sum(n > 1 for n in firsts.values())
    found.twice = len(ids) - len(np.unique(np.array(ids, np.int64)))
    return found
