"""A whole Shoal inside one process, on the in-memory cluster: workers stepped by turns, killed and disturbed at will."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from random import Random

from prometheus_client import CollectorRegistry

from models.definitions import Program, compile_definitions
from models.features import catalogue_hash
from models.snapshot import FAMILIES, Champion, Family, Manifest, Score, Snapshot, content_hash, encode
from models.taxonomy import Taxonomy
from streams.broker.memory import MemoryBroker, MemoryCluster, Step
from streams.broker.protocol import TP, Broker
from streams.contracts.keys import manifest_key, snapshot_key
from streams.errors import BrokerError, Fenced
from streams.metrics import Metrics
from streams.presets import load_definitions, load_taxonomy
from streams.scoring.digest import digest, live_entries
from streams.scoring.worker import Worker
from streams.settings import Settings
from streams.topics import TOPICS
from tests.benchmarks.champions import bodies
from tests.chaos.line import Line, records

_PATIENCE = 200
"""Polls in a row, of one reader and with no other step between them."""

Entry = tuple[bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]


class Killed(BaseException):
    """The process is gone; raised by a fault hook."""


class TurningClock:
    """Moves on by itself at each look, by a random time up to `stride_s`, so that commits fall anywhere."""

    def __init__(self, rng: Random, stride_s: float) -> None:
        self._rng, self._stride, self._now = rng, stride_s, 1_000.0

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return int(self._now * 1000)

    def monotonic(self) -> float:
        """Seconds."""
        self._now += self._rng.random() * self._stride
        return self._now


def synthetic_models(epochs: Iterable[int], partitions: int, every: int = 4) -> list[tuple[bytes, bytes]]:
    """What a learner would have said of these epochs: a manifest for each, other champions at each `every`-th."""
    out: list[tuple[bytes, bytes]] = []
    champions: dict[Family, Champion] = {}
    for number, epoch in enumerate(epochs):
        if number >= 2 and number % every == 2:
            made = bodies(number)
            for family in FAMILIES:
                data = encode(Snapshot(family, number, epoch, 1000, catalogue_hash(), made[family], Score()))
                name = content_hash(data)
                champions[family] = Champion(name, number, epoch, "test", "its turn")
                out.append((snapshot_key(name), data))
        manifest = Manifest(epoch, dict(champions), 1, [0] * partitions, [], content_hash(b"learner"), {})
        out.append((manifest_key(epoch), encode(manifest)))
    return out


@cache
def _decided_by(taxonomy: str, definitions: str) -> tuple[Taxonomy, Program]:
    """Read once a process: it takes longer than a short run."""
    return load_taxonomy(taxonomy), compile_definitions(load_definitions(definitions))


@dataclass(slots=True)
class Twin:
    """A cluster with a line loaded into it, and the workers on it."""

    settings: Settings
    line: Line
    seed: int = 0
    stride_s: float = 0.01
    in_transactions: int = 0
    models: list[tuple[bytes, bytes]] = field(default_factory=list)
    fault: Callable[[Step], None] | None = None
    wrap: Callable[[Broker], Broker] = lambda broker: broker
    cluster: MemoryCluster = field(init=False)
    workers: dict[int, Worker] = field(default_factory=dict)
    rng: Random = field(init=False)
    turns: int = 0
    _spinning: int = 0
    slots: set[int] = field(default_factory=set)
    """All in which there ever was a worker."""
    _taxonomy: Taxonomy = field(init=False)
    _program: Program = field(init=False)
    _ends: dict[TP, int] = field(init=False)

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self.cluster = MemoryCluster(seed=self.seed or None, fault=self._step, max_bytes=1_048_588)
        for topic in TOPICS:
            self.cluster.create_topic(self.settings.topic(topic.name), topic.count(self.settings))
        self._pour()
        for key, value in self.models:
            self.cluster.append(self.settings.topic("models"), 0, key, value)
        self._taxonomy, self._program = _decided_by(self.settings.taxonomy, self.settings.definitions)
        self._ends = {}
        for name, partitions in (("events", self.line.events), ("commands", self.line.commands)):
            for partition, held in enumerate(partitions):
                written = self.cluster.read_committed(self.settings.topic(name), partition)
                self._ends[TP(self.settings.topic(name), partition)] = written[-1].offset() + 1 if written else len(held)

    def _pour(self) -> None:
        """The line, as one producer writes it: in transactions of `in_transactions` records, whose markers leave gaps."""
        writer = self.broker.writer("replay") if self.in_transactions else None
        for n, (name, partition, record) in enumerate(records(self.line)):
            topic = self.settings.topic(name)
            if writer is None:
                self.cluster.append(topic, partition, record.key, record.value)
                continue
            if n % self.in_transactions == 0:
                if n:
                    writer.commit()
                writer.begin()
            writer.produce(topic, partition, record.key, record.value)
        if writer is not None:
            writer.commit()

    @property
    def broker(self) -> MemoryBroker:
        """A link maker of the cluster."""
        return MemoryBroker(self.cluster)

    def start(self, slot: int = 0) -> Worker:
        """A worker in this slot; one that was there before is fenced."""
        self.slots.add(slot)
        self.workers[slot] = worker = self.make(slot)
        worker.start()
        return worker

    def make(self, slot: int) -> Worker:
        """A worker that has not begun."""
        clock = TurningClock(self.rng, self.stride_s)
        metrics = Metrics(CollectorRegistry())
        return Worker(self.settings, self.wrap(self.broker), clock, self._taxonomy, self._program, metrics, slot)

    def kill(self, slot: int) -> None:
        """kill -9: it tells nobody; its transaction stays open, and its group hears of it when the session is over."""
        self.workers.pop(slot, None)
        name = f"{self.settings.prefix}worker-{slot}"
        self.cluster.crash(name)
        with suppress(BrokerError):  # it had not joined yet
            self.cluster.expire(name)

    def time_out(self, slot: int) -> None:
        """The time of whatever transaction is open there is over; none need be."""
        with suppress(KeyError):  # it has not come so far
            self.cluster.expire_transaction(f"{self.settings.prefix}worker-{slot}")

    def run(self, most_turns: int = 200_000) -> None:
        """Steps the workers until both inputs are committed to their ends."""
        while not self.done():
            self.turn()
            assert self.turns < most_turns, f"no end after {self.turns} turns: {self.lag()}"

    def turn(self) -> None:
        """One step of one worker; one that is killed or fenced in it starts again."""
        self.turns += 1
        slot = self.rng.choice(sorted(self.workers))
        try:
            self.workers[slot].step()
        except (Killed, Fenced):
            self.restart(slot)

    def _step(self, step: Step) -> None:
        """Every step of the cluster. A reader that waits in a loop waits for a transaction, whose time is over then."""
        if self.fault is not None:
            self.fault(step)
        self._spinning = self._spinning + 1 if step.operation == "poll" and step.who.endswith("-models") else 0
        if self._spinning > _PATIENCE:
            self._spinning = 0
            for slot in self.slots:
                self.time_out(slot)

    def restart(self, slot: int) -> None:
        """A new process takes the slot, however often it takes."""
        while True:
            self.kill(slot)
            try:
                self.start(slot)
            except Killed:
                continue
            return

    def lag(self) -> dict[TP, int]:
        """Records of each input not yet committed, where there are any."""
        group = self.settings.group_name()
        found = {tp: end - max(0, self.cluster.committed(group, tp)) for tp, end in self._ends.items()}
        return {tp: left for tp, left in found.items() if left}

    def done(self) -> bool:
        """Whether everything is committed."""
        return not self.lag()

    def digest(self) -> str:
        """Of the changelog, as a process of its own reads it."""
        return digest(self.entries())

    def entries(self) -> dict[bytes, bytes]:
        """Live entries of the changelog."""
        return live_entries(self.broker.reader("digest"), self.settings.topic("state"))

    def written(self, name: str) -> list[list[Entry]]:
        """Committed records of a topic by partition: key, value, headers."""
        topic = self.settings.topic(name)
        return [
            [(m.key(), m.value(), tuple(m.headers() or ())) for m in self.cluster.read_committed(topic, partition)]
            for partition in range(self.cluster.partitions(topic))
        ]

    def memberships(self) -> dict[bytes | None, bytes | None]:
        """The newest record of each customer in `segments`."""
        return {key: value for partition in self.written("segments") for key, value, _ in partition}
