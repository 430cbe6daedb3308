"""The engine against the oracle, a second and plain reading of its rules: the same rows, byte for byte, and the same changes."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, groupby
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

import tests.oracle
from models.champions import champions
from models.check import decode_manifest, decode_snapshot
from models.definitions import compile_definitions
from models.definitions.variables import VARIABLES
from models.engine import Decisions, Engine
from models.features import NAMES
from models.identity import stable_hash
from models.kernel.decide import FLAP, HYSTERESIS
from models.kernel.tables import Events
from models.learning.batch import Matured, Record, gather
from models.learning.config import LearnerConfig
from models.learning.learner import Learner, Progress
from models.row import BEHAVIOURS, CHANNELS, MICRO_SLOTS, ROW, SEGMENTATIONS
from models.snapshot import FAMILIES, Family, Snapshot
from streams.presets import load_taxonomy
from streams.replay.event import ReplayEvent
from streams.replay.files import online_retail
from streams.scoring.decode import Decode
from streams.simulator.generate import generate_events
from streams.simulator.population import Config
from tests.oracle.decide import Change, Hysteresis, Moved
from tests.oracle.partition import Label, Partition, Sample
from tests.oracle.row import DAY, Event
from tests.oracle.scripts import START, Define, Item, Promote, Sweep, definitions_of, edges, long_script, scripts, snapshots_of
from tests.property.decoded_events import events_of
from tests.quality.engine_run import Read

OUTCOMES = ("applied", "duplicate", "late")
HOW: dict[str, Hysteresis] = {name: name for name in get_args(Hysteresis)}
NOBODY = 255


@dataclass
class Real:
    """The engine itself, and what it says in the oracle's words. The fields are those of `Partition`."""

    phases: int
    period: int
    horizon: int
    engine: Engine = field(default_factory=lambda: Engine(compile_definitions(definitions_of("retail"))))
    changes: list[Change] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)

    def apply(self, events: Sequence[Event]) -> None:
        def column(name: str, kind: type[np.generic]) -> NDArray[Any]:
            return np.array([getattr(event, name) for event in events], kind)

        slots = [NOBODY if event.category is None else event.category for event in events]
        channels = [NOBODY if event.channel is None else CHANNELS.index(event.channel) for event in events]
        batch = Events(
            self.engine.table.locate([event.customer for event in events]), column("at", np.int64), column("local", np.int64),
            np.array([BEHAVIOURS.index(event.behaviour) for event in events], np.uint8), column("revenue", np.float64),
            column("discount", np.float64), np.array(slots, np.uint8), np.array(channels, np.uint8), column("coupon", np.uint8),
            column("message", np.uint64),
        )  # fmt: skip
        outcome = np.empty(len(events), np.uint8)
        for decisions in self.engine.apply(batch, outcome):
            self._hear(decisions)
        self.outcomes += [OUTCOMES[value] for value in outcome]
        self.engine.forget()

    def sweep(self, at: int) -> None:
        engine = self.engine
        while (matured := engine.pending.mature(engine.table, at - self.horizon)) is not None:
            grown = zip(matured.events.tolist(), matured.orders.tolist(), matured.spent.tolist(), strict=True)
            names = engine.table.ids.of(matured.block.rows)
            self.labels += [Label(name, matured.block.t0, *label) for name, label in zip(names, grown, strict=True)]
        stretch = engine.sweep(at, 0, at // self.period % self.phases, self.phases, 1, 1_000_000)
        assert stretch.end == len(engine.table)
        self._hear(stretch.decisions)
        engine.pending.take(engine.table, at, stretch.sampled, stretch.features)
        engine.forget()

    def rows(self) -> dict[bytes, bytes]:
        table = self.engine.table
        return dict(zip(table.ids, (image.tobytes() for image in table.rows.u1[: len(table)]), strict=True))

    def samples(self) -> list[Sample]:
        return [
            Sample(name, block.t0, tuple(e["features"].tolist()), int(e["events"]), int(e["orders"]), float(e["spent"]))
            for block in self.engine.pending.blocks
            for name, e in zip(self.engine.table.ids.of(block.rows), block.entries, strict=True)
        ]

    def _hear(self, d: Decisions) -> None:
        offers = self.engine.program.definitions.recommend.offers
        names = self.engine.table.ids.of(np.ascontiguousarray(d.what[:, 1]))
        for k, name in enumerate(names):
            _, _, s, previous, current, since, how, at, behind, flags = d.what[k].tolist()
            confidence, *x = d.figures[k].tolist()
            channel, hour, *categories = d.reach[k].tolist()
            reasons = zip(d.reasons[k].tolist(), d.effects[k].tolist(), strict=True)
            segmentation, hysteresis = (*SEGMENTATIONS, "micro")[s], HOW[HYSTERESIS[how % FLAP]]
            change = Change(
                customer=name,
                moved=Moved(segmentation, previous, current, since, hysteresis, how >= FLAP, behind, confidence),
                at=at,
                figures=dict(zip(VARIABLES, (None if np.isnan(value) else value for value in x), strict=True)),
                reasons=tuple((NAMES[feature], effect) for feature, effect in reasons if feature >= 0),
                flags=flags % 256,
                channel=CHANNELS[channel] if channel >= 0 else None,
                hour=hour if hour >= 0 else None,
                categories=tuple(slot for slot in categories if slot >= 0),
                offer=offers[flags // 256 - 1].offer if flags >= 256 else None,
            )
            self.changes.append(change)


class Both:
    """The engine and the oracle, side by side."""

    def __init__(self, *, phases: int = 2, period: int = DAY, horizon: int = 14 * DAY) -> None:
        self.real = Real(phases, period, horizon)
        self.oracle = Partition(definitions_of("retail"), phases=phases, period=period, horizon=horizon)

    def follow(self, script: Sequence[Item]) -> None:
        """Events that stand together are one batch of the engine's."""
        for _, group in groupby(script, key=type):
            items = list(group)
            self.apply([item for item in items if isinstance(item, Event)])
            for item in items:
                match item:
                    case Sweep(at=at):
                        self.sweep(at)
                    case Promote(seed=seed):
                        self.promote(dict(snapshots_of(seed)))
                    case Define(name=name):
                        self.real.engine.adopt(program=compile_definitions(definitions_of(name)))
                        self.oracle.adopt_definitions(definitions_of(name))

    def apply(self, events: Sequence[Event]) -> None:
        self.real.apply(events)
        for event in events:
            self.oracle.event(event)

    def sweep(self, at: int) -> None:
        self.real.sweep(at)
        self.oracle.sweep(at)

    def promote(self, snapshots: dict[Family, Snapshot]) -> None:
        self.real.engine.adopt(champions=champions(snapshots))
        self.oracle.adopt_champions(snapshots)

    def compare(self) -> None:
        """Everything said and kept is the same. Texts tell -0.0 from 0.0, and one float from the next."""
        real, oracle = self.real, self.oracle
        assert real.outcomes == oracle.outcomes
        for n, (said, expected) in enumerate(zip(real.changes, oracle.changes, strict=False)):
            assert repr(said) == repr(expected), f"change {n}"
        assert len(real.changes) == len(oracle.changes)
        rows, expected_rows = real.rows(), oracle.rows()
        assert rows.keys() == expected_rows.keys()
        for name, row in rows.items():
            assert row == expected_rows[name], f"{name!r}: {differing(row, expected_rows[name])}"
        assert repr(real.samples()) == repr(oracle.samples)
        assert repr(real.labels) == repr(oracle.labels)


def differing(row: bytes, expected: bytes) -> dict[str, tuple[object, object]]:
    """The fields of two rows that differ."""
    a, b = np.frombuffer(row, ROW)[0], np.frombuffer(expected, ROW)[0]
    return {name: (a[name].tolist(), b[name].tolist()) for name in ROW.names or () if a[name].tobytes() != b[name].tobytes()}


@settings(max_examples=150)
@given(scripts)
def test_the_engine_does_what_the_oracle_says(script: list[Item]) -> None:
    both = Both()
    both.follow(script)
    both.compare()


@cache
def followed(seed: int) -> Both:
    both = Both()
    both.follow(long_script(seed, 400))
    return both


@pytest.mark.parametrize("seed", range(6))
def test_the_engine_does_what_the_oracle_says_in_long_scripts(seed: int) -> None:
    followed(seed).compare()


def test_the_engine_does_what_the_oracle_says_at_the_edges() -> None:
    both = Both()
    both.follow(edges())
    both.compare()
    back = [change for change in both.oracle.changes if change.moved.segmentation == "value" and change.moved.previous]
    assert {(change.at, change.moved.flap) for change in back[-4:]} == {(START + 2 * DAY, False), (START + 3 * DAY - 1, True)}
    assert {(change.channel, change.hour, change.categories) for change in both.oracle.changes} >= {("mobile", 0, (3, 5))}


def test_the_oracle_is_asked_about_what_matters() -> None:
    """Every kind of move, doubt, and the lack of it do occur in the long scripts."""
    said = [change for seed in range(6) for change in followed(seed).oracle.changes]
    outcomes = Counter[str](outcome for seed in range(6) for outcome in followed(seed).oracle.outcomes)
    moves = Counter((change.moved.segmentation, change.moved.hysteresis) for change in said)
    immediate = {(name, "immediate") for name in SEGMENTATIONS if name != "behaviour"}
    confirmed = {(name, "confirmed") for name in ("lifecycle", "behaviour", "intent", "affinity")}
    first = {(name, "first") for name in (*SEGMENTATIONS, "micro")}
    assert moves.keys() == {*first, *immediate, *confirmed, ("behaviour", "margin"), ("micro", "immediate")}
    assert min(outcomes[name] for name in OUTCOMES) > 50
    assert sum(change.moved.flap for change in said) > 20
    assert sum(change.moved.confidence < 1.0 for change in said) > 100
    assert {len(change.reasons) for change in said} == {0, 1, 2, 3, 4, 5}
    assert {change.figures["churn"] is None for change in said} == {True, False}
    assert all(followed(seed).oracle.labels for seed in range(6))
    assert max(most_at_once(seed) for seed in range(6)) == MICRO_SLOTS


def most_at_once(seed: int) -> int:
    """Micro-segments that a customer of a long script is in at a time."""
    active, most = Counter[bytes](), 0
    for change in followed(seed).oracle.changes:
        if change.moved.segmentation == "micro":
            active[change.customer] += 1 if change.moved.current else -1
            most = max(most, active[change.customer])
    return most


def decoded(records: Sequence[ReplayEvent]) -> list[Event]:
    """Events as the decoder reads them."""
    d = Decode(load_taxonomy("retail"), max_bytes=32_768, max_amount=1e7).run([Read(record) for record in records])  # type: ignore[misc]
    assert not d.bad
    return events_of(d)


def learnt_from(events: Sequence[Event], config: LearnerConfig) -> Both:
    """Both take the events, a sweep after each period; what is learnt of the engine's samples decides from the next sweep on."""
    period = config.period_ms
    both = Both(phases=round(config.sample_every_days * DAY / period), period=period, horizon=round(config.horizon_days * DAY))
    learner, snapshots, champion_of = Learner(config), dict[str, Snapshot](), dict[Family, Snapshot]()
    for number, group in groupby(events, key=lambda event: event.at // period):
        at, labelled = (number + 1) * period, len(both.real.labels)
        features = {(sample.customer, sample.taken): sample.features for sample in both.real.samples()}
        both.apply(list(group))
        both.promote(champion_of)
        both.sweep(at)
        records = [
            Record(s.customer.decode(), s.taken, list(features[s.customer, s.taken]), Matured(s.events, s.orders, s.spent))
            for s in both.real.labels[labelled:]
        ]
        records += [Record(s.customer.decode(), at, list(s.features), None) for s in both.real.samples() if s.taken == at]
        outcome = learner.epoch(at, gather(records), Progress(len(both.real.engine.table), [0], [at]))
        snapshots.update((name, decode_snapshot(data, name=name)) for name, data in outcome.snapshots)
        manifest = decode_manifest(outcome.manifest, name=str(at))
        champion_of = {family: snapshots[champion.hash] for family, champion in manifest.champions.items()}
    assert len(champion_of) == len(FAMILIES), f"no champion but for {sorted(champion_of)}"
    return both


def test_a_year_of_real_customers_with_what_is_learnt_of_them() -> None:
    """One in fifteen customers of Online Retail."""
    events = decoded([event for event in online_retail() if stable_hash(event.key) % 15 == 0])
    both = learnt_from(events, LearnerConfig(partitions=1, period_ms=7 * DAY))
    both.compare()
    assert len(both.oracle.customers) > 250
    assert len(both.oracle.changes) > 5_000


def test_a_simulated_shop_with_what_is_learnt_of_its_customers() -> None:
    """Here are visits, carts, e-mails and channels, which Online Retail has not."""
    events = decoded(list(chain.from_iterable(generate_events(Config(customers=90, days=50, seed=2)))))
    short = LearnerConfig(1, 4 * DAY, horizon_days=8.0, sample_every_days=8.0, first_tests=20, first_labels=2, first_auc=0.0)
    both = learnt_from(events, short)
    both.compare()
    assert len(both.oracle.changes) > 2_000
    assert {change.channel for change in both.oracle.changes} >= {"email", "desktop", "app", "mobile"}


def test_the_oracle_reads_nothing_of_the_engine() -> None:
    for file in Path(tests.oracle.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [name.name for name in node.names] if isinstance(node, ast.Import) else []
            assert not any(name.startswith(("models.kernel", "models.engine", "models.table")) for name in names), file.name
