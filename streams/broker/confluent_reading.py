"""What every consumer of ours does: take batches, take errors out of them, ask for watermarks and partitions."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from streams.broker import confluent_options
from streams.broker.confluent_errors import MISSING, PASSING, LastError, insist, kafka_error, passes, translated
from streams.broker.protocol import TP
from streams.errors import BrokerError, TopicError
from streams.settings import Settings

ANSWER_S: Final = 5.0
"""How long a question to the broker may take before it is asked again."""

PATIENCE_S: Final = 30.0
"""How long it is asked again."""

_LOG = logging.getLogger(__name__)

# How long a signal may have to wait.
_SLICE_S: Final = 0.05


def _never() -> bool:
    return False


# For `map`, which calls it at 20 ns a record.
error_of: Final[Callable[[KafkaMessage], KafkaError | None]] = KafkaMessage.error


def take(consumer: Consumer, limit: int, timeout: float, enough: Callable[[], bool] = _never) -> list[KafkaMessage]:
    """At most `limit` records; waits for the first alone, until it is `enough`.

    (`consume` itself waits until it has all of them, and neither for signals nor for callbacks.)
    """
    messages = consumer.consume(limit, 0)
    if messages or timeout <= 0:
        return messages
    deadline = time.monotonic() + timeout
    while not messages and not enough() and (left := deadline - time.monotonic()) > 0:
        messages = consumer.consume(1, min(left, _SLICE_S))
    if messages and limit > 1:
        messages += consumer.consume(limit - 1, 0)
    return messages


def sort_out(messages: list[KafkaMessage], name: str) -> tuple[list[KafkaMessage], BrokerError | TopicError | None]:
    """The records alone, and the first error among `messages` that must be raised."""
    records, first = [], None
    for message in messages:
        error = message.error()
        if error is None:
            records.append(message)
        elif error.code() in PASSING:
            _LOG.warning("%s: %s", name, error.str())
        elif error.code() != KafkaError._PARTITION_EOF and first is None:
            first = _meaning(error, message, name)
    return records, first


class Watermarks:
    """Asks the broker for first offset and high watermark, with a consumer of its own, made when first needed."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = f"{name}, watermarks"
        self._last = LastError(self._name, settings.bootstrap_servers)
        self._consumer: Consumer | None = None

    def __call__(self, partition: TP) -> tuple[int, int]:
        """Raises TopicError, and BrokerError after half a minute without an answer."""
        if self._consumer is None:
            self._consumer = Consumer(confluent_options.looker(self._settings, self._name) | {"error_cb": self._last})
        consumer = self._consumer
        where = f"{partition.topic}-{partition.partition}"
        asked = TopicPartition(partition.topic, partition.partition)

        def may_pass(error: KafkaError) -> bool:
            # Our client knows no partitions while it is cut off; the broker's word counts.
            if error.code() in (KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC):
                return count_partitions(consumer, partition.topic, self._last) > partition.partition
            return passes(error)

        try:
            low, high = insist(
                lambda: consumer.get_watermark_offsets(asked, ANSWER_S, cached=False),
                f"asking for the ends of {where}",
                self._last,
                PATIENCE_S,
                may_pass,
            )
        except KafkaException as raised:
            if kafka_error(raised).code() in MISSING:
                raise _missing(where, kafka_error(raised)) from raised
            raise translated(kafka_error(raised), f"{self._name}: asking for the ends of {where}") from raised
        return low, high

    def close(self) -> None:
        """Frees the consumer."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None


def count_partitions(consumer: Consumer, topic: str, last: LastError) -> int:
    """How many partitions the topic has. Raises TopicError when there is none, BrokerError when nobody answers."""
    doing = f"asking for the partitions of {topic}"
    try:
        listed = insist(lambda: consumer.list_topics(topic, timeout=ANSWER_S), doing, last, PATIENCE_S, passes)
    except KafkaException as raised:
        raise translated(kafka_error(raised), doing) from raised
    found = listed.topics[topic]
    if found.error is not None or not found.partitions:
        raise TopicError(f"topic {topic} is not there on {last.address}: make it with `shoal topics create`")
    return len(found.partitions)


def _meaning(error: KafkaError, message: KafkaMessage, name: str) -> BrokerError | TopicError:
    where = f"{message.topic()}-{message.partition()}"
    if error.code() == KafkaError._AUTO_OFFSET_RESET:
        return BrokerError(
            f"{name}: reading {where}: the offset asked for is not in the log any more, or not yet ({error.str()}). "
            "Was the topic made anew, or its retention shorter than the reader was away?"
        )
    if error.code() in MISSING:
        return _missing(where, error)
    return translated(error, f"{name}: reading {where}")


def _missing(where: str, error: KafkaError) -> TopicError:
    return TopicError(f"{where}: no such topic or partition ({error.str()}); make it with `shoal topics create`")
