"""Whole workers on the in-memory cluster: whatever is done to them, they leave behind what an undisturbed one leaves."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from random import Random

import msgspec
import pytest

from streams.broker.memory import MemoryBroker, MemoryCluster
from streams.broker.memory_connection import MemoryConnection
from streams.broker.protocol import TP, Broker, Headers
from streams.contracts.changes import Change
from streams.errors import ShoalError
from streams.scoring.digest import digest, entries_of
from streams.scoring.partition import Partition
from streams.scoring.restore import Restorer
from tests.chaos.breaking import positions_unsaid
from tests.chaos.disturbance import Disturbance
from tests.chaos.line import Line
from tests.chaos.twin import Twin
from tests.integration.twin_runs import PARTITIONS, assert_equal, line, reference, twin_of, undisturbed

__all__ = ["line", "reference"]


def test_an_undisturbed_run_adds_up(line: Line, reference: Twin) -> None:
    expected = line.expected
    applied = sum(
        int(row["events"])
        for slot in reference.workers[0].slots.values()
        for row in [slot.partition.engine.table.row(name) for name in slot.partition.engine.table.ids]
        if row is not None
    )
    dead = sum(map(len, reference.written("events.dlq")))
    assert (applied, dead) == (expected.applied, expected.dead)
    assert expected.records == sum(map(len, line.events)) + sum(map(len, line.commands))
    assert digest(entries_of(slot.partition for slot in reference.workers[0].slots.values())) == reference.digest()
    families = {family for change in changes(reference) for family in change.model or {}}
    assert families == {"behaviour", "churn", "purchase", "value", "usual"}


def changes(twin: Twin) -> list[Change]:
    return [
        msgspec.json.decode(value or b"", type=Change) for entries in twin.written("segment-changes") for _, value, _ in entries
    ]


def test_each_change_goes_on_where_the_one_before_ended(reference: Twin) -> None:
    held: dict[tuple[str, str], object] = {}
    for change in changes(reference):
        if change.segmentation == "micro":
            continue  # several at once
        place = change.customer_id, change.segmentation
        previous = None if change.previous is None else change.previous.segment
        assert held.get(place) == previous
        held[place] = None if change.current is None else change.current.segment
    assert len({change.id for change in changes(reference)}) == len(changes(reference))


@pytest.mark.parametrize("batch", [1, 7, 100, 10_000])
def test_batches_of_any_size_leave_the_same(line: Line, reference: Twin, batch: int) -> None:
    assert_equal(undisturbed(line, seed=batch, batch=batch), reference)


@pytest.mark.parametrize("cap", [100, 130])
def test_sweeps_in_several_transactions_leave_the_same(line: Line, reference: Twin, cap: int) -> None:
    assert_equal(undisturbed(line, seed=cap, sweep_cap=cap), reference)


@pytest.mark.parametrize("seed", range(1, 9))
def test_killed_aborted_and_expelled_anywhere_they_leave_the_same(line: Line, reference: Twin, seed: int) -> None:
    rng = Random(seed)
    disturbance = Disturbance(rng, 0.003)
    twin = twin_of(line, seed=seed, batch=rng.choice((20, 200, 2_000)), sweep_cap=rng.choice((100, 20_000)))
    twin.fault = disturbance
    for slot in range(1 + seed % 3):
        twin.start(slot)
    disturbance.cluster = twin.cluster
    twin.run()
    disturbance.cluster = None
    assert disturbance.hits.total() > 3
    assert_equal(twin, reference)


def test_the_disturbances_hit_every_kind_of_step(line: Line) -> None:
    disturbance = Disturbance(Random(1), 0.01)
    twin = twin_of(line, seed=1, batch=50)
    twin.fault = disturbance
    twin.start(0)
    twin.start(1)
    disturbance.cluster = twin.cluster
    for _ in range(400):
        if not twin.done():
            twin.turn()
    kinds = {"killed", "aborted", "expelled", "killed in commit", "aborted in commit", "reply lost"}
    assert set(disturbance.hits) == kinds


def test_workers_come_and_go(line: Line, reference: Twin) -> None:
    twin = twin_of(line, seed=4, batch=20)
    twin.start(0)
    owners: set[tuple[int, ...]] = set()
    for turn in range(100_000):
        if twin.done():
            break
        if turn in (40, 90, 300):
            twin.start(len(twin.workers))
        if turn in (150, 420):
            twin.workers.pop(max(twin.workers)).close()
        twin.turn()
        owners.add(tuple(sum(slot.running for slot in worker.slots.values()) for worker in twin.workers.values()))
    assert {len(counts) for counts in owners} >= {1, 2, 3}
    assert_equal(twin, reference)


def test_a_partition_that_comes_back_reads_only_what_others_wrote(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    twin = twin_of(line, seed=4, batch=20)
    first = twin.start(0)
    while sum(map(len, twin.written("state"))) < 500:
        twin.turn()
    twin.start(1)
    while len(first.slots) == PARTITIONS:
        twin.turn()
    kept = set(first.slots)
    begun: dict[int, int | None] = {}
    begin = Restorer.begin

    def seen(restorer: Restorer, partition: Partition, held_at: int | None) -> None:
        begun[partition.number] = held_at
        begin(restorer, partition, held_at)

    monkeypatch.setattr(Restorer, "begin", seen)
    twin.workers.pop(1).close()
    while len(first.slots) < PARTITIONS or not all(slot.running for slot in first.slots.values()):
        twin.turn()
    assert set(begun) == set(range(PARTITIONS))
    assert all((begun[number] or 0) > 0 for number in kept)


def test_state_that_came_while_the_offsets_were_awaited_is_not_lost(line: Line, reference: Twin) -> None:
    """The predecessor's offsets were on their way when its partitions went to another, its changelog records a little later."""
    links: list[LateState] = []

    def wrapped(broker: Broker) -> Broker:
        return broker if links else LateLinks(broker, links)

    twin = twin_of(line, seed=2, batch=40)
    twin.wrap = wrapped
    twin.start(0)
    while sum(map(len, twin.written("state"))) < 300:
        twin.turn()
    links[0].late = True
    while not links[0].held:
        twin.turn()
    twin.workers.clear()
    twin.cluster.wait = links[0].arrive
    twin.cluster.expire("shoal.worker-0")
    twin.start(1)
    twin.run()
    assert not links[0].held
    assert_equal(twin, reference)


