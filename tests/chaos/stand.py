"""One partition without a broker: what it writes is kept, and can be given back as the changelog of another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import NamedTuple

from models.champions import Champions, champions, no_champions
from models.definitions import Program, compile_definitions
from models.features import catalogue_hash
from models.snapshot import Family, Score, Snapshot
from models.taxonomy import Taxonomy
from streams.broker.memory import MemoryMessage
from streams.broker.protocol import TP, Headers, Record
from streams.presets import load_definitions, load_taxonomy
from streams.scoring.decode import Decode
from streams.scoring.partition import Partition
from streams.scoring.restore import Restoring
from streams.scoring.sweep import Plan, sweep
from streams.scoring.topics import Topics
from streams.settings import DAY_MS
from tests.benchmarks.champions import bodies

TOPICS = Topics(
    events="events", commands="commands", state="state", segments="segments", changes="segment-changes", samples="samples",
    journal="journal", dead="events.dlq", models="models",
)  # fmt: skip
PLAN = Plan(period=DAY_MS, horizon=3 * DAY_MS, sample_every=2 * DAY_MS, cap=20_000)


@cache
def taxonomy() -> Taxonomy:
    """The retail preset's."""
    return load_taxonomy("retail")


@cache
def program() -> Program:
    """The retail preset's definitions."""
    return compile_definitions(load_definitions("retail"))


@cache
def champions_of(seed: int) -> Champions:
    """Valid ones of every family, others for each seed; none at all for 0."""
    if seed == 0:
        return no_champions()
    held: dict[Family, Snapshot] = {
        family: Snapshot(family, seed, 0, 1, catalogue_hash(), body, Score()) for family, body in bodies(seed).items()
    }
    return champions(held)


class Written(NamedTuple):
    """A record that the partition wrote."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass
class Stand:
    """`durable`: what was committed, in order; `open`: what lies in the open transaction. `plan`: of its sweeps."""

    plan: Plan = PLAN
    max_bytes: int = 32_768
    durable: list[Written] = field(default_factory=list)
    open: list[Written] = field(default_factory=list)
    partition: Partition = field(init=False)

    def __post_init__(self) -> None:
        decode = Decode(taxonomy(), max_bytes=self.max_bytes, max_amount=1e7)
        self.partition = Partition(0, TOPICS, program(), taxonomy(), decode, self, 300_000)

    def write(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers | None = None) -> None:
        """As the partition's sink."""
        assert partition == 0
        self.open.append(Written(topic, key, value, tuple(headers or ())))

    def write_all(self, topic: str, partition: int, records: Iterable[Record]) -> None:
        """As the partition's sink."""
        for key, value, headers in records:
            self.write(topic, partition, key, value, headers)

    def begin(self) -> Stand:
        """The first entry of a new partition."""
        self.partition.begin()
        return self

    def feed(self, records: Iterable[tuple[bytes | None, bytes | None]], clock: int | None = None) -> None:
        """Applies these records as one run, at the offsets that are next."""
        messages = [
            MemoryMessage(TP(TOPICS.events, 0), offset, key, value, None, 0)
            for offset, (key, value) in enumerate(records, self.partition.events_at)
        ]
        if messages:
            self.partition.apply(messages, clock, journal_clamps=False)

    def sweep(self, at: int) -> bool:
        """A transaction's part of a sweep; whether it is finished."""
        return sweep(self.partition, at, self.plan)

    def adopt(self, seed: int) -> None:
        """Other champions."""
        self.partition.adopt_manifest(str(seed), self.partition.cursor.epoch + 1, 1, champions_of(seed))

    def commit(self) -> None:
        """Everything is durable."""
        self.partition.flush()
        self.durable += self.open
        self.open = []
        self.partition.forget()

    def abort(self) -> None:
        """Nothing of it ever was."""
        self.open = []
        self.partition.roll_back()

    def of(self, topic: str) -> list[Written]:
        """What was committed to a topic."""
        return [record for record in self.durable if record.topic == topic]

    def changelog(self) -> list[MemoryMessage]:
        """What was committed to `state`, as a reader gets it."""
        return [MemoryMessage(TP(TOPICS.state, 0), n, r.key, r.value, None, 0) for n, r in enumerate(self.of(TOPICS.state))]

    def restored(self, changelog: Sequence[Sequence[MemoryMessage]]) -> Stand:
        """Another stand whose partition was rebuilt from this one's changelog, given in parts."""
        other = replace(self, durable=[], open=[])
        restoring = Restoring(other.partition, 0, 0)
        for part in changelog:
            restoring.take(part)
        restoring.finish()
        if other.partition.cursor.manifest:
            other.partition.engine.adopt(champions=champions_of(int(other.partition.cursor.manifest)))
        other.partition.start_at(self.partition.events_at, self.partition.commands_at)
        return other


def compacted(changelog: Sequence[MemoryMessage]) -> list[MemoryMessage]:
    """The newest record of each key, as the log cleaner leaves it, tombstones included."""
    newest = {message.key(): message.offset() for message in changelog}
    return [message for message in changelog if newest[message.key()] == message.offset()]
