"""A worker's link to Kafka: one member of a group, one transactional producer, and the fencing between them."""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from streams.broker import confluent_options
from streams.broker.confluent_errors import LastError, bad_options, insist, kafka_error, passes, translated
from streams.broker.confluent_producer import TransactionalProducer
from streams.broker.confluent_reading import ANSWER_S, Watermarks, error_of, sort_out, take
from streams.broker.protocol import TP, Message, Ownership
from streams.errors import Aborted, BrokerError
from streams.settings import Settings

_LOG = logging.getLogger(__name__)
_GRACE_S: Final = 10.0
_WAKE_S: Final = 0.5
# librdkafka's serialised group metadata: this, the generation as a native int32, then strings ended by NUL.
_METADATA: Final = b"CGMDv2:"


class KafkaConnection:
    """`Connection` on Kafka."""

    def __init__(self, settings: Settings, group: str, transactional_id: str) -> None:
        """Raises BrokerError, Fenced, SettingsError."""
        self._incremental = settings.protocol == "consumer"
        self._patience_s = settings.transaction_timeout_ms / 1000 + _GRACE_S
        self._name = f"{transactional_id}, group {group}"
        self._last = LastError(self._name, settings.bootstrap_servers)
        # First: from here on a predecessor's open transaction holds nobody up, and its offsets are stable.
        self._producer = TransactionalProducer(settings, transactional_id)
        try:
            options = confluent_options.member(settings, group, transactional_id)
            self._consumer = Consumer(options | {"error_cb": self._last})
        except KafkaException as raised:
            self._producer.close()
            raise bad_options(raised) from raised
        self._watermarks = Watermarks(settings, transactional_id)
        self._ownership: Ownership | None = None
        self._metadata = b""
        self._owned: set[TP] = set()
        # A paused partition goes on being fetched until more than a batch of it is held here: a short pause, as at each
        # tick, then costs nothing, where librdkafka drops all it has fetched and asks the broker again.
        self._paused: set[TP] = set()
        self._stopped: set[TP] = set()
        self._held: dict[TP, deque[KafkaMessage]] = {}
        self._moved = False
        self._closed = False
        self._raised: BaseException | None = None
        self.begin = self._producer.begin
        self.produce = self._producer.produce
        self.abort = self._producer.abort

    def subscribe(self, topics: Sequence[str], ownership: Ownership) -> None:
        """Joins the group. Partitions arrive through `ownership`, from inside `poll`."""
        self._ownership = ownership
        self._consumer.subscribe(list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)

    def poll(self, limit: int, timeout: float) -> Sequence[Message]:
        """At most `limit` records of partitions not paused; waits `timeout` seconds for the first.

        Raises what `ownership` raised, BrokerError and TopicError.
        """
        kept = self._kept(limit) if self._held else []
        messages = take(self._consumer, limit - len(kept), 0 if kept else timeout) if len(kept) < limit else []
        if any(map(error_of, messages)):
            messages, error = sort_out(messages, self._name)
            self._raised = self._raised or error
        if kept:
            messages = kept + messages
        if self._moved or self._paused:
            messages = self._of_ours(messages, limit)
        if self._last.fatal is not None:
            raise translated(self._last.fatal, f"{self._name}: reading")
        if self._raised is not None:
            # What was read is not lost: it comes with the next poll, unless the caller seeks.
            self._hold(messages)
            raised, self._raised = self._raised, None
            raise raised
        # Topic, partition and offset are None in errors only, which are out.
        return cast("list[Message]", messages)

    def pause(self, partitions: Sequence[TP]) -> None:
        """No more records of these from poll, also none that were fetched already."""
        self._paused.update(self._ours(partitions, "pause"))

    def resume(self, partitions: Sequence[TP]) -> None:
        """Reads on where the last record returned, or `seek`, left off."""
        ours = self._ours(partitions, "resume")
        self._paused.difference_update(ours)
        # Those of which records are held are fetched again when these run low.
        self._start([tp for tp in ours if tp in self._stopped and tp not in self._held])

    def seek(self, partition: TP, offset: int) -> None:
        """The next record is the one at `offset`."""
        self._ours([partition], "seek in")
        # Paused first (librdkafka 3471).
        self._stop(partition)
        self._held.pop(partition, None)
        target = TopicPartition(partition.topic, partition.partition, offset)
        doing = f"seeking offset {offset} of {partition.topic}-{partition.partition}"
        try:
            # Until librdkafka has the committed offset of a new partition it cannot seek there.
            insist(lambda: self._consumer.seek(target), doing, self._last, self._patience_s, _is_starting, pause_s=0.002)
        except KafkaException as raised:
            raise translated(kafka_error(raised), f"{self._name}: {doing}") from raised
        if partition not in self._paused:
            self._start([partition])

    def committed(self, partitions: Sequence[TP]) -> dict[TP, int]:
        """The group's next offsets, stable ones only (waits for open transactions); -1 where none."""
        asked, doing = _asked(partitions), f"asking for the committed offsets of {len(partitions)} partitions"
        try:
            found = insist(lambda: self._consumer.committed(asked, ANSWER_S), doing, self._last, self._patience_s, passes)
        except KafkaException as raised:
            raise translated(kafka_error(raised), f"{self._name}: {doing}") from raised
        offsets = {}
        for one in found:
            if one.error is not None:
                raise translated(one.error, f"{self._name}: committed offset of {one.topic}-{one.partition}")
            offsets[TP(one.topic, one.partition)] = max(one.offset, -1)
        return offsets

    def watermarks(self, partition: TP) -> tuple[int, int]:
        """First offset kept and the high watermark, asked of the broker, never cached."""
        return self._watermarks(partition)

    def commit(self, offsets: Mapping[TP, int]) -> None:
        """Sends these next offsets of the group with the transaction and commits it; returns when it is durable.

        Raises Aborted, Fenced, Unknown.
        """
        # With KIP-848 a member's epoch moves on without a rebalance. With the classic protocol the generation at which
        # the partitions came stays the one to show: a client that has been expelled shows none, and with none the
        # broker would let the commit pass.
        metadata = self._consumer.consumer_group_metadata() if self._incremental else self._metadata
        if offsets and not _is_member(metadata):
            raise Aborted(f"{self._name}: not a member any more, so the offsets cannot be committed; abort and poll")
        self._producer.commit_with(offsets, metadata)

    def close(self) -> None:
        """Leaves the group (revoked is called) and frees everything; aborts what is open."""
        if self._closed:
            return
        self._closed = True
        try:
            self._consumer.close()
        finally:
            self._watermarks.close()
            self._producer.close()
        if self._raised is not None:
            raised, self._raised = self._raised, None
            raise raised

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if self._incremental:
            consumer.incremental_assign(partitions)
        else:
            consumer.assign(partitions)
        # Within the callback: nothing has been fetched yet.
        consumer.pause(partitions)
        self._metadata = consumer.consumer_group_metadata()
        arrived = _sorted(partitions)
        self._owned.update(arrived)
        self._paused.update(arrived)
        self._stopped.update(arrived)
        self._moved = True
        if self._ownership is not None and arrived:
            self._tell(self._ownership.assigned, arrived)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if self._ownership is not None:
            self._give_up(consumer, partitions, self._ownership.revoked)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._metadata = b""
        if self._ownership is not None:
            self._give_up(consumer, partitions, self._ownership.lost)

    def _give_up(self, consumer: Consumer, partitions: list[TopicPartition], tell: Callable[[Sequence[TP]], None]) -> None:
        gone = _sorted(partitions)
        if gone:
            self._tell(tell, gone)
        if self._incremental:
            consumer.incremental_unassign(partitions)
        else:
            consumer.unassign()
        for tp in gone:
            self._held.pop(tp, None)
        for which in (self._owned, self._paused, self._stopped):
            which.difference_update(gone)
        self._moved = True

    def _tell(self, tell: Callable[[Sequence[TP]], None], partitions: Sequence[TP]) -> None:
        # An exception must not cross librdkafka's frames; poll and close raise it.
        try:
            tell(partitions)
        except BaseException as raised:  # noqa: BLE001
            if self._raised is None:
                self._raised = raised

    def _of_ours(self, messages: list[KafkaMessage], limit: int) -> list[KafkaMessage]:
        """Without those of partitions that went away during this poll; those of paused ones are held."""
        records, early = [], []
        for message in messages:
            tp = _where(message)
            if tp not in self._paused:
                if tp in self._owned:
                    records.append(message)
            elif tp not in self._stopped:
                early.append(message)
        self._hold(early)
        for tp, held in self._held.items():
            if len(held) >= limit and tp in self._paused:
                self._stop(tp)
        self._moved = False
        return records

    def _hold(self, messages: list[KafkaMessage]) -> None:
        for message in messages:
            self._held.setdefault(_where(message), deque()).append(message)

    def _kept(self, limit: int) -> list[KafkaMessage]:
        """Up to `limit` of the held records of partitions that go on, in their order."""
        records: list[KafkaMessage] = []
        low = []
        for tp in [tp for tp in self._held if tp not in self._paused]:
            held = self._held[tp]
            while held and len(records) < limit:
                records.append(held.popleft())
            if len(held) < limit and tp in self._stopped:
                low.append(tp)
            if not held:
                del self._held[tp]
        self._start(low)
        return records

    def _stop(self, partition: TP) -> None:
        """Has librdkafka fetch no more; it drops what it has and, when resumed, begins after what it gave out."""
        if partition not in self._stopped:
            self._consumer.pause(_asked([partition]))
            self._stopped.add(partition)

    def _start(self, partitions: Sequence[TP]) -> None:
        """Has librdkafka fetch these again."""
        if not partitions:
            return
        self._consumer.resume(_asked(partitions))
        self._stopped.difference_update(partitions)
        # The thread that fetches sleeps for up to a second where it had nothing to fetch, and resuming does not wake it
        # (measured: 1.0 s to the first record). A question to the partitions' leaders goes through that thread.
        ends = [TopicPartition(topic, partition, -1) for topic, partition in partitions]
        try:
            self._consumer.offsets_for_times(ends, _WAKE_S)
        except KafkaException as raised:
            _LOG.debug("%s: waking the fetcher: %s", self._name, kafka_error(raised).str())

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


def _sorted(partitions: list[TopicPartition]) -> list[TP]:
    return sorted(TP(one.topic, one.partition) for one in partitions)


def _is_starting(error: KafkaError) -> bool:
    return error.code() == KafkaError._STATE


def _is_member(metadata: bytes) -> bool:
    """Whether the broker will check these: a generation and a member id are there."""
    begin = len(_METADATA)
    if not metadata.startswith(_METADATA):
        return False
    generation = int.from_bytes(metadata[begin : begin + 4], sys.byteorder, signed=True)
    member = metadata[begin + 4 :].split(b"\0")[1]
    return generation >= 0 and member != b""
