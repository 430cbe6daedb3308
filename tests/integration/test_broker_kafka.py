"""Real Apache Kafka under the conformance suite, with both group protocols."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streams.settings import Settings
from tests.integration.broker_conformance import BrokerConformance, team
from tests.integration.broker_kafka_site import KafkaSite

__all__ = ["team"]


@pytest.fixture(params=["classic", "consumer"])
def site(request: pytest.FixtureRequest, kafka: str) -> Iterator[KafkaSite]:
    site = KafkaSite(Settings(bootstrap_servers=kafka, protocol=request.param, session_timeout_ms=1_500))
    yield site
    site.close()


class TestKafka(BrokerConformance):
    """All that is asked of a broker."""
