"""A whole worker on the in-memory twin, fed with what a program says: everything about it is the same in every run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from random import Random

import orjson
from prometheus_client import CollectorRegistry

from models.definitions import compile_definitions
from streams.broker.memory import MemoryBroker, MemoryCluster
from streams.metrics import Metrics
from streams.presets import load_definitions, load_taxonomy
from streams.replay.event import iso_ms
from streams.scoring.topics import topics_of
from streams.scoring.worker import Worker
from streams.settings import DAY_MS, Settings
from streams.topics import TOPICS
from tests.benchmarks.champions import records

PARTITIONS = 2
_BATCH = 500
_START = 20_000 * DAY_MS + DAY_MS // 2
_STEP_MS = 2_000
_SEED = 1


class HeldClock:
    """Stands still until it is moved."""

    def __init__(self, at: int) -> None:
        self.at = at

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return self.at

    def monotonic(self) -> float:
        """Seconds."""
        return self.at / 1000


class CountedShop:
    """One worker with every family's champion, its clock, and the events that it is given."""

    def __init__(self) -> None:
        self._watch: Callable[[], AbstractContextManager[None]] = nullcontext
        given = {"prefix": "counts.", "clock": "wall", "partitions": PARTITIONS, "batch": _BATCH}
        self._settings = Settings.model_validate({**given, "horizon_days": 2, "sample_every_days": 4})
        self.topics = topics_of(self._settings)
        self.cluster = MemoryCluster()
        for topic in TOPICS:
            self.cluster.create_topic(self._settings.topic(topic.name), topic.count(self._settings))
        for key, value in records(0, PARTITIONS):
            self.cluster.append(self.topics.models, 0, key, value)
        self.clock = HeldClock(_START)
        taxonomy, program = load_taxonomy("retail"), compile_definitions(load_definitions("retail"))
        self.metrics = Metrics(CollectorRegistry())
        self.worker = Worker(
            self._settings, MemoryBroker(self.cluster), self.clock, taxonomy, program, self.metrics, slot=0
        )  # fmt: skip
        self._random, self._sent = Random(_SEED), 0
        self.worker.start()
        slots = self.worker.slots
        self._step_until(lambda: len(slots) == PARTITIONS and all(slot.running for slot in slots.values()))
        self._commit()

    def write(self, name: str, customers: Iterable[int]) -> None:
        """One event of now of each of these customers into the topic."""
        moment = iso_ms(self.clock.at)
        for customer in customers:
            key = b"c%07d" % customer
            shelf, price = self._random.randrange(30), round(self._random.lognormvariate(3, 0.8), 2)
            body = {
                "type": "track",
                "event": name,
                "messageId": f"{self._sent:032x}",
                "userId": key.decode(),
                "timestamp": moment,
                "properties": {"category": f"cat{shelf:02d}", "price": price, "revenue": price, "currency": "EUR"},
                "context": {"device": {"type": "mobile"}, "locale": "de-DE"},
            }
            self.cluster.append(self.topics.events, customer % PARTITIONS, key, orjson.dumps(body))
            self._sent += 1

    def take(self) -> None:
        """The worker takes all that was written, and commits."""
        ends = {number: self.cluster.watermarks(slot.partition.events_tp)[1] for number, slot in self.worker.slots.items()}
        self._step_until(lambda: all(slot.partition.events_at == ends[number] for number, slot in self.worker.slots.items()))
        self._commit()

    def _commit(self) -> None:
        self.clock.at += _STEP_MS
        with self._watch():
            self.worker.step()

    def _step_until(self, done: Callable[[], bool]) -> None:
        while not done():
            with self._watch():
                self.worker.step()

    def sweep(self) -> None:
        """A day later: the worker sweeps, and commits."""
        self.clock.at += DAY_MS
        due = self.clock.at // DAY_MS * DAY_MS
        self._step_until(lambda: all(slot.partition.cursor.swept == due for slot in self.worker.slots.values()))
        self._commit()

    @contextmanager
    def watched(self, watch: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
        """Has `watch` put around each step of the worker meanwhile."""
        self._watch = watch
        yield
        self._watch = nullcontext

    def changes(self) -> int:
        """Memberships that have moved so far."""
        return sum(int(s.value) for m in self.metrics.changes.collect() for s in m.samples if s.name.endswith("_total"))

    def customers(self) -> int:
        """Those that it knows."""
        return sum(len(slot.partition.engine.table) for slot in self.worker.slots.values())

    def empty_topics(self) -> None:
        """The twin lets go of all records: what is left of them, the worker has kept."""
        for topic, partitions in self.cluster.sizes().items():
            for partition in range(partitions):
                self.cluster.delete_before(topic, partition, 2**62)
