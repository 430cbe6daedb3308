"""Connections that break while a worker commits: each call comes to an end, and what was committed is there once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from random import Random

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.broker.confluent_producer import TransactionalProducer
from streams.broker.confluent_reading import Watermarks
from streams.broker.protocol import TP
from streams.errors import Aborted, BrokerError
from streams.settings import Settings, load_settings
from tests.chaos.ground import Ground, ground
from tests.integration.broker_kafka_site import KafkaSite
from tests.integration.broker_site import read_all, values

CUTS = 6
OUT, IN = "out", "in"


@pytest.fixture(scope="module")
def harmed(kafka: str) -> Iterator[Ground]:
    with ground() as there:
        admin = AdminClient({"bootstrap.servers": there.running.bootstrap_servers})
        for made in admin.create_topics([NewTopic(OUT, 1, 1), NewTopic(IN, 1, 1)]).values():
            made.result()
        yield there


def behind(harmed: Ground) -> Settings:
    return load_settings(bootstrap_servers=harmed.servers("A"), transaction_timeout_ms=10_000)


def membership(harmed: Ground) -> tuple[Consumer, bytes]:
    consumer = Consumer({"bootstrap.servers": harmed.running.bootstrap_servers, "group.id": "group"})
    consumer.subscribe([IN])
    while not consumer.assignment():
        consumer.poll(0.1)
    return consumer, consumer.consumer_group_metadata()


def test_commits_come_to_an_end_however_often_the_connection_breaks(harmed: Ground) -> None:
    """Without care each second of these cuts left `send_offsets_to_transaction` waiting for ever."""
    consumer, metadata = membership(harmed)
    producer = TransactionalProducer(behind(harmed), "cut")
    rng, committed, longest = Random(1), [], 0.0
    for number in range(CUTS):
        cut = threading.Timer(rng.uniform(0.0, 0.03), harmed.proxies["A"].cut)
        cut.start()
        began = time.monotonic()
        value = b"%d" % number
        try:
            producer.begin()
            producer.produce(OUT, 0, b"key", value)
            producer.commit_with({TP(IN, 0): number}, metadata)
        except Aborted:
            producer.abort()
        else:
            committed.append(value)
        longest = max(longest, time.monotonic() - began)
        cut.join()
    producer.close()
    at = consumer.committed([TopicPartition(IN, 0)])[0].offset
    consumer.close()
    site = KafkaSite(load_settings(bootstrap_servers=harmed.running.bootstrap_servers))
    assert values(read_all(site, OUT)) == committed
    assert at == int(committed[-1])
    assert len(committed) > CUTS // 2
    assert longest < 10.0


def test_in_a_black_hole_a_commit_comes_to_an_end_too(harmed: Ground) -> None:
    """Nothing comes back: whoever opens the transactional id next fences this one, and nothing of it is seen."""
    consumer, metadata = membership(harmed)
    settings = behind(harmed).model_copy(update={"transaction_timeout_ms": 1_000})
    producer = TransactionalProducer(settings, "lost")
    producer.begin()
    producer.produce(OUT, 0, b"key", b"never")
    harmed.proxies["A"].hole()
    try:
        began = time.monotonic()
        with pytest.raises(BrokerError):
            producer.commit_with({TP(IN, 0): 1}, metadata)
        assert time.monotonic() - began < 15.0
        producer.close()
    finally:
        harmed.proxies["A"].mend()
        consumer.close()
    again = TransactionalProducer(settings, "lost")
    again.begin()
    again.produce(OUT, 0, b"key", b"then")
    again.commit()
    again.close()
    site = KafkaSite(load_settings(bootstrap_servers=harmed.running.bootstrap_servers))
    assert values(read_all(site, OUT))[-1] == b"then"
    assert b"never" not in values(read_all(site, OUT))


def test_a_client_that_is_cut_off_does_not_take_its_topics_for_missing(harmed: Ground) -> None:
    watermarks = Watermarks(behind(harmed), "looker")
    for _ in range(6):
        harmed.proxies["A"].cut()
        low, high = watermarks(TP(OUT, 0))
        assert 0 == low <= high
    watermarks.close()
