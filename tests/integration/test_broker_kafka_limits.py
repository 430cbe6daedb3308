"""Where the client or the broker of Kafka refuses: options, full queues, missing topics, missing and restarted brokers."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.broker.confluent import KafkaBroker, wait_for_broker
from streams.broker.protocol import Record
from streams.embedded import RunningBroker, start_broker
from streams.errors import Aborted, BrokerError, Fenced, SettingsError, TopicError
from streams.settings import Settings, load_settings
from tests.integration.broker_kafka_site import KafkaSite
from tests.integration.broker_site import drive, read_all, values
from tests.integration.broker_team import Team, team, unique

__all__ = ["team"]


@pytest.fixture
def site(kafka: str) -> Iterator[KafkaSite]:
    site = KafkaSite(load_settings(bootstrap_servers=kafka, session_timeout_ms=1_500))
    yield site
    site.close()


def nowhere() -> Settings:
    """Settings that name a port on which nobody listens."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    return load_settings(bootstrap_servers=f"127.0.0.1:{port}")


def test_what_exactly_once_stands_on_cannot_be_passed_through() -> None:
    settings = load_settings(kafka={"isolation.level": "read_uncommitted", "acks": "1", "ssl.ca.location": "ca.pem"})
    with pytest.raises(SettingsError, match=r"acks cannot be set.*isolation\.level cannot be set") as raised:
        KafkaBroker(settings)
    assert len(raised.value.faults) == 2


def test_an_option_that_librdkafka_does_not_know_is_named() -> None:
    broker = KafkaBroker(load_settings(kafka={"ssl.no.such.option": "1"}))
    with pytest.raises(SettingsError, match=r"ssl\.no\.such\.option"):
        broker.reader("reader")


def test_more_is_produced_than_the_queue_takes(site: KafkaSite) -> None:
    settings = site.settings.model_copy(update={"kafka": {"queue.buffering.max.messages": "100"}})
    topic = site.topic(1)
    with closing(KafkaBroker(settings).writer(unique("writer"))) as writer:
        writer.begin()
        for number in range(5_000):
            writer.produce(topic, 0, b"k", b"%d" % number)
        writer.commit()
    assert values(read_all(site, topic)) == [b"%d" % number for number in range(5_000)]


def test_a_missing_input_topic_is_named(site: KafkaSite, team: Team) -> None:
    worker = team.worker("there-is-no-such-topic")
    with pytest.raises(TopicError, match="there-is-no-such-topic"):
        drive(lambda: False, worker)


def test_a_missing_output_topic_ends_the_transaction_with_its_name(site: KafkaSite) -> None:
    settings = site.settings.model_copy(update={"transaction_timeout_ms": 2_000})
    with closing(KafkaBroker(settings).writer(unique("writer"))) as writer:
        writer.begin()
        writer.produce("there-is-no-such-topic", 0, b"k", b"v")
        with pytest.raises(Aborted, match="there-is-no-such-topic"):
            writer.commit()
        writer.abort()
        topic = site.topic(1)
        writer.begin()
        writer.produce(topic, 0, b"k", b"v")
        writer.commit()
    assert values(read_all(site, topic)) == [b"v"]


def test_a_transaction_that_outlives_its_time_cannot_commit(site: KafkaSite, team: Team) -> None:
    settings = site.settings.model_copy(update={"transaction_timeout_ms": 1_000})
    topic = site.topic(1)
    with closing(KafkaBroker(settings).writer(unique("writer"))) as writer:
        writer.begin()
        writer.produce(topic, 0, b"k", b"late")
        time.sleep(4.0)
        with pytest.raises(BrokerError, match="transaction"):
            writer.commit()
    assert values(read_all(site, topic)) == []


def test_who_produces_after_a_fatal_error_hears_which_it_was(site: KafkaSite, team: Team) -> None:
    settings = site.settings.model_copy(update={"transaction_timeout_ms": 1_000})
    topic = site.topic(1)
    with closing(KafkaBroker(settings).writer(unique("writer"))) as writer:
        writer.begin()
        writer.produce(topic, 0, b"k", b"early")
        time.sleep(4.0)
        with pytest.raises((Aborted, Fenced)):
            writer.produce_all(topic, 0, _slowly([(b"k", b"late", None)] * 200))
    assert values(read_all(site, topic)) == []


def _slowly(records: list[Record]) -> Iterator[Record]:
    for record in records:
        time.sleep(0.02)
        yield record


def test_a_missing_broker_is_told_with_its_address_until_the_deadline() -> None:
    settings = nowhere()
    said: list[str] = []
    begin = time.monotonic()
    with pytest.raises(
        BrokerError,
        match=rf"no broker at {settings.bootstrap_servers} answered within 2 s .*Connection refused",
    ):
        wait_for_broker(settings, 2.0, said.append)
    assert time.monotonic() - begin < 6.0
    assert len(said) >= 2
    assert all(settings.bootstrap_servers in sentence and "trying again" in sentence for sentence in said)


def test_waiting_ends_when_the_broker_comes(tmp_path: Path) -> None:
    settings = nowhere()
    port = int(settings.bootstrap_servers.rpartition(":")[2])
    started: list[RunningBroker] = []
    timer = threading.Timer(0.6, lambda: started.append(start_broker("embedded", tmp_path / "broker", port)))
    timer.start()
    said: list[str] = []
    try:
        wait_for_broker(settings, 20.0, said.append)
    finally:
        timer.join()
        for broker in started:
            broker.stop()
    assert said


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.kafka
def test_a_broker_that_dies_within_a_transaction_is_waited_for(tmp_path: Path) -> None:
    with start_broker("kafka", tmp_path / "broker") as running:
        settings = load_settings(
            bootstrap_servers=running.bootstrap_servers, session_timeout_ms=6_000, transaction_timeout_ms=180_000
        )
        admin = AdminClient({"bootstrap.servers": running.bootstrap_servers})
        admin.create_topics([NewTopic("events", 1, 1)])["events"].result(10)
        writer = KafkaBroker(settings).writer("writer")
        writer.begin()
        writer.produce("events", 0, b"k", b"before")
        writer.commit()
        writer.begin()
        writer.produce("events", 0, b"k", b"during")
        time.sleep(0.2)
        running.kill()
        again = threading.Timer(1.0, lambda: start_broker("kafka", tmp_path / "broker"))
        again.start()
        # A commit goes on until the broker is back.
        writer.commit()
        again.join()
        writer.begin()
        writer.produce("events", 0, b"k", b"after")
        writer.commit()
        writer.close()
        site = KafkaSite(settings)
        assert values(read_all(site, "events")) == [b"before", b"during", b"after"]
        site.close()
