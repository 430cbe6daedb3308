"""A broker that speaks Kafka's protocol, under the conformance suite."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable, Mapping
from uuid import uuid4

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.broker.confluent import KafkaBroker
from streams.broker.protocol import TP, Headers
from streams.settings import Settings

SILENCE_S = 1.5


class KafkaSite:
    """Connections here lose their membership when they are not polled for `SILENCE_S`."""

    def __init__(self, settings: Settings) -> None:
        silent = {"max.poll.interval.ms": str(int(SILENCE_S * 1000))}
        self.settings = settings.model_copy(update={"kafka": settings.kafka | silent})
        self.broker = KafkaBroker(self.settings)
        plain: dict[str, str | int | float | bool] = {"bootstrap.servers": settings.bootstrap_servers}
        self._admin = AdminClient(plain)
        self._producer = Producer(plain | {"linger.ms": 0})
        self._meanwhile: list[threading.Timer] = []
        self._others: list[Producer] = []

    def topic(self, partitions: int) -> str:
        name = f"topic-{uuid4().hex[:8]}"
        self._admin.create_topics([NewTopic(name, partitions, 1)])[name].result(10)
        return name

    def append(
        self,
        tp: TP,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
        timestamp: int | None = None,
    ) -> None:
        self._producer.produce(
            tp.topic,
            value,
            key,
            tp.partition,
            timestamp=0 if timestamp is None else timestamp,
            headers=list(headers or []),
        )
        assert self._producer.flush(10) == 0

    def silence(self, group: str, transactional_id: str) -> None:
        time.sleep(SILENCE_S + 1.0)
        deadline = time.monotonic() + 20
        while transactional_id in self._members(group):
            assert time.monotonic() < deadline, f"{transactional_id} is still a member of {group}"
            time.sleep(0.2)

    def begin_offsets(self, group: str, offsets: Mapping[TP, int]) -> Callable[[bool], None]:
        producer = Producer(
            {"bootstrap.servers": self.settings.bootstrap_servers, "transactional.id": f"other-{uuid4().hex[:8]}"}
        )
        self._others.append(producer)
        producer.init_transactions(10)
        producer.begin_transaction()
        # As a group that nobody is a member of: no generation, no member, no instance.
        nobody = b"CGMDv2:" + struct.pack("=i", -1) + group.encode() + b"\0\0\x01"
        producer.send_offsets_to_transaction([TopicPartition(*tp, offset) for tp, offset in offsets.items()], nobody)
        return lambda committed: producer.commit_transaction() if committed else producer.abort_transaction()

    def while_waiting(self, act: Callable[[], None]) -> None:
        timer = threading.Timer(0.5, act)
        timer.start()
        self._meanwhile.append(timer)

    def delete_before(self, tp: TP, offset: int) -> None:
        for done in self._admin.delete_records([TopicPartition(*tp, offset)], operation_timeout=10).values():
            done.result(10)

    def _members(self, group: str) -> set[str]:
        described = self._admin.describe_consumer_groups([group])[group].result(10)
        return {member.client_id for member in described.members}

    def close(self) -> None:
        for timer in self._meanwhile:
            timer.join()
        for producer in (*self._others, self._producer):
            producer.close()
