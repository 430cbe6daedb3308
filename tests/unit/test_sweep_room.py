"""Sweeps of several partitions share the room of one transaction, and end as they would alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain

from streams.broker.memory import MemoryBroker
from streams.broker.memory_cluster import MemoryCluster
from streams.scoring.digest import digest, entries_of
from streams.scoring.library import Library
from streams.scoring.pace import Inbox, WallPace
from streams.scoring.sweep import room_of, sweep
from streams.settings import DAY_MS
from streams.simulator import Config, generate_events
from tests.chaos.stand import PLAN, Stand

CAP = 60
CONFIG = Config(customers=120, days=6, seed=5)
AT = CONFIG.start_ms + CONFIG.days * DAY_MS


def stands(n: int, cap: int) -> list[Stand]:
    """Partitions with the same customers, of whom a first sweep will sample many."""
    made = [Stand(plan=replace(PLAN, cap=cap, sample_every=DAY_MS)).begin() for _ in range(n)]
    for stand in made:
        stand.feed((event.key, event.value) for event in chain.from_iterable(generate_events(CONFIG)))
        stand.commit()
        stand.durable.clear()
    return made


def test_together_they_write_no_more_than_one_may() -> None:
    together, alone = stands(3, CAP), stands(1, 20_000)[0]
    assert alone.sweep(AT)
    alone.commit()
    assert len(alone.durable) > 3 * CAP
    transactions = 0
    while any(stand.partition.cursor.swept != AT for stand in together):
        room = room_of(together[0].plan)
        for stand in together:
            if stand.partition.cursor.swept != AT and room.left > 0:
                sweep(stand.partition, AT, stand.plan, room)
        for stand in together:
            stand.partition.flush()
        # A change comes with its row and its memberships; then an entry of the journal, a mark and a cursor of each.
        assert sum(len(stand.open) for stand in together) <= CAP * 3 // 2 + 3 * len(together) + 4
        for stand in together:
            stand.commit()
        transactions += 1
    assert transactions > 3
    for stand in together:
        assert digest(entries_of([stand.partition])) == digest(entries_of([alone.partition]))


@dataclass
class _Noon:
    """A clock at which the sweep is due."""

    def monotonic(self) -> float:
        return 0.0

    def now_ms(self) -> int:
        return AT


def test_under_a_clock_one_of_them_sweeps_at_a_time() -> None:
    together, alone = stands(3, 20_000), stands(1, 20_000)[0]
    assert alone.sweep(AT)
    alone.commit()
    cluster = MemoryCluster()
    cluster.create_topic("models", 1)
    library = Library(MemoryBroker(cluster).reader("library"), "models")
    pace = WallPace(library, replace(together[0].plan, period=DAY_MS), _Noon(), lambda: together[0].partition.cursor.definitions)
    swept = []
    for _ in together:
        room = room_of(together[0].plan)
        assert [pace.advance(stand.partition, Inbox(), 10, room).commit for stand in together].count(True) == 1
        for stand in together:
            stand.commit()
        swept.append(sum(stand.partition.cursor.swept == AT for stand in together))
    assert swept == [1, 2, 3]
    for stand in together:
        assert digest(entries_of([stand.partition])) == digest(entries_of([alone.partition]))
