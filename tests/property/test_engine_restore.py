"""Law: a partition restored from its changelog is the partition that wrote it, also in the middle of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.broker.memory import MemoryMessage
from streams.replay.event import iso_ms
from streams.scoring.digest import entries_of
from streams.settings import DAY_MS
from tests.chaos.stand import PLAN, TOPICS, Stand, compacted

START = 19_000 * DAY_MS
Record = tuple[bytes, bytes]

_customers = st.sampled_from([b"ada", b"bob", b"c|d", "zoë".encode(), b"e" * 256])


@st.composite
def _records(draw: st.DrawFn) -> Record:
    customer = draw(_customers)
    body = {
        "type": "track",
        "event": draw(st.sampled_from(["Product Viewed", "Product Added", "Order Completed", "Order Refunded", "Unheard Of"])),
        "userId": customer.decode(),
        "messageId": f"m{draw(st.integers(0, 60))}",
        "timestamp": iso_ms(START + draw(st.integers(0, 9 * DAY_MS))),
        "properties": {"revenue": draw(st.integers(1, 500)), "category": draw(st.sampled_from(["kitchen", "garden", "nowhere"]))},
    }
    return customer, msgspec.json.encode(body)


_runs = st.lists(_records(), min_size=1, max_size=6)
_steps = st.lists(st.one_of(_runs, _runs, st.sampled_from(["sweep", "adopt"])), max_size=14)


def _do(stand: Stand, step: list[Record] | str, day: int, rng: Random) -> None:
    """A step in transactions of its own, some of them aborted first."""
    while True:
        if isinstance(step, list):
            stand.feed(step)
            done = True
        elif step == "adopt":
            stand.adopt(day % 3 + 1)
            done = True
        else:
            done = stand.sweep(START + day * DAY_MS)
        if rng.random() < 0.3:
            stand.abort()
            continue
        stand.commit()
        if done:
            return


def _parts(changelog: Sequence[MemoryMessage], rng: Random) -> list[Sequence[MemoryMessage]]:
    parts: list[Sequence[MemoryMessage]] = []
    while changelog:
        n = rng.randint(1, len(changelog))
        parts.append(changelog[:n])
        changelog = changelog[n:]
    return parts


@settings(max_examples=80)
@given(before=_steps, after=_steps, seed=st.integers(0, 2**32), clean=st.booleans())
def test_restored_is_live(before: list[list[Record] | str], after: list[list[Record] | str], seed: int, clean: bool) -> None:
    rng = Random(seed)
    live = Stand(plan=replace(PLAN, cap=4)).begin()
    for day, step in enumerate(before):
        _do(live, step, day, rng)
    if rng.random() < 0.5 and len(live.partition.engine.table) > 2:
        # It stops between two transactions of a sweep.
        live.sweep(START + len(before) * DAY_MS)
    live.commit()
    changelog = compacted(live.changelog()) if clean else live.changelog()
    restored = live.restored(_parts(changelog, rng))
    assert entries_of([restored.partition]) == entries_of([live.partition])
    assert restored.partition.cursor == live.partition.cursor
    assert restored.partition.engine.champions.versions == live.partition.engine.champions.versions

    # Both go on in the same way.
    for stand in (live, restored):
        stand.durable, same = [], Random(seed)
        while stand.partition.cursor.sweeping >= 0:
            stand.sweep(stand.partition.cursor.sweeping)
            stand.commit()
        for day, step in enumerate(after, len(before) + 1):
            _do(stand, step, day, same)
    for topic in (TOPICS.changes, TOPICS.segments, TOPICS.samples, TOPICS.journal):
        assert restored.of(topic) == live.of(topic)
    assert entries_of([restored.partition]) == entries_of([live.partition])