class LateState(MemoryConnection):
    """A link that, once `late`, sends offsets at a commit, and is overtaken by a rebalance before its `state` arrives."""

    late = False

    def __init__(self, cluster: MemoryCluster, group: str, transactional_id: str) -> None:
        super().__init__(cluster, group, transactional_id)
        self.held: list[tuple[str, int, bytes | None, bytes | None]] = []
        self._at_once = self.produce
        self.produce = self._perhaps_later

    def _perhaps_later(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers | None = None
    ) -> None:
        if self.late and topic.endswith(".state"):
            self.held.append((topic, partition, key, value))
        else:
            self._at_once(topic, partition, key, value, headers)

    def commit(self, offsets: Mapping[TP, int]) -> None:
        """As librdkafka does it: the offsets go first, then what is still in its queue, then the end."""
        if not self.late:
            super().commit(offsets)
            return
        self._cluster.coordinator.add_offsets(self.name, self._producer._epoch, self._group, dict(offsets))

    def arrive(self, _: str) -> None:
        """The rest of the transaction, and its commit."""
        for record in self.held:
            self._at_once(*record)
        self.held.clear()
        self._producer.commit()


class LateLinks(MemoryBroker):
    """Makes one such link."""

    def __init__(self, broker: Broker, links: list[LateState]) -> None:
        assert isinstance(broker, MemoryBroker)
        super().__init__(broker._cluster)
        self._links = links

    def connection(self, group: str, transactional_id: str) -> MemoryConnection:
        self._links.append(LateState(self._cluster, group, transactional_id))
        return self._links[-1]


def test_a_broken_transaction_is_found_out(line: Line, reference: Twin) -> None:
    """The control: links that commit offsets apart from what they stand for do not pass, if the state does not know better."""
    found = 0
    on = ExitStack()
    positions_unsaid(on)
    for seed in range(1, 4):
        disturbance = Disturbance(Random(seed), 0.003)
        twin = twin_of(line, seed=seed, batch=40)
        twin.wrap, twin.fault = Torn, disturbance
        twin.start(0)
        disturbance.cluster = twin.cluster
        try:
            twin.run()
        except ShoalError:
            found += 1
            continue
        disturbance.cluster = None
        found += twin.digest() != reference.digest() or twin.written("segment-changes") != reference.written("segment-changes")
    on.close()
    assert found == 3


class Torn(MemoryBroker):
    """Makes links that commit what they wrote, and the offsets in a transaction of their own behind it."""

    def __init__(self, broker: Broker) -> None:
        assert isinstance(broker, MemoryBroker)
        super().__init__(broker._cluster)

    def connection(self, group: str, transactional_id: str) -> MemoryConnection:
        return TornLink(self._cluster, group, transactional_id)


class TornLink(MemoryConnection):
    """See Torn."""

    def commit(self, offsets: Mapping[TP, int]) -> None:
        super().commit({})
        self.begin()
        super().commit(offsets)
