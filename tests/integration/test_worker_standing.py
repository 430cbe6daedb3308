"""Where a worker goes on that takes partitions over: where their state stands, whatever the group's offsets are."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from typing import ClassVar

import pytest

from streams.broker.memory import MemoryBroker
from streams.broker.memory_connection import MemoryConnection
from streams.broker.memory_log import MemoryMessage
from streams.broker.protocol import TP, Broker
from streams.errors import BrokerError, RestoreError
from tests.chaos.breaking import positions_unsaid
from tests.chaos.line import Line
from tests.chaos.twin import Twin
from tests.integration.twin_runs import assert_equal, line, reference, twin_of

__all__ = ["line", "reference"]


def half_way(line: Line) -> Twin:
    """A worker has died in the middle of the input."""
    twin = twin_of(line)
    twin.start(0)
    while sum(twin.cluster.group(twin.settings.group_name()).offsets.values()) < line.expected.records // 2:
        twin.turn()
    twin.kill(0)
    return twin


@pytest.mark.parametrize("elsewhere", [None, -60, 60])
def test_the_state_knows_where_it_stands_whatever_the_group_says(line: Line, reference: Twin, elsewhere: int | None) -> None:
    twin = half_way(line)
    offsets = twin.cluster.group(twin.settings.group_name()).offsets
    for tp, offset in list(offsets.items()):
        if elsewhere is None:  # as a broker forgets those of a group that was away for long
            del offsets[tp]
        else:
            offsets[tp] = max(0, offset + elsewhere)
    twin.start(0)
    twin.run()
    assert_equal(twin, reference)


class Mute(MemoryConnection):
    """A link to a broker that does not tell a group's offsets."""

    def committed(self, partitions: Sequence[TP]) -> dict[TP, int]:
        raise BrokerError(f"the broker does not tell the offsets of {len(partitions)} partitions")


class MuteLinks(MemoryBroker):
    """Makes such links."""

    link: type[MemoryConnection] = Mute

    def __init__(self, broker: Broker) -> None:
        assert isinstance(broker, MemoryBroker)
        super().__init__(broker._cluster)

    def connection(self, group: str, transactional_id: str) -> MemoryConnection:
        return self.link(self._cluster, group, transactional_id)


def test_a_worker_goes_on_where_its_state_stands_if_the_broker_does_not_tell(line: Line, reference: Twin) -> None:
    twin = half_way(line)
    twin.wrap = MuteLinks
    twin.start(0)
    twin.run()
    assert_equal(twin, reference)


class Hesitant(MemoryConnection):
    """A link to a broker that tells offsets when it is asked for the tenth time."""

    log: ClassVar[list[str]] = []

    def committed(self, partitions: Sequence[TP]) -> dict[TP, int]:
        if self.log.count("refused") < 9:
            self.log.append("refused")
            raise BrokerError(f"the broker does not tell the offsets of {len(partitions)} partitions yet")
        return super().committed(partitions)

    def poll(self, limit: int, timeout: float) -> Sequence[MemoryMessage]:
        self.log.append("polled")
        return super().poll(limit, timeout)


class HesitantLinks(MuteLinks):
    """Makes such links."""

    link = Hesitant


def test_a_worker_polls_while_it_waits_for_offsets(line: Line, reference: Twin, caplog: pytest.LogCaptureFixture) -> None:
    Hesitant.log.clear()
    twin = half_way(line)
    twin.wrap = HesitantLinks
    twin.start(0)
    twin.run()
    assert_equal(twin, reference)
    assert Hesitant.log.count("refused") == 9
    assert ("refused", "refused") not in pairwise(Hesitant.log), "a member that does not poll is sent away"
    assert "the state alone says" not in caplog.text


def test_a_partition_whose_state_does_not_say_where_it_stands_and_has_no_offset_is_refused(line: Line) -> None:
    with ExitStack() as on:
        positions_unsaid(on)
        twin = half_way(line)
    twin.cluster.group(twin.settings.group_name()).offsets.clear()
    worker = twin.make(0)
    with pytest.raises(RestoreError, match=r"there is state, of a version .* counted twice"):
        worker.run(lambda: False)
