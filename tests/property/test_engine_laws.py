"""Laws of the engine: where batches, sweeps and transactions are cut changes nothing; apply, roll back, apply is apply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.champions import Champions, champions, no_champions
from models.definitions import Program, compile_definitions
from models.engine import Decisions, Engine
from models.features import catalogue_hash
from models.identity import hash_all
from models.kernel.tables import Events
from models.row import BEHAVIOURS, ROW_BYTES
from models.snapshot import Family, Score, Snapshot
from streams.presets import load_definitions
from streams.settings import DAY_MS
from tests.benchmarks.champions import bodies

START = 19_000 * DAY_MS
HORIZON = 3 * DAY_MS
PHASES = 2
NOBODY = 255


@dataclass(frozen=True)
class Event:
    customer: int
    at: int
    behaviour: int
    amount: float
    discount: float
    category: int
    channel: int
    coupon: int
    local: int
    message: int


@dataclass(frozen=True)
class Sweep:
    at: int


@dataclass(frozen=True)
class Adopt:
    seed: int


Item = Event | Sweep | Adopt

_moments = st.builds(
    lambda day, ms: START + day * DAY_MS + ms,
    st.integers(0, 12),
    st.one_of(st.integers(0, DAY_MS - 1), st.sampled_from([0, 1, DAY_MS // 2])),
)
_events = st.builds(
    Event,
    customer=st.integers(0, 5),
    at=_moments,
    behaviour=st.integers(0, len(BEHAVIOURS) - 1),
    amount=st.floats(0, 1e4, width=32),
    discount=st.floats(0, 100, width=32),
    category=st.one_of(st.just(NOBODY), st.integers(0, 15)),
    channel=st.one_of(st.just(NOBODY), st.integers(0, 7)),
    coupon=st.integers(0, 1),
    local=st.sampled_from([0, 3_600_000, -18_000_000]),
    # 0: no id. Few others, so that some come again inside the last twenty and some after.
    message=st.one_of(st.just(0), st.integers(1, 60)),
)
_scripts = st.lists(st.one_of(*[_events] * 6, st.builds(Sweep, st.just(0)), st.builds(Adopt, st.integers(0, 3))), max_size=60)


@cache
def _program() -> Program:
    return compile_definitions(load_definitions("retail"))


@cache
def _champions(seed: int) -> Champions:
    """None of them for 0, all of them else."""
    if seed == 0:
        return no_champions()
    made = {family: Snapshot(family, seed, START, 1, catalogue_hash(), body, Score()) for family, body in bodies(seed).items()}
    held: dict[Family, Snapshot] = dict(made)
    return champions(held)


@dataclass
class Run:
    """An engine that follows a script, cut into pieces by `rng`, or in one piece between two other items without it."""

    rng: Random | None
    engine: Engine = field(default_factory=lambda: Engine(_program()))
    said: list[bytes] = field(default_factory=list)
    durable: int = 0
    """How much of `said` is."""
    decided: Champions = field(default_factory=no_champions)
    """Who decided at the last commit."""
    again: list[Item] = field(default_factory=list)
    """What has happened since."""

    def follow(self, script: Sequence[Item]) -> Run:
        place = day = 0
        while place < len(script):
            item = script[place]
            if isinstance(item, Event):
                piece = self._piece(script[place:])
                self._do(piece)
                place += len(piece)
                continue
            if isinstance(item, Sweep):
                day += 1
                item = Sweep(START + day * DAY_MS)
            self._do([item])
            place += 1
        self._commit()
        return self

    def result(self) -> tuple[list[bytes], dict[bytes, bytes], list[bytes]]:
        """All that was said, the rows by id, and the pending samples."""
        table = self.engine.table
        rows = {name: table.rows.u1[r].tobytes() for r, name in enumerate(table.ids)}
        pending = [
            b"%d %b " % (block.t0, table.ids[r]) + block.entries[k].tobytes()
            for block in self.engine.pending.blocks
            for k, r in enumerate(block.rows.tolist())
        ]
        return self.said, rows, pending

    def _piece(self, rest: Sequence[Item]) -> list[Item]:
        events = []
        for item in rest:
            if not isinstance(item, Event):
                break
            events.append(item)
        return list(events[: self.rng.randint(1, len(events))] if self.rng else events)

    def _do(self, items: list[Item]) -> None:
        self._apply(items)
        self.again += items
        chance = self.rng.random() if self.rng else 1.0
        if chance < 0.3:
            self._commit()
        elif chance < 0.6:
            self._abort()

    def _commit(self) -> None:
        self.engine.forget()
        self.durable, self.decided, self.again = len(self.said), self.engine.champions, []

    def _abort(self) -> None:
        """Gives up what happened since the last commit, and does it again, cut elsewhere."""
        self.engine.roll_back()
        self.engine.adopt(champions=self.decided)
        del self.said[self.durable :]
        events: list[Item] = []
        for item in self.again:
            if isinstance(item, Event):
                events.append(item)
                if self.rng and self.rng.random() < 0.5:
                    self._apply(events)
                    events = []
                continue
            self._apply(events)
            self._apply([item])
            events = []
        self._apply(events)

    def _apply(self, items: Sequence[Item]) -> None:
        events = [item for item in items if isinstance(item, Event)]
        if events:
            self._events(events)
        for item in items:
            if isinstance(item, Sweep):
                self._sweep(item.at)
            elif isinstance(item, Adopt):
                self.engine.adopt(champions=_champions(item.seed))

    def _events(self, events: list[Event]) -> None:
        def column(name: str, kind: type[np.generic]) -> NDArray[Any]:
            return np.array([getattr(event, name) for event in events], kind)

        rows = self.engine.table.locate([_name(event.customer) for event in events])
        messages = hash_all([b"m%d" % event.message if event.message else b"" for event in events])
        batch = Events(
            rows, column("at", np.int64), column("local", np.int64), column("behaviour", np.uint8), column("amount", np.float64),
            column("discount", np.float64), column("category", np.uint8), column("channel", np.uint8), column("coupon", np.uint8),
            messages,
        )  # fmt: skip
        outcome = np.empty(len(events), np.uint8)
        for decisions in self.engine.apply(batch, outcome):
            self._say(decisions)
        self.said += [b"outcome %d" % value for value in outcome.tolist()]

    def _sweep(self, at: int) -> None:
        engine = self.engine
        while (matured := engine.pending.mature(engine.table, at - HORIZON)) is not None:
            names = [engine.table.ids[r] for r in matured.block.rows.tolist()]
            labels = zip(names, matured.events.tolist(), matured.orders.tolist(), matured.spent.tolist(), strict=True)
            self.said += [b"label %d " % matured.block.t0 + repr(label).encode() for label in labels]
        begin = 0
        while begin < len(engine.table):
            budget = self.rng.randint(1, 3) if self.rng else 1_000
            stretch = engine.sweep(at, begin, at // DAY_MS % PHASES, PHASES, 1, budget)
            self._say(stretch.decisions)
            if len(stretch.sampled):
                block = engine.pending.take(engine.table, at, stretch.sampled, stretch.features)
                names = [engine.table.ids[r] for r in block.rows.tolist()]
                self.said += [b"sample %b " % name + entry.tobytes() for name, entry in zip(names, block.entries, strict=True)]
            begin = stretch.end

    def _say(self, decisions: Decisions) -> None:
        """Each decision, apart from the place of its trigger and of its row."""
        for k in range(len(decisions)):
            name = self.engine.table.ids[int(decisions.what[k, 1])]
            columns = (
                decisions.what[k, 2:],
                decisions.figures[k],
                decisions.reach[k],
                decisions.reasons[k],
                decisions.effects[k],
            )
            self.said.append(b"move %b " % name + b"".join(column.tobytes() for column in columns))


def _name(customer: int) -> bytes:
    return b"customer-%d" % customer


def _streams(said: list[bytes]) -> dict[bytes, list[bytes]]:
    """Moves, outcomes, and samples with labels, each in order, as they go to topics of their own."""
    streams: dict[bytes, list[bytes]] = {b"move": [], b"outcome": [], b"sample": [], b"label": []}
    for text in said:
        streams[text.partition(b" ")[0]].append(text)
    return streams


@settings(max_examples=150)
@given(script=_scripts, seed=st.integers(0, 2**32))
def test_where_it_is_cut_and_what_is_done_twice_changes_nothing(script: list[Item], seed: int) -> None:
    whole, cut = Run(None).follow(script), Run(Random(seed)).follow(script)
    said, rows, pending = whole.result()
    said_cut, rows_cut, pending_cut = cut.result()
    assert _streams(said_cut) == _streams(said)
    assert rows_cut == rows
    assert pending_cut == pending


@settings(max_examples=80)
@given(before=_scripts, after=_scripts)
def test_rolling_back_leaves_everything_as_it_was(before: list[Item], after: list[Item]) -> None:
    run = Run(None).follow(before)
    said, rows, pending = run.result()
    known, order = list(run.engine.table.ids), run.engine.table.order().tolist()
    said = list(said)
    run._apply([item if not isinstance(item, Sweep) else Sweep(START + 40 * DAY_MS) for item in after])
    run.engine.roll_back()
    run.engine.adopt(champions=run.decided)
    del run.said[run.durable :]
    assert run.result() == (said, rows, pending)
    assert list(run.engine.table.ids) == known
    assert run.engine.table.ids.find(known).tolist() == list(range(len(known)))
    assert run.engine.table.order().tolist() == order
    assert run.engine.table.touched_count() == 0


def test_the_laws_are_tried_on_what_matters() -> None:
    """Late and repeated events, moves by rules and by models, samples and their labels do occur in a long script."""
    rng = Random(5)
    script: list[Item] = []
    for n in range(600):
        at = START + n * DAY_MS // 40 - (5 * DAY_MS if n % 9 == 0 else 0)
        script.append(
            Event(n % 6, at, rng.randrange(16), float(n % 80), 0.0, n % 16, n % 8, n % 2, 0, n if n % 5 else max(1, n - 6))
        )
        if n % 40 == 39:
            script += [Sweep(0), Adopt(n // 200)]
    said, rows, pending = Run(None).follow(script).result()
    kinds = {text.partition(b" ")[0] for text in said}
    assert kinds == {b"move", b"outcome", b"sample", b"label"}
    assert {b"outcome 0", b"outcome 1", b"outcome 2"} <= set(said)
    moved = {int.from_bytes(text.split(b" ", 2)[2][:8], "little") for text in said if text.startswith(b"move")}
    assert {0, 1, 2, 6} <= moved, "lifecycle, behaviour, value and primary"
    assert len(rows) == 6
    assert all(len(image) == ROW_BYTES for image in rows.values())
    assert pending
