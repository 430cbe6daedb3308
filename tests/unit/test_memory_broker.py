"""The in-memory twin passes the suite that Apache Kafka passes, with and without random fetches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import uuid4

import pytest

from streams.broker.memory import MemoryBroker, MemoryCluster
from streams.broker.protocol import TP, Headers
from tests.integration.broker_conformance import BrokerConformance, team
from tests.integration.broker_site import Site

__all__ = ["team"]


class MemorySite:
    """The twin under test."""

    def __init__(self, seed: int | None) -> None:
        self.cluster = MemoryCluster(seed=seed)
        self.broker = MemoryBroker(self.cluster)

    def topic(self, partitions: int) -> str:
        name = f"topic-{uuid4().hex[:8]}"
        self.cluster.create_topic(name, partitions)
        return name

    def append(
        self,
        tp: TP,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
        timestamp: int | None = None,
    ) -> None:
        self.cluster.append(*tp, key, value, headers, timestamp)

    def silence(self, group: str, transactional_id: str) -> None:
        self.cluster.expire(transactional_id)

    def begin_offsets(self, group: str, offsets: Mapping[TP, int]) -> Callable[[bool], None]:
        coordinator = self.cluster.coordinator
        name = f"other-{uuid4().hex[:8]}"
        epoch = coordinator.open(name)
        coordinator.begin(name, epoch)
        coordinator.add_offsets(name, epoch, self.cluster.group(group), dict(offsets))
        return lambda committed: coordinator.end(name, epoch, committed)

    def while_waiting(self, act: Callable[[], None]) -> None:
        self.cluster.wait = lambda _: act()

    def delete_before(self, tp: TP, offset: int) -> None:
        self.cluster.delete_before(*tp, offset)


@pytest.fixture(params=[None, 1, 2], ids=["in order", "seed 1", "seed 2"])
def site(request: pytest.FixtureRequest) -> Site:
    return MemorySite(request.param)


class TestMemoryBroker(BrokerConformance):
    """All that is asked of a broker."""
