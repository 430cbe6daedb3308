"""Real Apache Kafka under the conformance suite, with both group protocols."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streams.settings import load_settings
from tests.integration.broker_conformance import BrokerConformance, Membership, Transactions, team
from tests.integration.broker_kafka_site import KafkaSite

__all__ = ["team"]


@pytest.fixture
def site(request: pytest.FixtureRequest, kafka: str) -> Iterator[KafkaSite]:
    protocol = "consumer" if request.cls is TestKafkaConsumerProtocol else "classic"
    site = KafkaSite(load_settings(bootstrap_servers=kafka, protocol=protocol, session_timeout_ms=1_500))
    yield site
    site.close()


class TestKafka(BrokerConformance):
    """All that is asked of a broker."""


class TestKafkaConsumerProtocol(Transactions, Membership):
    """KIP-848: what depends on the group protocol."""
