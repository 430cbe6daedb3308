"""Reads given partitions from given offsets, read_committed, outside any group: restore, learner, audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from streams.broker import confluent_options
from streams.broker.confluent_errors import LastError, bad_options, kafka_error, translated
from streams.broker.protocol import TP, Message
from streams.errors import BrokerError, TopicError
from streams.settings import Settings

_ANSWER_S: Final = 10.0
BEGINNING: Final = -2
# Called for every record by `map`: 15 ns each, where asking in a loop takes five times that (measured).
error_of: Final[Callable[[KafkaMessage], KafkaError | None]] = KafkaMessage.error


def take(consumer: Consumer, limit: int, timeout: float) -> list[KafkaMessage]:
    """At most `limit` records; waits for the first alone. (`consume` itself waits until it has all of them.)"""
    messages = consumer.consume(limit, 0)
    if not messages and timeout > 0:
        messages = consumer.consume(1, timeout)
        if messages and limit > 1:
            messages += consumer.consume(limit - 1, 0)
    return messages


class Watermarks:
    """Asks the broker for first offset and high watermark, with a consumer of its own, made when first needed."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._consumer: Consumer | None = None

    def __call__(self, partition: TP) -> tuple[int, int]:
        """Raises TopicError, BrokerError."""
        if self._consumer is None:
            self._consumer = Consumer(confluent_options.looker(self._settings, self._name))
        asked = TopicPartition(partition.topic, partition.partition)
        try:
            low, high = self._consumer.get_watermark_offsets(asked, _ANSWER_S, cached=False)
        except KafkaException as raised:
            error = kafka_error(raised)
            if error.code() in (KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART):
                raise TopicError(f"there is no partition {partition.partition} of topic {partition.topic}") from raised
            raise translated(
                error, f"asking {self._settings.bootstrap_servers} for watermarks of {partition}"
            ) from raised
        return low, high

    def close(self) -> None:
        """Frees the consumer."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None


class KafkaReader:
    """`Reader` on Kafka. `poll` raises BrokerError when an offset is gone or a topic is missing."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._address = settings.bootstrap_servers
        self._last = LastError()
        try:
            self._consumer = Consumer(confluent_options.reader(settings, name) | {"error_cb": self._last})
        except KafkaException as raised:
            raise bad_options(raised) from raised
        self._watermarks = Watermarks(settings, name)
        self._started: dict[TP, int] = {}

    def assign(self, offsets: Mapping[TP, int]) -> None:
        """Starts at these offsets; BEGINNING (-2) is the log's start."""
        self._started = dict(offsets)
        self._consumer.assign([TopicPartition(tp.topic, tp.partition, offset) for tp, offset in offsets.items()])

    def poll(self, limit: int, timeout: float) -> Sequence[Message]:
        """At most `limit` records; waits `timeout` seconds for the first."""
        messages = take(self._consumer, limit, timeout)
        if any(map(error_of, messages)):
            messages = self._without_errors(messages)
        # Topic, partition and offset are None in errors only, which are out.
        return cast("list[Message]", messages)

    def position(self, partition: TP) -> int:
        """The next offset to be read; at the end of a partition, past its markers and aborted records."""
        asked = self._consumer.position([TopicPartition(partition.topic, partition.partition)])[0]
        if asked.offset >= 0:
            return asked.offset
        started = self._started[partition]
        return self._watermarks(partition)[0] if started == BEGINNING else started

    def watermarks(self, partition: TP) -> tuple[int, int]:
        """First offset kept and the high watermark, asked of the broker."""
        return self._watermarks(partition)

    def partitions(self, topic: str) -> int:
        """How many partitions the topic has. Raises TopicError, BrokerError."""
        return count_partitions(self._consumer, topic, self._address)

    def close(self) -> None:
        """Frees everything."""
        self._consumer.close()
        self._watermarks.close()

    def _without_errors(self, messages: list[KafkaMessage]) -> list[KafkaMessage]:
        records = []
        for message in messages:
            error = message.error()
            if error is None:
                records.append(message)
            elif error.code() != KafkaError._PARTITION_EOF:
                raise read_error(error, message)
        return records


def read_error(error: KafkaError, message: KafkaMessage) -> BrokerError | TopicError:
    """What an error that came in place of a record means."""
    where = f"{message.topic()}-{message.partition()}"
    if error.code() == KafkaError._AUTO_OFFSET_RESET:
        return BrokerError(
            f"reading {where}: the offset asked for is not in the log any more, or not yet ({error.str()}). Was the "
            "topic made anew, or its retention shorter than the reader was away?"
        )
    if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION):
        return TopicError(
            f"reading {where}: there is no such topic or partition ({error.str()}); `shoal topics create`"
        )
    return translated(error, f"reading {where}")


def count_partitions(consumer: Consumer, topic: str, address: str) -> int:
    """How many partitions the topic has. Raises TopicError when there is none, BrokerError when nobody answers."""
    try:
        found = consumer.list_topics(topic, timeout=_ANSWER_S).topics[topic]
    except KafkaException as raised:
        raise translated(kafka_error(raised), f"asking {address} for the partitions of {topic}") from raised
    if found.error is not None or not found.partitions:
        raise TopicError(f"topic {topic} is not there on {address}: make it with `shoal topics create`")
    return len(found.partitions)
