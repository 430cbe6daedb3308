"""Real Apache Kafka under the conformance suite, with both group protocols."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, TopicPartition

from streams.broker.confluent_connection import KafkaConnection
from streams.broker.protocol import TP
from streams.settings import load_settings
from tests.integration.broker_conformance import BrokerConformance
from tests.integration.broker_kafka_site import KafkaSite
from tests.integration.broker_membership import Membership
from tests.integration.broker_site import Worker, drive, quiet
from tests.integration.broker_team import Team, fill, team
from tests.integration.broker_transactions import Transactions

__all__ = ["team"]


@pytest.fixture
def site(request: pytest.FixtureRequest, kafka: str) -> Iterator[KafkaSite]:
    protocol = "consumer" if request.cls is TestKafkaConsumerProtocol else "classic"
    site = KafkaSite(load_settings(bootstrap_servers=kafka, protocol=protocol, session_timeout_ms=1_500))
    yield site
    site.close()


class TestKafka(BrokerConformance):
    """All that is asked of a broker."""

    def test_what_the_client_delivers_a_second_time_is_passed_over(
        self, site: KafkaSite, team: Team, caplog: pytest.LogCaptureFixture
    ) -> None:
        topic, worker = filled(site, team)
        drive(lambda: len(worker.records) >= 60, worker)
        for _ in range(3):
            client(worker).seek(TopicPartition(topic, 0, 20))  # as it does by itself, rarely
            fill(site, TP(topic, 0), 50)
            read = len(worker.records)
            drive(lambda: len(worker.records) >= read + 50, worker)  # noqa: B023 called at once
        assert not quiet(worker)
        assert [record.offset() for record in worker.records] == list(range(350))
        assert "came a second time and are passed over" in caplog.text

    def test_a_partition_goes_on_where_it_stopped_wherever_the_client_takes_it_to_be(self, site: KafkaSite, team: Team) -> None:
        topic, worker = filled(site, team)
        tp = TP(topic, 0)
        for elsewhere in (150, 5):
            worker.next(10)
            worker.link.pause([tp])
            for _ in range(100):  # until enough of it is held here, and its fetching has stopped
                assert not worker.poll(3, 0.0)
            client(worker).seek(TopicPartition(topic, 0, elsewhere))
            worker.link.resume([tp])
            worker.next(10)
        drive(lambda: len(worker.records) == 200, worker)
        assert [record.offset() for record in worker.records] == list(range(200))

    def test_a_record_does_not_wait_behind_all_that_another_partition_holds(self, site: KafkaSite, team: Team) -> None:
        topic, many = site.topic(2), 150_000
        writer = team.writer()
        writer.begin()
        for number in range(many):
            writer.produce(topic, 0, b"%d" % number, b"x" * 250)
        writer.commit()
        worker = team.alone(topic, 2)
        worker.next(500)
        time.sleep(1.0)  # as much is fetched as ever is
        site.append(TP(topic, 1), b"k", b"v")
        drive(lambda: any(record.partition() for record in worker.records[-1_000:]), worker)
        assert 500 < len(worker.records) < many / 3


def filled(site: KafkaSite, team: Team) -> tuple[str, Worker]:
    """A topic of 200 records, and a worker alone with it."""
    topic = site.topic(1)
    fill(site, TP(topic, 0), 200)
    return topic, team.alone(topic, 1)


def client(worker: Worker) -> Consumer:
    """librdkafka's consumer, behind the worker's back."""
    assert isinstance(worker.link, KafkaConnection)
    return worker.link._consumer


class TestKafkaConsumerProtocol(Transactions, Membership):
    """KIP-848: what depends on the group protocol."""

    def test_a_seek_made_while_others_take_over_is_where_reading_goes_on(self, site: KafkaSite, team: Team) -> None:
        topic = site.topic(2)
        for partition in range(2):
            fill(site, TP(topic, partition), 200)
        first = team.alone(topic, 2)
        before: list[int] = []

        def start_again() -> None:
            for tp in sorted(first.owned):
                first.link.seek(tp, 0)
            before.append(len(first.records))

        first.on_revoked = start_again
        second = team.worker(topic)
        deadline = time.monotonic() + 20
        while not before:
            assert time.monotonic() < deadline
            # Few at a time, so that much is ready when the partitions move.
            first.poll(3, 0.01)
            second.poll()
        drive(lambda: len(first.records) == before[0] + 200, first, second)
        (kept,) = first.owned
        assert [record.partition() for record in first.records[before[0] :]] == [kept.partition] * 200
        assert [record.offset() for record in first.records[before[0] :]] == list(range(200))
