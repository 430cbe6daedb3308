"""A worker's link to Kafka: one member of a group, one transactional producer, and the fencing between them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from streams.broker import confluent_options
from streams.broker.confluent_errors import LastError, bad_options, insist, kafka_error, passes, translated
from streams.broker.confluent_intake import Intake
from streams.broker.confluent_producer import TransactionalProducer
from streams.broker.confluent_reading import Watermarks
from streams.broker.protocol import TP, Message, Ownership
from streams.errors import Aborted
from streams.settings import Settings

_GRACE_S: Final = 10.0
_TOLD_S: Final = 1.0
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
        self._intake = Intake(self._consumer, self._last, self._patience_s)
        self._closed = False
        self.pause = self._intake.pause
        self.resume = self._intake.resume
        self.seek = self._intake.seek
        self.begin = self._producer.begin
        self.produce = self._producer.produce
        self.produce_all = self._producer.produce_all
        self.abort = self._producer.abort

    def subscribe(self, topics: Sequence[str], ownership: Ownership) -> None:
        """Joins the group. Partitions arrive through `ownership`, from inside `poll`."""
        self._ownership = ownership
        self._consumer.subscribe(list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)

    def poll(self, limit: int, timeout: float) -> Sequence[Message]:
        """At most `limit` records of partitions not paused; waits `timeout` seconds for the first.

        Raises what `ownership` raised, BrokerError and TopicError.
        """
        # Topic, partition and offset are None in errors only, which are out.
        return cast("list[Message]", self._intake.poll(limit, timeout))

    def committed(self, partitions: Sequence[TP]) -> dict[TP, int]:
        """The group's next offsets, -1 where none. Raises BrokerError if the broker does not tell them within a second or two.

        So it is while an open transaction holds them.
        """
        asked, doing = (
            [TopicPartition(*tp) for tp in partitions],
            f"asking for the committed offsets of {len(partitions)} partitions",
        )
        try:
            found = insist(lambda: self._consumer.committed(asked, _TOLD_S), doing, self._last, _TOLD_S, passes)
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
        if self._intake.failure is not None:
            raise self._intake.failure

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # The caller seeks; without an offset of ours librdkafka would look for one, and find none for a new group.
        partitions = [TopicPartition(one.topic, one.partition, OFFSET_BEGINNING) for one in partitions]
        if self._incremental:
            consumer.incremental_assign(partitions)
        else:
            consumer.assign(partitions)
        # Within the callback: nothing has been fetched yet.
        consumer.pause(partitions)
        self._metadata = consumer.consumer_group_metadata()
        arrived = _sorted(partitions)
        self._intake.arrived(arrived)
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
        self._intake.gone(gone)

    def _tell(self, tell: Callable[[Sequence[TP]], None], partitions: Sequence[TP]) -> None:
        # An exception must not cross librdkafka's frames; poll and close raise it.
        try:
            tell(partitions)
        except BaseException as raised:  # noqa: BLE001
            self._intake.failure = self._intake.failure or raised


def _sorted(partitions: list[TopicPartition]) -> list[TP]:
    return sorted(TP(one.topic, one.partition) for one in partitions)


def _is_member(metadata: bytes) -> bool:
    """Whether the broker will check these: a generation and a member id are there."""
    begin = len(_METADATA)
    if not metadata.startswith(_METADATA):
        return False
    generation = int.from_bytes(metadata[begin : begin + 4], sys.byteorder, signed=True)
    member = metadata[begin + 4 :].split(b"\0")[1]
    return generation >= 0 and member != b""
