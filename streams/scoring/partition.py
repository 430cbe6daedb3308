"""One partition of the data plane: its engine, its cursor, and what an open transaction has to write for it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Protocol

import msgspec
import numpy as np

from models.champions import Champions
from models.definitions import Program, encode_definitions
from models.engine import Decisions, Engine
from models.features import COUNT
from models.kernel.decide import FLAP
from models.kernel.run import APPLIED, DUPLICATE, LATE
from models.kernel.tables import F8, I8
from models.pending import Block
from models.taxonomy import Taxonomy
from streams.broker.protocol import TP, Headers, Message, Record
from streams.contracts import journal
from streams.contracts.keys import definitions_key
from streams.scoring.changelog import CURSOR_KEY, ROW_PREFIX, Cursor, encode_cursor, pack_rows, pending_key, slices
from streams.scoring.dead import dead_letter
from streams.scoring.decode import Decode, Decoded
from streams.scoring.exact import Bad
from streams.scoring.fragments import SEGMENTATION_NAMES
from streams.scoring.publish import Publisher, Trigger
from streams.scoring.topics import Topics


class Sink(Protocol):
    """Where a partition writes; opens a transaction when none is open."""

    def write(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers | None = None
    ) -> None: ...
    def write_all(self, topic: str, partition: int, records: Iterable[Record]) -> None: ...


@dataclass(slots=True)
class Counts:
    """What happened since the last look, as plain integers."""

    applied: int = 0
    duplicates: int = 0
    late: int = 0
    future: int = 0
    no_message_id: int = 0
    flaps: int = 0
    samples: int = 0
    swept_rows: int = 0
    sweep_seconds: list[float] = field(default_factory=list)
    dead: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Durable:
    cursor: Cursor
    program: Program
    champions: Champions
    events: int
    commands: int
    one_in: int


class Partition:
    """Partition `number`. Everything it does is undone by `roll_back` until `forget` says that it is durable.

    `events_at`, `commands_at`: next offsets of its inputs; they move when a record's effects are in the transaction.
    `applying`: offset of the first record of the run being applied, None between two runs.
    """

    def __init__(
        self, number: int, topics: Topics, program: Program, taxonomy: Taxonomy, decode: Decode, sink: Sink, tolerance_ms: int
    ) -> None:
        self.number, self.topics, self.taxonomy = number, topics, taxonomy
        self.events_tp, self.commands_tp = TP(topics.events, number), TP(topics.commands, number)
        self.engine = Engine(program)
        self.publisher = Publisher(self.engine, taxonomy)
        self.cursor = Cursor()
        self.one_in = 1
        self.events_at = self.commands_at = 0
        self.counts = Counts()
        self.quarantined: dict[int, Bad] = {}
        self.applying: int | None = None
        self._decode, self._sink, self._tolerance = decode, sink, tolerance_ms
        self._moved: list[tuple[I8, F8, I8]] = []
        self._durable = self._snapshot()

    # -- events

    def apply(self, run: Sequence[Message], clock: int | None, *, journal_clamps: bool) -> None:
        """Applies a run of records of `events`, none of them a tick. `clock`: ms against which the future is measured."""
        if self.quarantined and len(run) == 1 and run[0].offset() in self.quarantined:
            self._set_aside(run[0])
            return
        self.applying = run[0].offset()
        decoded = self._decode.run(run)
        for bad in decoded.bad:
            self.bury(run[bad.place], bad)
        times, start = decoded.columns.times, 0
        if clock is not None and len(times):
            ahead = np.flatnonzero(times > clock + self._tolerance)
            times[ahead] = clock
            self.counts.future += len(ahead)
            for i in ahead.tolist() if journal_clamps else ():
                self._apply_columns(run, decoded, start, i)
                start, self.events_at = i, run[int(decoded.places[i])].offset()
                self.note("clamp", at=clock, offset=self.events_at)
        self._apply_columns(run, decoded, start, len(times))
        if decoded.unknown:
            self.counts.unknown.update(decoded.unknown)
        self.events_at = run[-1].offset() + 1
        self.applying = None

    def _apply_columns(self, run: Sequence[Message], decoded: Decoded, start: int, stop: int) -> None:
        """Applies the good events from `start` to `stop`."""
        if start >= stop:
            return
        part = slice(start, stop)
        events = decoded.events(self.engine.table.locate(decoded.keys[part]), part)
        outcome = np.empty(stop - start, np.uint8)
        trigger = Trigger("event", self.topics.events, self.number)
        for decisions in self.engine.apply(events, outcome):
            if len(decisions):
                places = decoded.places[start + decisions.what[:, 0]].tolist()
                self.publish(decisions, trigger, np.array([run[place].offset() for place in places]))
        tally = np.bincount(outcome, minlength=3)
        self.counts.applied += int(tally[APPLIED] + tally[LATE])
        self.counts.duplicates += int(tally[DUPLICATE])
        self.counts.late += int(tally[LATE])
        self.counts.no_message_id += int(np.count_nonzero(events.message == 0))

    def _set_aside(self, message: Message) -> None:
        self.bury(message, self.quarantined[message.offset()])
        self.note("quarantine", offset=message.offset())
        self.events_at = message.offset() + 1

    def bury(self, message: Message, bad: Bad) -> None:
        """Writes a dead letter: the raw bytes, with reason and source in the headers."""
        key, value, headers = dead_letter(message, bad)
        self._sink.write(self.topics.dead, self.number, key, value, headers)
        self.counts.dead[bad.kind] += 1

    def publish(self, decisions: Decisions, trigger: Trigger, offsets: I8) -> None:
        """Writes changes, and remembers whose memberships must be written before the commit. offsets [n]: of the triggers."""
        rolling, what = bytes.fromhex(self.cursor.changes), decisions.what
        for records, links in self.publisher.changes(decisions, trigger, offsets):
            self._sink.write_all(self.topics.changes, self.number, records)
            for link in links:
                rolling = hashlib.sha256(rolling + link).digest()
        self.update(changes=rolling.hex())
        self._moved.append((what[:, 1], decisions.figures[:, 1 + COUNT : 4 + COUNT].copy(), what[:, 7]))
        moves = np.bincount(what[:, 2], minlength=len(SEGMENTATION_NAMES))
        self.counts.changes.update(dict(zip(SEGMENTATION_NAMES, moves.tolist(), strict=True)))
        self.counts.flaps += int(np.count_nonzero(what[:, 6] & FLAP))

    # -- what takes effect

    def begin(self) -> None:
        """The first entry of a new partition: the definitions it starts with, written where an audit will find them."""
        program = self.engine.program
        self._sink.write(self.topics.models, 0, definitions_key(program.hash), encode_definitions(program.definitions))
        self.update(definitions=program.hash)
        self.note("start", what=program.hash)

    def update(self, **values: object) -> None:
        """Replaces fields of the cursor."""
        self.cursor = msgspec.structs.replace(self.cursor, **values)

    def note(self, kind: journal.Kind, *, what: str = "", at: int = 0, offset: int = -1) -> None:
        """Writes a journal entry at the present positions."""
        cursor = self.cursor
        entry = journal.sealed(
            journal.Entry(
                self.number,
                cursor.sequence,
                cursor.entry,
                kind,
                self.events_at,
                self.commands_at,
                cursor.changes,
                what,
                at,
                offset,
            )
        )
        self._sink.write(self.topics.journal, self.number, b"%d" % self.number, journal.encode(entry))
        self.update(sequence=cursor.sequence + 1, entry=entry.hash)

    def adopt_manifest(self, name: str, epoch: int, one_in: int, champions: Champions) -> None:
        """From here on the champions of this manifest decide."""
        self._write_memberships()
        self.engine.adopt(champions=champions)
        self.one_in = one_in
        self.update(manifest=name, epoch=epoch)
        self.note("manifest", what=name, at=epoch)

    def adopt_definitions(self, program: Program) -> None:
        """From here on these definitions decide."""
        self._write_memberships()
        self.engine.adopt(program=program)
        self.update(definitions=program.hash)
        self.note("definitions", what=program.hash)

    # -- samples

    def keep_samples(self, block: Block) -> None:
        """Writes pending samples to the changelog."""
        keys = [pending_key(customer, block.t0) for customer in self.engine.table.ids.of(block.rows)]
        self._sink.write_all(self.topics.state, self.number, zip(keys, slices(block.entries), repeat(None)))

    def drop_samples(self, block: Block) -> None:
        """Removes pending samples from the changelog."""
        ids = self.engine.table.ids.of(block.rows)
        gone: list[Record] = [(pending_key(customer, block.t0), None, None) for customer in ids]
        self._sink.write_all(self.topics.state, self.number, gone)

    def write_sample(self, key: bytes, value: bytes) -> None:
        """Writes a sample or a mark for the learner."""
        self._sink.write(self.topics.samples, self.number, key, value)

    # -- the transaction

    @property
    def dirty(self) -> bool:
        """Whether anything happened since the last commit."""
        d = self._durable
        return (
            self.cursor is not d.cursor
            or self.events_at != d.events
            or self.commands_at != d.commands
            or self.engine.table.touched_count() > 0
        )

    def flush(self) -> None:
        """Writes rows touched, memberships moved and the cursor: the last things before the commit."""
        table = self.engine.table
        touched = table.touched()
        keys = [ROW_PREFIX + customer for customer in table.ids.of(touched)]
        self._sink.write_all(self.topics.state, self.number, zip(keys, pack_rows(table.rows.u8, touched), repeat(None)))
        self._write_memberships()
        if (self.cursor.events, self.cursor.commands) != (self.events_at, self.commands_at):
            self.update(events=self.events_at, commands=self.commands_at)
        if self.cursor is not self._durable.cursor:
            self._sink.write(self.topics.state, self.number, CURSOR_KEY, encode_cursor(self.cursor))

    def _write_memberships(self) -> None:
        """Of all who moved, in the names of those who decided: before others do, and before the commit."""
        if not self._moved:
            return
        rows, scores, moments = (np.concatenate(column) for column in zip(*self._moved, strict=True))
        _, newest = np.unique(rows[::-1], return_index=True)
        newest = np.sort(len(rows) - 1 - newest)  # not by row: where a row stands is a matter of who restored it
        for records in self.publisher.memberships(rows[newest], scores[newest], moments[newest]):
            self._sink.write_all(self.topics.segments, self.number, records)
        self._moved.clear()

    def forget(self) -> None:
        """The transaction is durable."""
        self.engine.forget()
        self._moved.clear()
        self._durable = self._snapshot()

    def roll_back(self) -> None:
        """The transaction is void: everything as at the last commit."""
        self.engine.roll_back()
        self._moved.clear()
        self.applying = None
        d = self._durable
        self.cursor, self.events_at, self.commands_at, self.one_in = d.cursor, d.events, d.commands, d.one_in
        self.engine.adopt(program=d.program, champions=d.champions)
        self.counts = Counts()

    def start_at(self, events: int, commands: int) -> None:
        """Begins at these next offsets, with the state as restored."""
        self.events_at, self.commands_at = events, commands
        self._durable = self._snapshot()

    def _snapshot(self) -> _Durable:
        e = self.engine
        return _Durable(self.cursor, e.program, e.champions, self.events_at, self.commands_at, self.one_in)
