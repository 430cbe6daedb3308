"""Recompute every decision of a partition from its input, journal and snapshots, and compare with what was published.

The journal says what took effect where; this drives a fresh partition by it. The entries and changes that it writes must be
those that were written then, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from models.definitions import compile_definitions
from models.errors import UNREADABLE
from streams.broker.protocol import TP, Broker, Headers, Message, Reader, Record
from streams.contracts import journal
from streams.errors import AuditError
from streams.presets import load_definitions, load_taxonomy
from streams.scoring.decode import Decode
from streams.scoring.exact import Bad
from streams.scoring.library import Library
from streams.scoring.pace import tick_in
from streams.scoring.partition import Partition
from streams.scoring.sweep import plan_of, sweep
from streams.scoring.topics import Topics, topics_of
from streams.settings import Settings

_FROM_START = -2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an audit of a partition found. `verifiable` is False when input from before `input_starts` is gone."""

    partition: int
    entries: int
    sweeps: int
    adoptions: int
    definitions: int
    events: int
    changes: int
    verifiable: bool = True
    input_starts: int = 0


class _Recorder:
    """Keeps what the recomputation writes; drops the rest."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self.changes: list[bytes] = []
        self.entries: list[bytes] = []

    def write(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers | None = None) -> None:
        if topic == self._topics.changes:
            self.changes.append(value or b"")
        elif topic == self._topics.journal:
            self.entries.append(value or b"")

    def write_all(self, topic: str, partition: int, records: Iterable[Record]) -> None:
        for key, value, _ in records:
            self.write(topic, partition, key, value)


def read_all(reader: Reader, topic: str, partition: int) -> list[Message]:
    """All committed records of a partition, as of now."""
    tp = TP(topic, partition)
    _, end = reader.watermarks(tp)
    reader.assign({tp: _FROM_START})
    found: list[Message] = []
    while reader.position(tp) < end:
        found.extend(reader.poll(10_000, 0.2))
    return found


def check_chain(records: list[tuple[int, bytes]], where: str) -> list[journal.Entry]:
    """The entries of (offset, bytes), each with a right hash, on top of the one before. Raises AuditError naming the entry."""
    entries: list[journal.Entry] = []
    for offset, data in records:
        name = f"{where} entry {len(entries)} (offset {offset})"
        try:
            entry = journal.decode(data)
        except UNREADABLE as error:
            raise AuditError(f"{name} is not a journal entry: {error}. The journal was altered.") from error
        if entry.sequence != len(entries):
            raise AuditError(f"{name} has the number {entry.sequence}: an entry is missing, doubled or moved before it.")
        if journal.sealed(entry).hash != entry.hash:
            raise AuditError(f"{name}, kind {entry.kind}: its content does not have its hash. The entry was altered.")
        if entry.previous != (entries[-1].hash if entries else ""):
            raise AuditError(f"{name}, kind {entry.kind}: it does not follow the entry before it. One of the two was altered.")
        entries.append(entry)
    return entries


class Audit:
    """Audits partitions of one deployment. `say` is told about progress."""

    def __init__(self, settings: Settings, broker: Broker, say: Callable[[str], None]) -> None:
        self._settings, self._broker, self._say = settings, broker, say
        self._topics, self._plan = topics_of(settings), plan_of(settings)
        self._taxonomy = load_taxonomy(settings.taxonomy)
        self._program = compile_definitions(load_definitions(settings.definitions))
        self._decode = Decode(self._taxonomy, max_bytes=settings.max_event_bytes, max_amount=settings.max_amount)
        self._library = Library(broker.reader(f"{settings.prefix}audit-models"), self._topics.models)
        self._library.open()

    def close(self) -> None:
        """Frees the reader."""
        self._library.reader.close()

    def partition(self, number: int) -> Verdict:
        """Recomputes a partition. Raises AuditError at the first entry or change that does not agree."""
        topics = self._topics
        reader = self._broker.reader(f"{self._settings.prefix}audit-{number}")
        try:
            low, _ = reader.watermarks(TP(topics.events, number))
            self._say(f"partition {number}: reading journal, input and changes")
            records = [(m.offset(), m.value() or b"") for m in read_all(reader, topics.journal, number)]
            entries = check_chain(records, f"{topics.journal}[{number}]")
            if low > 0:
                return Verdict(number, len(entries), 0, 0, 0, 0, 0, verifiable=False, input_starts=low)
            events = read_all(reader, topics.events, number)
            changes = [m.value() or b"" for m in read_all(reader, topics.changes, number)]
        finally:
            reader.close()
        return self.recompute(number, [data for _, data in records], entries, events, changes)

    def recompute(
        self, number: int, written: list[bytes], entries: list[journal.Entry], events: list[Message], changes: list[bytes]
    ) -> Verdict:
        """Drives a fresh partition by the journal and compares. `written`: the entries' bytes."""
        recorder = _Recorder(self._topics)
        partition = Partition(
            number, self._topics, self._program, self._taxonomy, self._decode, recorder, self._settings.future_tolerance_ms
        )
        inbox = _Input(partition, events, self._settings.batch, self._clock)
        for k, entry in enumerate(entries):
            where = f"{self._topics.journal}[{number}] entry {k}, kind {entry.kind}"
            inbox.up_to(entry.events, where)
            partition.commands_at = entry.commands
            self._effect(partition, inbox, entry, where)
            if len(recorder.entries) <= k or recorder.entries[k] != written[k]:
                found = recorder.entries[k] if len(recorder.entries) > k else b"nothing"
                raise AuditError(
                    f"{where}: the recomputation comes to another entry there. Written: {_text(written[k])}; recomputed: "
                    f"{_text(found)}. The entry, or a decision before it, is not what the input gives."
                )
        inbox.up_to(events[-1].offset() + 1 if events else 0, f"{self._topics.events}[{number}]")
        self._compare(number, changes, recorder.changes)
        count = [entry.kind for entry in entries].count
        return Verdict(number, len(entries), count("sweep"), count("manifest"), count("definitions"), len(events), len(changes))

    def _clock(self, partition: Partition) -> int | None:
        """Under ticks the partition's own clock; under wall only journalled clamps have one."""
        if self._settings.clock == "ticks" and partition.cursor.swept >= 0:
            return partition.cursor.swept + self._plan.period
        return None

    def _effect(self, partition: Partition, inbox: _Input, entry: journal.Entry, where: str) -> None:
        """What the entry says took effect."""
        if entry.kind in ("start", "definitions"):
            program = self._library.program(entry.what)
            if program is None:
                raise AuditError(f"{where}: definitions {entry.what[:12]} are not in {self._topics.models}")
            if entry.kind == "start":
                partition.engine.adopt(program=program)
                partition.begin()
            else:
                partition.adopt_definitions(program)
        elif entry.kind == "manifest":
            held = self._library.by_hash(entry.what)
            if held is None:
                raise AuditError(f"{where}: manifest {entry.what[:12]} is not in {self._topics.models}")
            ready = self._library.champions(held.manifest)
            partition.adopt_manifest(held.hash, held.manifest.epoch, held.manifest.one_in, ready)
        elif entry.kind == "sweep":
            while not sweep(partition, entry.at, self._plan):
                pass
        elif entry.kind == "clamp":
            inbox.one(entry.at, where)
        else:
            partition.quarantined[entry.offset] = Bad(0, "quarantined", "")
            inbox.one(None, where)

    def _compare(self, number: int, published: list[bytes], recomputed: list[bytes]) -> None:
        for k, (theirs, ours) in enumerate(zip(published, recomputed, strict=False)):
            if theirs != ours:
                raise AuditError(
                    f"{self._topics.changes}[{number}]: change {k} is not what the input gives. Published: "
                    f"{_text(theirs)}; recomputed: {_text(ours)}"
                )
        if len(recomputed) < len(published):
            raise AuditError(
                f"{self._topics.changes}[{number}]: {len(published)} changes are published, "
                f"but the input gives only {len(recomputed)}"
            )


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


