"""Reads all topics of a deployment as they are written, for topics forget: keeps what concerns the customers that are followed.

Of them, and of all that belongs to no customer, every committed record; of the others only how many there were. Of each
change of theirs that an event has caused it knows how long after the event was written it was to be seen.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import cast

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from streams.admin import partition_counts
from streams.broker.confluent_errors import PASSING
from streams.contracts.changes import Cause, Source
from streams.errors import ShoalError
from streams.scoring.changelog import CURSOR_KEY, PENDING_PREFIX
from streams.settings import Settings
from tests.oracle.kept import Kept

_AT_ONCE = 20_000
_WITHIN_S = 60.0
Place = tuple[str, int]


class _Caused(msgspec.Struct):
    cause: Cause
    source: Source


_caused = msgspec.json.Decoder(_Caused).decode


class Recorder(threading.Thread):
    """Follows the customers whose id ends with `suffix`. Reads from the beginning until `finish`.

    counts: committed records of each topic, named without prefix. delays: when a change was seen (s, as `time.time`), and how
    long after its event (s).
    """

    def __init__(self, settings: Settings, suffix: bytes) -> None:
        super().__init__(name="recorder", daemon=True)
        self.counts: Counter[str] = Counter()
        self.suffix = suffix
        self._settings = settings
        self._kept: dict[Place, list[KafkaMessage]] = defaultdict(list)
        self._written: dict[tuple[int, int], float] = {}
        self._seen: list[tuple[float, int, int]] = []
        self._ends: dict[Place, int] | None = None
        self._read_to: dict[Place, int] = {}
        self._failure: Exception | None = None
        self._places = [
            (name, partition)
            for name, n in partition_counts(settings).items()
            if name.startswith(settings.prefix)
            for partition in range(n)
        ]
        self._events, self._changes, self._state = (settings.topic(name) for name in ("events", "segment-changes", "state"))
        self._whole = {settings.topic(name) for name in ("journal", "models", "events.dlq", "commands")}

    def follows(self, customer: bytes) -> bool:
        """Whether a customer's records are kept."""
        return customer.endswith(self.suffix)

    def run(self) -> None:
        """Reads; what goes wrong is raised by `finish`."""
        consumer = Consumer(
            {
                "bootstrap.servers": self._settings.bootstrap_servers,
                "group.id": f"{self._settings.prefix}recorder",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 10,
                "log_level": 0,
            }
        )
        consumer.assign([TopicPartition(*place, 0) for place in self._places])
        try:
            while not self._done():
                self._take(consumer.consume(_AT_ONCE, 0.02))
        except (KafkaException, msgspec.DecodeError) as raised:
            self._failure = raised
        finally:
            consumer.close()

    def check(self) -> None:
        """Raises ShoalError if it does not read any more."""
        if self._failure is not None:
            raise ShoalError(f"what was written could not be read: {self._failure}") from self._failure

    def finish(self) -> None:
        """Nobody writes any more: returns when all is read. Raises ShoalError if it is not."""
        asking = Consumer(
            {"bootstrap.servers": self._settings.bootstrap_servers, "group.id": "recorder", "isolation.level": "read_committed"}
        )
        ends = {place: asking.get_watermark_offsets(TopicPartition(*place), timeout=10)[1] for place in self._places}
        asking.close()
        self._ends = ends
        self.join(_WITHIN_S)
        self.check()
        if self.is_alive():
            behind = [f"{place[0]}-{place[1]}" for place, end in ends.items() if self._read_to.get(place, 0) < end]
            raise ShoalError(f"{', '.join(behind)} could not be read to the end within {_WITHIN_S:.0f} s")

    def read(self, name: str) -> Sequence[Sequence[Kept]]:
        """What was kept of a topic, named without prefix, by partition."""
        topic = self._settings.topic(name)
        kept = [self._kept[place] for place in sorted(self._places) if place[0] == topic]
        return cast("list[list[Kept]]", kept)

    @property
    def delays(self) -> list[tuple[float, float]]:
        """See above."""
        return [
            (at, at - self._written[source]) for at, *place in self._seen if (source := (place[0], place[1])) in self._written
        ]

    def _done(self) -> bool:
        ends: Mapping[Place, int] | None = self._ends
        return ends is not None and all(self._read_to.get(place, 0) >= end for place, end in ends.items())

    def _take(self, messages: Sequence[KafkaMessage]) -> None:
        now, suffix, whole = time.time(), self.suffix, self._whole
        counts: Counter[str] = Counter()
        for message in messages:
            if message.error() is not None:
                self._error(message)
                continue
            topic, key = cast("str", message.topic()), message.key()
            counts[topic] += 1
            if key is None or topic in whole or key.endswith(suffix) or (topic == self._state and self._lasting(key)):
                self._keep(topic, message, now)
        prefix = len(self._settings.prefix)
        for topic, n in counts.items():
            self.counts[topic[prefix:]] += n

    def _keep(self, topic: str, message: KafkaMessage, now: float) -> None:
        partition, offset = cast("int", message.partition()), cast("int", message.offset())
        self._kept[topic, partition].append(message)
        if topic == self._events:
            self._written[partition, offset] = message.timestamp()[1] / 1000
        elif topic == self._changes:
            change = _caused(message.value() or b"")
            if change.cause == "event":
                self._seen.append((now, change.source.partition, change.source.offset))

    def _lasting(self, key: bytes) -> bool:
        """Whether an entry of the changelog is a followed customer's sample, or the cursor."""
        return key == CURSOR_KEY or (key.startswith(PENDING_PREFIX) and key.rpartition(b"|")[0].endswith(self.suffix))

    def _error(self, message: KafkaMessage) -> None:
        error = message.error()
        assert error is not None
        if error.code() == KafkaError._PARTITION_EOF:
            self._read_to[cast("str", message.topic()), cast("int", message.partition())] = cast("int", message.offset())
        elif error.code() not in PASSING:
            raise KafkaException(error)
