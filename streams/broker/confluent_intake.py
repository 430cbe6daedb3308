"""A member's records on their way in: pause, resume and seek without losing, doubling or fetching again."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from streams.broker.confluent_errors import LastError, insist, kafka_error, translated
from streams.broker.confluent_order import Order
from streams.broker.confluent_reading import error_of, sort_out, take
from streams.broker.protocol import TP
from streams.errors import BrokerError

_LOG = logging.getLogger(__name__)
_WAKE_S: Final = 0.5


class Intake:
    """The partitions of one consumer.

    A paused partition goes on being fetched until a batch of it is held here: a short pause, as at each tick, costs
    nothing, where librdkafka drops all it has fetched and asks the broker again. Then it is stopped. What the callbacks
    of a rebalance start, within `poll`, begins when that poll is over: whatever comes of it before is out of date. Where a
    partition goes on is known here and nowhere else (`Order`).
    """

    def __init__(self, consumer: Consumer, last: LastError, patience_s: float) -> None:
        self._consumer = consumer
        self._name = last.name
        self._last = last
        self._patience_s = patience_s
        self._owned: set[TP] = set()
        self._paused: set[TP] = set()
        self._stopped: set[TP] = set()
        self._starting: set[TP] = set()
        self._held: dict[TP, deque[KafkaMessage]] = {}
        self._order = Order(last.name)
        self._polling = False
        self._moved = False
        self.failure: BaseException | None = None
        """What a callback raised; comes out of `poll`."""

    def poll(self, limit: int, timeout: float) -> list[KafkaMessage]:
        """At most `limit` records of partitions not paused; waits `timeout` seconds for the first."""
        ready = self._ready() if self._held else 0
        self._polling = True
        try:
            messages = take(self._consumer, max(1, limit - ready), 0 if ready else timeout, lambda: self._moved)
        finally:
            self._polling = False
        if any(map(error_of, messages)):
            messages, error = sort_out(messages, self._name)
            self.failure = self.failure or error
        if self._stopped or self._moved:
            # Of a stopped partition nothing comes, but for what was under way when it was stopped within this poll.
            messages = [m for m in messages if (tp := _where(m)) in self._owned and tp not in self._stopped]
        messages = self._order.take(messages)
        for tp in sorted(self._order.astray):
            self._stop(tp)
            if tp not in self._paused:
                self._start([tp])
        if self._held or self._paused or self._moved or self._starting:
            messages = self._through(messages, limit)
        if self._last.fatal is not None:
            raise translated(self._last.fatal, f"{self._name}: reading")
        if self.failure is not None:
            # What was read is not lost: it comes with the next poll, unless the caller seeks.
            self._put_back(messages)
            failure, self.failure = self.failure, None
            raise failure
        return messages

    def arrived(self, partitions: Sequence[TP]) -> None:
        """These are ours now, and paused in librdkafka."""
        for which in (self._owned, self._paused, self._stopped):
            which.update(partitions)
        self._moved = True

    def gone(self, partitions: Sequence[TP]) -> None:
        """These are ours no more."""
        for which in (self._owned, self._paused, self._stopped, self._starting):
            which.difference_update(partitions)
        for tp in partitions:
            self._held.pop(tp, None)
            self._order.forget(tp)
        self._moved = True

    def pause(self, partitions: Sequence[TP]) -> None:
        """No more records of these."""
        self._paused.update(self._ours(partitions, "pause"))
        self._starting.difference_update(partitions)

    def resume(self, partitions: Sequence[TP]) -> None:
        """On from where the last record returned, or a seek, left off."""
        ours = self._ours(partitions, "resume")
        self._paused.difference_update(ours)
        # Those of which records are held are fetched again when these run low.
        self._start([tp for tp in ours if tp in self._stopped and tp not in self._held])

    def seek(self, partition: TP, offset: int) -> None:
        """The next record is the one at `offset`. Raises BrokerError."""
        self._ours([partition], "seek in")
        self._stop(partition)
        self._held.pop(partition, None)
        self._order.sought(partition, offset)
        if partition not in self._paused:
            self._start([partition])

    def _through(self, messages: list[KafkaMessage], limit: int) -> list[KafkaMessage]:
        """Puts new records behind those held, and takes out what is due."""
        for message in messages:
            self._held.setdefault(_where(message), deque()).append(message)
        due: list[KafkaMessage] = []
        low = []
        for tp, held in list(self._held.items()):
            if tp in self._paused:
                if len(held) >= limit:
                    self._stop(tp)
                continue
            while held and len(due) < limit:
                due.append(held.popleft())
            if not held:
                del self._held[tp]
            if len(held) < limit and tp in self._stopped:
                low.append(tp)
        self._start(sorted({*low, *self._starting}))
        self._starting.clear()
        self._moved = False
        return due

    def _put_back(self, messages: list[KafkaMessage]) -> None:
        for message in reversed(messages):
            self._held.setdefault(_where(message), deque()).appendleft(message)

    def _ready(self) -> int:
        return sum(len(held) for tp, held in self._held.items() if tp not in self._paused)

    def _stop(self, partition: TP) -> None:
        """Has librdkafka fetch no more; it drops what it has."""
        self._starting.discard(partition)
        if partition not in self._stopped:
            self._consumer.pause(_asked([partition]))
            self._stopped.add(partition)

    def _start(self, partitions: Sequence[TP]) -> None:
        """Has librdkafka fetch these again."""
        if self._polling:
            self._starting.update(partitions)
            return
        if not partitions:
            return
        for tp in partitions:
            if (offset := self._order.next(tp)) is not None:
                self._seek(tp, offset)  # while it is paused (librdkafka 3471)
        self._consumer.resume(_asked(partitions))
        self._stopped.difference_update(partitions)
        # The thread that fetches sleeps for up to a second where it had nothing to fetch, and resuming does not wake it
        # (measured: 1.0 s to the first record). A question to the partitions' leaders goes through that thread.
        ends = [TopicPartition(topic, partition, -1) for topic, partition in partitions]
        try:
            self._consumer.offsets_for_times(ends, _WAKE_S)
        except KafkaException as raised:
            _LOG.debug("%s: waking the fetcher: %s", self._name, kafka_error(raised).str())

    def _seek(self, partition: TP, offset: int) -> None:
        target = TopicPartition(partition[0], partition[1], offset)
        doing = f"seeking offset {offset} of {partition[0]}-{partition[1]}"
        try:
            # Until librdkafka has the committed offset of a new partition it cannot seek there.
            insist(lambda: self._consumer.seek(target), doing, self._last, self._patience_s, _is_beginning, pause_s=0.002)
        except KafkaException as raised:
            raise translated(kafka_error(raised), f"{self._name}: {doing}") from raised

    def _ours(self, partitions: Sequence[TP], doing: str) -> Sequence[TP]:
        for tp in partitions:
            if tp not in self._owned:
                raise BrokerError(f"{self._name}: cannot {doing} {tp.topic}-{tp.partition}: it is not assigned here")
        return partitions


def _where(message: KafkaMessage) -> TP:
    # A plain tuple is as good a key, and made in a third of the time.
    return cast("TP", (message.topic(), message.partition()))


def _asked(partitions: Iterable[TP]) -> list[TopicPartition]:
    return [TopicPartition(topic, partition) for topic, partition in partitions]


def _is_beginning(error: KafkaError) -> bool:
    return error.code() == KafkaError._STATE
