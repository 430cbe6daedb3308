"""Plays events through the real engine and the learner, day by day as under `ticks`, in one process and without a broker."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from models.champions import champions
from models.check import decode_manifest, decode_snapshot
from models.definitions import compile_definitions
from models.engine import Engine
from models.evaluation import pool
from models.learning.batch import F8, Batch, Mask, Matured, Record, gather
from models.learning.config import DAY_MS, LearnerConfig
from models.learning.learner import Learner, Progress
from models.snapshot import Behaviour, Family, Manifest, Score, Snapshot
from streams.presets import load_definitions, load_taxonomy
from streams.replay.event import ReplayEvent
from streams.scoring.decode import Decode

HORIZON_DAYS = 30
PHASES = 7


class Read:
    """A record as the decoder wants it."""

    def __init__(self, event: ReplayEvent) -> None:
        self._event = event

    def key(self) -> bytes:
        return self._event.key

    def value(self) -> bytes:
        return self._event.value


@dataclass(slots=True)
class Played:
    """What a run gave: manifests in order, all snapshots, matured batches by manifest, and the engine as it ended."""

    engine: Engine
    manifests: list[Manifest] = field(default_factory=list)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    batches: list[Batch] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def second_half(self) -> slice:
        """Of the epochs."""
        return slice(len(self.manifests) // 2, None)

    def score(self, family: Family) -> Score:
        """The champions' tests over the second half of the epochs."""
        return pool(m.tallies[family] for m in self.manifests[self.second_half()] if family in m.tallies)

    def tested(self) -> tuple[F8, Mask]:
        """Features [n, COUNT] and `bought` [n] of the samples behind `score`."""
        parts = [
            (b.features[b.labelled], b.orders[b.labelled] >= 1)
            for b, m in zip(self.batches[self.second_half()], self.manifests[self.second_half()], strict=True)
            if "purchase" in m.tallies
        ]
        return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])

    def champion(self, family: Family) -> Snapshot:
        """The last one."""
        return self.snapshots[self.manifests[-1].champions[family].hash]

    def kinds(self) -> Behaviour:
        """The last kinds of customers."""
        body = self.champion("behaviour").body
        assert isinstance(body, Behaviour)
        return body


def by_day(events: Iterable[ReplayEvent]) -> Iterator[tuple[int, Sequence[ReplayEvent]]]:
    """Ticks at midnight, ms, each with the events since the one before."""
    tick = None
    for day, group in groupby(events, key=lambda event: event.at // DAY_MS):
        while tick is not None and tick < day * DAY_MS:
            tick += DAY_MS
            yield tick, ()
        tick = (day + 1) * DAY_MS
        yield tick, list(group)


def play(days: Iterable[tuple[int, Sequence[ReplayEvent]]], config: LearnerConfig | None = None) -> Played:
    """Each day: its events, then the tick: adopt what was learnt by the tick before, sweep, learn."""
    engine = Engine(compile_definitions(load_definitions("retail")))
    decode = Decode(load_taxonomy("retail"), max_bytes=32_768, max_amount=1e7)
    learner = Learner(config or LearnerConfig(partitions=1))
    played = Played(engine)
    for tick, events in days:
        _apply(engine, decode, events)
        if played.manifests:
            names = played.manifests[-1].champions
            engine.adopt(champions=champions({f: played.snapshots[c.hash] for f, c in names.items()}))
        samples = _sweep(engine, tick)
        batch = gather(samples)
        outcome = learner.epoch(tick, batch, Progress(len(engine.table), [0], [tick]))
        played.snapshots.update((h, decode_snapshot(data, name=h)) for h, data in outcome.snapshots)
        played.manifests.append(decode_manifest(outcome.manifest, name=str(tick)))
        played.batches.append(batch)
        played.sizes.append(len(outcome.state))
        engine.forget()
    return played


def shared(name: str) -> Path:
    """A file of the real data that is not part of the project; the test is skipped where it is not."""
    folder = Path(os.environ.get("SHOAL_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
    path = folder / name
    if not path.is_file():
        pytest.skip(f"{name} is not there: put it into ../shared/data or name its folder in SHOAL_TEST_DATA")
    return path


def rand_index(a: np.ndarray, b: np.ndarray) -> float:
    """Adjusted Rand index of two labellings [n] (Hubert and Arabie, 1985): 1 when equal, 0 when by chance."""
    _, rows = np.unique(a, return_inverse=True)
    _, columns = np.unique(b, return_inverse=True)
    table = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(table, (rows, columns), 1)
    together, by_row, by_column, everything = (
        float((x * (x - 1) / 2).sum()) for x in (table, table.sum(1), table.sum(0), np.array([len(a)]))
    )
    expected = by_row * by_column / everything
    return (together - expected) / ((by_row + by_column) / 2 - expected)


def _apply(engine: Engine, decode: Decode, events: Sequence[ReplayEvent]) -> None:
    for start in range(0, len(events), 2_000):
        run = decode.run([Read(event) for event in events[start : start + 2_000]])  # type: ignore[misc]
        assert not run.bad, run.bad[0]
        columns = run.events(engine.table.locate(run.keys), slice(None))
        for _ in engine.apply(columns, np.empty(len(run.keys), np.uint8)):
            pass
        engine.forget()


def _sweep(engine: Engine, tick: int) -> list[Record]:
    ids = engine.table.ids
    records: list[Record] = []
    while (matured := engine.pending.mature(engine.table, tick - HORIZON_DAYS * DAY_MS)) is not None:
        labels = zip(matured.events.tolist(), matured.orders.tolist(), matured.spent.tolist(), strict=True)
        grown = zip(matured.block.rows.tolist(), matured.block.entries["features"].astype(float).tolist(), labels, strict=True)
        records.extend(Record(ids[r].decode(), matured.block.t0, x, Matured(*label)) for r, x, label in grown)
    place = 0
    while place < len(engine.table):
        stretch = engine.sweep(tick, place, tick // DAY_MS % PHASES, PHASES, 1, 100_000)
        place = stretch.end
        if len(stretch.sampled):
            block = engine.pending.take(engine.table, tick, stretch.sampled, stretch.features)
            fresh = zip(block.rows.tolist(), block.entries["features"].astype(float).tolist(), strict=True)
            records.extend(Record(ids[r].decode(), tick, x, None) for r, x in fresh)
        engine.forget()
    return records
