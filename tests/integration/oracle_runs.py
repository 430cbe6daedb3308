"""Runs on the in-memory cluster whose topics the oracle reads: under ticks, with what is learnt of the run, and under wall."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import msgspec
from prometheus_client import CollectorRegistry

from models.definitions import Definitions, compile_definitions, encode_definitions
from models.snapshot import content_hash
from streams.broker.memory import MemoryBroker, MemoryCluster, MemoryMessage
from streams.broker.protocol import TP
from streams.contracts.control import Tick
from streams.contracts.keys import DEFINITIONS_IN_FORCE, MANIFEST, definitions_key
from streams.contracts.status import Status
from streams.learning.shell import run_learner
from streams.metrics import Metrics
from streams.presets import load_definitions, load_taxonomy
from streams.replay.event import iso_ms
from streams.scoring.worker import Worker
from streams.settings import DAY_MS, Settings, load_settings
from streams.topics import TOPICS
from tests.chaos.line import Twists, shop
from tests.chaos.twin import Twin, synthetic_models
from tests.oracle.scripts import definitions_of
from tests.oracle.topics import Topics, read_topics

PARTITIONS = 2
TWISTS = Twists(0.1, 0.1, early=0.05, bad=46, commands=6, repeated_ticks=2)
START, DAYS, PEOPLE = 20_000 * DAY_MS, 20, 24
AWAY = (12, 13, 14)
"""Days of the run under wall on which no worker is there: some samples wait for a period longer than their horizon."""
NAMES = ("Product Viewed", "Product Added", "Order Completed", "Email Opened", "Page Viewed", "Order Refunded")


@dataclass(frozen=True)
class Stood:
    """What a run left behind."""

    topics: Topics
    settings: Settings


def stood(cluster: MemoryCluster, settings: Settings) -> Stood:
    """What stands in the topics now."""

    def read(name: str) -> list[list[MemoryMessage]]:
        topic = settings.topic(name)
        return [cluster.read_committed(topic, number) for number in range(cluster.partitions(topic))]

    return Stood(read_topics(read), settings)


def of_definitions(definitions: Definitions) -> tuple[bytes, bytes]:
    """Their record in `models`."""
    data = encode_definitions(definitions)
    return definitions_key(content_hash(data)), data


def under_ticks(seed: int, *, in_transactions: int = 0, customers: int = 8, days: int = 12) -> Stood:
    """A simulated shop with all that a worker must cope with, champions of every family, and other definitions on the way."""
    settings = load_settings(prefix="ticks.", clock="ticks", partitions=PARTITIONS, horizon_days=2, sample_every_days=1, batch=50)
    rules = [definitions_of("restless"), definitions_of("retail")]
    line = shop(customers, days, PARTITIONS, seed, TWISTS, definitions=rules)
    models = [*map(of_definitions, rules), *synthetic_models(line.epochs, PARTITIONS)]
    twin = Twin(settings, line, seed=seed, in_transactions=in_transactions, models=models)
    twin.start(0)
    twin.run()
    return stood(twin.cluster, settings)


def with_what_is_learnt(seed: int) -> Stood:
    """A simulated shop and a learner beside it, whose champions decide from the next tick on."""
    settings = load_settings(prefix="learnt.", clock="ticks", partitions=PARTITIONS, horizon_days=7, sample_every_days=1)
    twin = Twin(settings, shop(100, 24, PARTITIONS, seed, Twists(bad=5)), seed=seed)
    twin.start(0)

    def over() -> bool:
        if not twin.done():
            twin.turn()
        return twin.done()

    run_learner(settings, twin.broker, HandClock(), over)
    return stood(twin.cluster, settings)


class HandClock:
    """A clock that is set; its seconds pass when it is looked at."""

    def __init__(self) -> None:
        self.at, self._seconds = START, 0.0

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return self.at

    def monotonic(self) -> float:
        """Seconds."""
        self._seconds += 0.02
        return self._seconds


@dataclass
class WallRun:
    """Days of a worker under wall: events late and ahead, champions, other definitions, commands, days without it."""

    settings: Settings
    cluster: MemoryCluster = field(default_factory=MemoryCluster)
    clock: HandClock = field(default_factory=HandClock)
    rng: Random = field(default_factory=lambda: Random(7))
    worker: Worker = field(init=False)
    _models: list[tuple[bytes, bytes]] = field(default_factory=list)

    def run(self) -> Stood:
        """From the first day to the last."""
        self._models = synthetic_models([START + day * DAY_MS for day in range(DAYS)], PARTITIONS, every=5)
        for topic in TOPICS:
            self.cluster.create_topic(self.settings.topic(topic.name), topic.count(self.settings))
        self._start()
        for day in range(DAYS):
            self.clock.at = START + day * DAY_MS + 3_600_000
            self._learner()
            self._shop(40)
            self._others(day)
            if day in AWAY[:1]:
                self._kill()
            if day not in AWAY:
                self._settle()
        return stood(self.cluster, self.settings)

    def _append(self, name: str, partition: int, key: bytes | None, value: bytes | None) -> None:
        self.cluster.append(self.settings.topic(name), partition, key, value)

    def _start(self) -> None:
        program, metrics = compile_definitions(load_definitions("retail")), Metrics(CollectorRegistry())
        broker = MemoryBroker(self.cluster)
        self.worker = Worker(self.settings, broker, self.clock, load_taxonomy("retail"), program, metrics, 0)
        self.worker.start()

    def _kill(self) -> None:
        """In the middle of something; another process comes when the days are over."""
        for _ in range(3):
            self.worker.step()
        name = f"{self.settings.prefix}worker-0"
        self.cluster.crash(name)
        self.cluster.expire(name)

    def _learner(self) -> None:
        """What it says of the day: a manifest, and perhaps snapshots before it."""
        key = b""
        while not key.startswith(MANIFEST):
            key, value = self._models.pop(0)
            self._append("models", 0, key, value)

    def _shop(self, events: int) -> None:
        """Events of now, some late, some an hour ahead, some malformed, some that came before."""
        for n in range(events):
            person = self.rng.randrange(PEOPLE)
            at = self.clock.at + self.rng.choice((0, 0, 0, -7_200_000, 3_600_000, 200_000))
            message = f"m{self.clock.at}-{self.rng.randrange(n + 1)}"
            value = b"{" if self.rng.random() < 0.03 else self._event(person, at, message, n)
            self._append("events", person % PARTITIONS, b"c%d" % person, value)

    def _event(self, person: int, at: int, message: str, n: int) -> bytes:
        event = {
            "type": "track",
            "event": self.rng.choice(NAMES),
            "messageId": message,
            "userId": f"c{person}",
            "timestamp": iso_ms(at),
            "properties": {"revenue": 20.0 + n, "category": self.rng.choice(("kitchen", "decor", "nowhere"))},
        }
        return msgspec.json.encode(event)

    def _others(self, day: int) -> None:
        """Other definitions; an event called poison; what is no event: a tick, a record without a key, a command."""
        if day == 6:
            key, data = of_definitions(definitions_of("restless"))
            self._append("models", 0, key, data)
            status = Status(content_hash(data), "a person", self.clock.at)
            self._append("models", 0, DEFINITIONS_IN_FORCE, msgspec.json.encode(status))
        if day == 8:
            self._append("events", 0, b"c2", self._event(2, self.clock.at, "poison", 1))
        if day % 5 == 1:
            self._append("events", day % PARTITIONS, None, msgspec.json.encode(Tick(self.clock.at)))
            self._append("events", day % PARTITIONS, None, b"no key")
            self._append("commands", day % PARTITIONS, b"c1", b'{"type":"unheard of"}')

    def _settle(self) -> None:
        """Until all input is committed and the sweep of the day is done."""
        if self.clock.at == START + (AWAY[-1] + 1) * DAY_MS + 3_600_000:
            self._start()
        group, today = self.settings.group_name(), self.clock.at // DAY_MS * DAY_MS
        inputs = [TP(self.settings.topic(name), p) for name in ("events", "commands") for p in range(PARTITIONS)]
        for _ in range(2_000):
            self.worker.step()
            behind = [tp for tp in inputs if max(0, self.cluster.committed(group, tp)) < self.cluster.watermarks(tp)[1]]
            slots = self.worker.slots.values()
            if not behind and all(slot.running and slot.partition.cursor.swept == today for slot in slots):
                return
        raise AssertionError(f"the worker did not come to rest on {iso_ms(self.clock.at)}")
