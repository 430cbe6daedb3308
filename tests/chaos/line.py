"""The input of a run, partition by partition: a simulated shop, and with it all that a worker must cope with."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from random import Random
from zlib import crc32

import msgspec
import numpy as np

from models.definitions import Definitions, encode_definitions
from models.row import MESSAGE_IDS
from models.snapshot import content_hash
from streams.contracts.control import Tick
from streams.replay.event import RawRecord, ReplayEvent
from streams.replay.timeline import with_ticks
from streams.settings import DAY_MS
from streams.simulator import Config, generate_events, malformed


@dataclass(frozen=True, slots=True)
class Twists:
    """What is wrong with the input. Shares of the events, and numbers of records. early: events dated ahead of the rest."""

    duplicates: float = 0.02
    late: float = 0.02
    early: float = 0.0
    bad: int = 0
    commands: int = 0
    repeated_ticks: int = 0


@dataclass(frozen=True, slots=True)
class Expected:
    """What a sequential reader makes of the input, worked out apart from Shoal."""

    applied: int
    duplicates: int
    dead: int
    ticks: int
    customers: int

    @property
    def records(self) -> int:
        """All records of `events` and `commands`."""
        return self.applied + self.duplicates + self.dead + self.ticks


@dataclass(frozen=True, slots=True)
class Line:
    """Records of both inputs by partition, in order. `epochs`: times of the ticks, ms. `definitions`: those that ticks name."""

    events: tuple[Sequence[RawRecord], ...]
    commands: tuple[Sequence[RawRecord], ...]
    epochs: Sequence[int]
    expected: Expected
    definitions: Sequence[Definitions] = ()

    @property
    def partitions(self) -> int:
        """Of either input."""
        return len(self.events)


class _Identity(msgspec.Struct, rename="camel"):
    message_id: str | None = None


_identity = msgspec.json.Decoder(_Identity).decode


def shop(
    customers: int,
    days: int,
    partitions: int,
    seed: int,
    twists: Twists = Twists(),
    period_ms: int = DAY_MS,
    definitions: Sequence[Definitions] = (),
) -> Line:
    """A simulated shop's line under ticks, with `twists` at places that the seed says. The same seed gives the same bytes.

    definitions: those that come into force, one after another, in equal parts of the ticks.
    """
    rng = Random(seed)
    events = list(chain.from_iterable(generate_events(Config(customers=customers, days=days, seed=seed, local=0.1))))
    bad = [one.record for one in malformed(np.random.default_rng(seed), twists.bad)]
    return line_of(_twisted(events, bad, twists, rng), partitions, rng, twists, set(map(id, bad)), period_ms, definitions)


def line_of(
    items: Sequence[ReplayEvent | RawRecord],
    partitions: int,
    rng: Random,
    twists: Twists = Twists(),
    bad: set[int] | None = None,
    period_ms: int = DAY_MS,
    definitions: Sequence[Definitions] = (),
) -> Line:
    """Puts items and the ticks between them into partitions. `bad`: ids of the objects that must become dead letters."""
    build = _Build(partitions)
    moments = [*with_ticks(items, period_ms)]
    ticks = [place for place, item in enumerate(moments) if isinstance(item, Tick)]
    commanded = Counter(rng.choices(ticks, k=twists.commands))
    repeated = set(rng.sample(ticks[:-1], twists.repeated_ticks))
    named = {
        ticks[k * len(ticks) // (len(definitions) + 1)]: content_hash(encode_definitions(one))
        for k, one in enumerate(definitions, 1)
    }
    for place, item in enumerate(moments):
        if isinstance(item, Tick):
            for _ in range(commanded[place]):
                build.command(rng.randrange(partitions))
            for _ in range(2 if place in repeated else 1):
                build.tick(msgspec.structs.replace(item, definitions=named.get(place)))
        else:
            dead = bad is not None and id(item) in bad
            where = rng.randrange(partitions) if item.key is None else crc32(item.key) % partitions
            build.event(where, item, dead)
    return build.finish(definitions)


def _twisted(
    events: Sequence[ReplayEvent], bad: Sequence[RawRecord], twists: Twists, rng: Random
) -> list[ReplayEvent | RawRecord]:
    """Some events come again a little later, some come late or early by up to days, bad ones come anywhere."""
    moved: list[tuple[float, ReplayEvent | RawRecord]] = []
    reach = len(events) // 20 + 1
    for place, event in enumerate(events):
        again = RawRecord(event.key, event.value)
        if rng.random() < twists.late:
            moved.append((place + rng.randrange(1, reach) + 0.3, again))
        elif twists.early and rng.random() < twists.early:
            moved.append((max(0, place - rng.randrange(1, reach)) + 0.3, again))
        else:
            moved.append((place, event))
        if rng.random() < twists.duplicates:
            moved.append((place + rng.choice((1, 5, reach)) + 0.6, again))
    moved.extend((rng.randrange(len(events)) + 0.9, record) for record in bad)
    return [item for _, item in sorted(moved, key=lambda one: one[0])]


@dataclass(slots=True)
class _Build:
    """Partitions being filled, and what a reader will make of them."""

    partitions: int
    events: list[list[RawRecord]] = field(init=False)
    commands: list[list[RawRecord]] = field(init=False)
    epochs: list[int] = field(default_factory=list)
    seen: dict[bytes, deque[str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.events = [[] for _ in range(self.partitions)]
        self.commands = [[] for _ in range(self.partitions)]

    def tick(self, tick: Tick) -> None:
        record = RawRecord(None, msgspec.json.encode(tick))
        for partition in chain(self.events, self.commands):
            partition.append(record)
        self.counts["ticks"] += 2 * self.partitions
        if not self.epochs or self.epochs[-1] < tick.at:
            self.epochs.append(tick.at)

    def command(self, partition: int) -> None:
        self.commands[partition].append(RawRecord(b"c-1", b'{"type":"unheard of"}'))
        self.counts["dead"] += 1

    def event(self, partition: int, item: ReplayEvent | RawRecord, dead: bool) -> None:
        self.events[partition].append(RawRecord(item.key, item.value))
        if dead or item.key is None or item.value is None:
            self.counts["dead"] += 1
            return
        ids = self.seen.setdefault(item.key, deque(maxlen=MESSAGE_IDS))
        message = _identity(item.value).message_id
        if message and message in ids:
            self.counts["duplicates"] += 1
            return
        if message:
            ids.append(message)
        self.counts["applied"] += 1

    def finish(self, definitions: Sequence[Definitions]) -> Line:
        c = self.counts
        expected = Expected(c["applied"], c["duplicates"], c["dead"], c["ticks"], len(self.seen))
        return Line(tuple(self.events), tuple(self.commands), self.epochs, expected, definitions)


def records(line: Line) -> Iterator[tuple[str, int, RawRecord]]:
    """Topic (`events` or `commands`), partition and record, side by side so that no partition runs far ahead."""
    longest = max(map(len, chain(line.events, line.commands)))
    for place in range(longest):
        for name, partitions in (("commands", line.commands), ("events", line.events)):
            for partition, held in enumerate(partitions):
                if place < len(held):
                    yield name, partition, held[place]
