"""Writes events and ticks into the input topics, each partition in the order of time and without gaps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams.admin import partition_counts
from streams.contracts.control import Tick
from streams.errors import BrokerError, SettingsError, TopicError
from streams.replay.event import RawRecord, ReplayEvent
from streams.replay.pace import Pace
from streams.replay.timeline import with_ticks
from streams.settings import DAY_MS, Settings

WATCH_EVERY = 1_000
"""Events between two reports of progress."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay is: what went out so far, and the time of the newest event in ms since 1970."""

    events: int
    ticks: int
    at: int


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What was written. `first`, `last`: ms since 1970 of the first and last event; None when there was none.

    `raw`: records that are no events. `skipped`: rows of the file left out. `sorted`: the file was in another order.
    """

    events: int
    ticks: int
    customers: int
    first: int | None
    last: int | None
    seconds: float
    raw: int = 0
    skipped: int = 0
    sorted: bool = False

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds if self.seconds > 0 else 0.0


def run(
    settings: Settings,
    events: Iterable[ReplayEvent | RawRecord],
    *,
    pace: Pace | None = None,
    trail_days: float = 0.0,
    watch: Callable[[Progress], None] | None = None,
) -> ReplayReport:
    """Writes all events, and under `clock = "ticks"` the ticks of their time into every partition of both inputs.

    Returns when the broker has acknowledged everything. Raises ReplayError for events out of order (ticks only),
    TopicError when the topics are missing, BrokerError when the broker is, or refuses.
    """
    pace = pace or Pace()
    output = Output(settings)
    started = pace.monotonic()
    ticking = settings.clock == "ticks"
    timeline = with_ticks(events, settings.period_ms, round(trail_days * DAY_MS)) if ticking else events
    sent = ticks = raw = 0
    first = last = None
    customers: set[bytes] = set()
    try:
        for item in timeline:
            if isinstance(item, Tick):
                output.tick(item)
                ticks += 1
                continue
            if isinstance(item, RawRecord):
                output.record(item.key, item.value)
                raw += 1
                continue
            if first is None:
                first = item.at
            if pace.limited:
                output.wait(pace, lambda: pace.monotonic() - started, sent, item.at - first)
            output.record(item.key, item.value)
            sent += 1
            last = item.at
            customers.add(item.key)
            if sent % WATCH_EVERY == 0:
                output.check()
                if watch is not None:
                    watch(Progress(sent, ticks, item.at))
    finally:
        output.flush()
    if watch is not None and last is not None:
        watch(Progress(sent, ticks, last))
    return ReplayReport(sent, ticks, len(customers), first, last, pace.monotonic() - started, raw)


class Output:
    """The producer of both inputs.

    Idempotent, not transactional: its offsets have no gaps, so the same events have the same offsets in each partition.
    """

    def __init__(self, settings: Settings) -> None:
        counts = partition_counts(settings)
        self._events = settings.topic("events")
        self._commands = settings.topic("commands")
        missing = [name for name in (self._events, self._commands) if name not in counts]
        if missing:
            raise TopicError(f"topic {' and '.join(missing)} is missing: run `shoal topics create`")
        self._partitions = {name: counts[name] for name in (self._events, self._commands)}
        self._failure: KafkaError | None = None
        self._producer = _producer(settings, self._delivered)

    def record(self, key: bytes | None, value: bytes | None) -> None:
        """Hands a record to the partition of its key."""
        while True:
            try:
                self._producer.produce(self._events, value, key)
            except BufferError:
                self.check()
                self._producer.poll(0.002)
            except KafkaException as error:
                raise BrokerError(f"{self._events}: a record was refused: {error.args[0].str()}") from error
            else:
                return

    def tick(self, tick: Tick) -> None:
        """The tick, in every partition of both inputs."""
        value = msgspec.json.encode(tick)
        for topic, count in self._partitions.items():
            for partition in range(count):
                while True:
                    try:
                        self._producer.produce(topic, value, partition=partition)
                    except BufferError:
                        self.check()
                        self._producer.poll(0.002)
                    else:
                        break

    def wait(self, pace: Pace, elapsed: Callable[[], float], sent: int, event_ms: int) -> None:
        """Until the next event is due; serves the producer meanwhile."""
        while (ahead := pace.ahead(elapsed(), sent, event_ms)) > 0:
            self.check()
            pace.wait(min(ahead, 0.5))
            if ahead < 0.002:
                return

    def check(self) -> None:
        """Raises BrokerError when a record could not be delivered."""
        self._producer.poll(0)
        self._raise_failure()

    def flush(self) -> None:
        """Waits until everything is acknowledged. Raises BrokerError when something was not."""
        while self._failure is None and self._producer.flush(0.5) > 0:
            pass
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise BrokerError(
                f"the broker did not take an event ({self._failure.str()}): the input is incomplete; "
                "mend the broker, then replay into topics of another prefix"
            )

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and self._failure is None:
            self._failure = error


def _producer(settings: Settings, delivered: Callable[[KafkaError | None, Message], None]) -> Producer:
    options: dict[str, str | int | float | bool | object] = {
        "log_level": 0,
        **settings.kafka,
        "bootstrap.servers": settings.bootstrap_servers,
        "enable.idempotence": True,
        # As Java clients do; librdkafka's own default puts a customer elsewhere.
        "partitioner": "murmur2_random",
        "delivery.report.only.error": True,
        "on_delivery": delivered,
        "linger.ms": 5,
        "batch.size": 1_000_000,
        "queue.buffering.max.messages": 200_000,
        "message.timeout.ms": 60_000,
        # What brokers take by default; librdkafka's own limit is lower.
        "message.max.bytes": 1_048_588,
    }
    try:
        return Producer(options)
    except KafkaException as error:
        fault = f"{error.args[0].str()}: correct the [kafka] options, which go to librdkafka"
        raise SettingsError("kafka", [fault]) from error
