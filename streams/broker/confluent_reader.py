"""Reads given partitions from given offsets, read_committed, outside any group: restore, learner, audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams.broker import confluent_options
from streams.broker.confluent_errors import LastError, bad_options
from streams.broker.confluent_reading import Watermarks, count_partitions, error_of, sort_out, take
from streams.broker.protocol import TP, Message
from streams.errors import BrokerError
from streams.settings import Settings

BEGINNING: Final = -2
"""The log's start, wherever that is."""


class KafkaReader:
    """`Reader` on Kafka. `poll` raises BrokerError when an offset is gone, TopicError when a topic is missing."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._name = name
        self._last = LastError(name, settings.bootstrap_servers)
        try:
            self._consumer = Consumer(confluent_options.reader(settings, name) | {"error_cb": self._last})
        except KafkaException as raised:
            raise bad_options(raised) from raised
        self._watermarks = Watermarks(settings, name)
        self._started: dict[TP, int] = {}

    def assign(self, offsets: Mapping[TP, int]) -> None:
        """Starts at these offsets; BEGINNING (-2) is the log's start."""
        for tp, offset in offsets.items():
            if offset < 0 and offset != BEGINNING:
                raise BrokerError(f"{self._name}: {tp.topic}-{tp.partition}: {offset} is not an offset to read from")
        self._started = dict(offsets)
        self._consumer.assign([TopicPartition(tp.topic, tp.partition, offset) for tp, offset in offsets.items()])

    def poll(self, limit: int, timeout: float) -> Sequence[Message]:
        """At most `limit` records; waits `timeout` seconds for the first."""
        messages = take(self._consumer, limit, timeout)
        if any(map(error_of, messages)):
            messages, error = sort_out(messages, self._name)
            if error is not None:
                raise error
        # Topic, partition and offset are None in errors only, which are out.
        return cast("list[Message]", messages)

    def position(self, partition: TP) -> int:
        """The next offset to be read; at the end of a partition, past its markers and aborted records."""
        # What moves it past them is the event at the end of a partition (enable.partition.eof), when poll takes it.
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
        return count_partitions(self._consumer, topic, self._last)

    def close(self) -> None:
        """Frees everything."""
        self._consumer.close()
        self._watermarks.close()