class _Input:
    """The input of a partition, applied up to where the next effect lies."""

    def __init__(self, partition: Partition, events: list[Message], batch: int, clock: Callable[[Partition], int | None]) -> None:
        self._partition, self._events, self._batch, self._clock = partition, events, batch, clock
        self._at = 0

    def up_to(self, offset: int, where: str) -> None:
        """Applies what lies before `offset`."""
        for run in self._runs(offset):
            self._partition.apply(run, self._clock(self._partition), journal_clamps=False)
        if self._partition.events_at > offset:
            raise AuditError(
                f"{where}: it stands at offset {offset}, but the input was read up to {self._partition.events_at} before it"
            )
        self._partition.events_at = max(self._partition.events_at, offset)

    def one(self, clock: int | None, where: str) -> None:
        """Applies the one next record."""
        if self._at >= len(self._events):
            raise AuditError(f"{where}: the input ends before it")
        message = self._events[self._at]
        self._at += 1
        self._partition.apply([message], clock, journal_clamps=True)

    def _runs(self, offset: int) -> Iterator[list[Message]]:
        run: list[Message] = []
        while self._at < len(self._events) and self._events[self._at].offset() < offset:
            message = self._events[self._at]
            self._at += 1
            if message.key() is not None:
                run.append(message)
            if run and (message.key() is None or len(run) >= self._batch):
                yield run
                run = []
            if message.key() is None:
                if tick_in(message) is None:
                    self._partition.bury(message, Bad(0, "key", ""))
                self._partition.events_at = message.offset() + 1
        if run:
            yield run
