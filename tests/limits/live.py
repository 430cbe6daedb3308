"""Events that come at a steady rate while a worker is pushed, and how long theirs took: each event's commit, each change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import cast

import msgspec
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from streams.contracts.changes import Cause, Source
from streams.errors import ShoalError
from streams.settings import Settings
from tests.limits.input import Event

_WITHIN_S = 30.0
_TURN_S = 0.002
_READS_WITHIN_S = 1.5


class Live(threading.Thread):
    """Sends events at a rate (a second) until `finish`, or the end of a `with`.

    place: the partition of a key, librdkafka's choice if not given.

    appended: partition, offset and time (s since 1970) of each that was written.
    """

    def __init__(
        self, settings: Settings, events: Iterator[Event], rate: float, place: Callable[[bytes], int] | None = None
    ) -> None:
        super().__init__(name="live", daemon=True)
        self.appended: list[tuple[int, int, float]] = []
        self._events, self._rate, self._place = events, rate, place
        self._topic, self._servers = settings.topic("events"), settings.bootstrap_servers
        self._failures: list[str] = []
        self._ended = threading.Event()
        self._sent = 0

    def __enter__(self) -> Live:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()

    def run(self) -> None:
        """Sends."""
        options = {"bootstrap.servers": self._servers, "linger.ms": 1, "log_level": 0}
        producer = Producer({**options, "on_delivery": self._written})
        begun = time.monotonic()
        while not self._ended.is_set():
            while self._sent < (time.monotonic() - begun) * self._rate and (event := next(self._events, None)) is not None:
                key, value = event
                producer.produce(self._topic, value, key, -1 if self._place is None else self._place(key))
                self._sent += 1
            producer.poll(_TURN_S)
        producer.flush(_WITHIN_S)

    def finish(self) -> int:
        """Ends it; gives how many were sent. Raises ShoalError if one was not written."""
        self._ended.set()
        self.join(_WITHIN_S)
        if self._failures or len(self.appended) != self._sent:
            raise ShoalError(f"{len(self.appended)} of {self._sent} events could be written: {self._failures[:1]}")
        return self._sent

    def _written(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failures.append(str(error))
            return
        place = cast("int", message.partition()), cast("int", message.offset())
        self.appended.append((*place, message.timestamp()[1] / 1000))


class _Caused(msgspec.Struct):
    cause: Cause
    source: Source


class Changes(threading.Thread):
    """Follows `segment-changes` from now on, until `delays` is asked for: when each change that an event caused was seen.

    A `with` begins when it reads already.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(name="changes", daemon=True)
        options = {
            "group.id": f"{settings.prefix}limits",
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 5,
            "log_level": 0,
        }
        self._consumer = Consumer({**options, "bootstrap.servers": settings.bootstrap_servers, "enable.auto.commit": False})
        places = [TopicPartition(settings.topic("segment-changes"), partition) for partition in range(settings.partitions)]
        for place in places:
            place.offset = self._consumer.get_watermark_offsets(place, timeout=10)[1]
        self._consumer.assign(places)
        self._seen: dict[tuple[int, int], float] = {}
        self._ended = threading.Event()

    def __enter__(self) -> Changes:
        self.start()
        time.sleep(_READS_WITHIN_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()

    def run(self) -> None:
        """Reads."""
        decode = msgspec.json.Decoder(_Caused).decode
        while not self._ended.is_set():
            messages, now = self._consumer.consume(1_000, 0.02), time.time()
            for message in messages:
                if message.error() is None and (change := decode(message.value() or b"")).cause == "event":
                    self._seen.setdefault((change.source.partition, change.source.offset), now)
        self._consumer.close()

    def delays(self, live: Live) -> list[float]:
        """From the append of an event to the first of its changes, s, of those that had one. Ends it."""
        self._ended.set()
        self.join(_WITHIN_S)
        return [self._seen[place[:2]] - place[2] for place in live.appended if place[:2] in self._seen]
