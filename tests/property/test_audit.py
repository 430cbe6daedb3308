"""An audit agrees with every decision of a run on the wall clock, and names the journal entry that was altered."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from models.definitions import compile_definitions, encode_definitions
from streams.broker.memory import MemoryBroker, MemoryCluster
from streams.broker.protocol import TP
from streams.contracts import journal
from streams.contracts.keys import DEFINITIONS_IN_FORCE, definitions_key
from streams.contracts.status import Status
from streams.errors import AuditError
from streams.metrics import Metrics
from streams.presets import load_definitions, load_taxonomy
from streams.replay.event import iso_ms
from streams.scoring.audit import Audit, check_chain, read_all
from streams.scoring.slot import Slot
from streams.scoring.worker import Worker
from streams.settings import DAY_MS, Settings, load_settings
from streams.topics import TOPICS
from tests.chaos.forgery import forged, place_of
from tests.chaos.twin import synthetic_models

START = 20_000 * DAY_MS
DAYS = 24
PEOPLE = 60
KINDS = ("Product Viewed", "Product Added", "Order Completed", "Email Opened", "Page Viewed")


class HandClock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.at, self._turns = START, 0.0

    def now_ms(self) -> int:
        return self.at

    def monotonic(self) -> float:
        self._turns += 0.02
        return self._turns


@dataclass(slots=True)
class Run:
    """A worker on the in-memory broker, its clock in our hand."""

    settings: Settings
    cluster: MemoryCluster = field(default_factory=MemoryCluster)
    clock: HandClock = field(default_factory=HandClock)
    rng: Random = field(default_factory=lambda: Random(5))
    sent: int = 0
    worker: Worker = field(init=False)

    def __post_init__(self) -> None:
        for topic in TOPICS:
            self.cluster.create_topic(self.settings.topic(topic.name), topic.count(self.settings))
        self.start()

    def start(self) -> None:
        program = compile_definitions(load_definitions("retail"))
        self.worker = Worker(
            self.settings,
            MemoryBroker(self.cluster),
            self.clock,
            load_taxonomy("retail"),
            program,
            Metrics(CollectorRegistry()),
            0,
        )
        self.worker.start()

    def kill(self) -> None:
        name = f"{self.settings.prefix}worker-0"
        self.cluster.crash(name)
        self.cluster.expire(name)

    def send(self, count: int) -> None:
        """Events of now, some late, some an hour ahead, some malformed."""
        for _ in range(count):
            self.sent += 1
            person = self.rng.randrange(PEOPLE)
            at = self.clock.at + self.rng.choice((0, 0, 0, -7_200_000, 3_600_000))
            key = f"c{person}".encode()
            value = msgspec.json.encode(
                {
                    "type": "track",
                    "event": self.rng.choice(KINDS),
                    "messageId": f"m{self.rng.randrange(self.sent)}",
                    "userId": f"c{person}",
                    "timestamp": iso_ms(at),
                    "properties": {"revenue": 20.0, "category": "kitchen"},
                }
            )
            broken = self.rng.random() < 0.02
            self.cluster.append(self.settings.topic("events"), person % self.settings.partitions, key, b"{" if broken else value)

    def settle(self) -> None:
        """Turns until everything sent is committed and today's sweep is done."""
        events, group = self.settings.topic("events"), self.settings.group_name()
        for _ in range(2_000):
            self.worker.step()
            ends = [self.cluster.committed(group, TP(events, p)) for p in range(self.settings.partitions)]
            if sum(ends) == self.sent and all(s.partition.cursor.swept == self.clock.at // DAY_MS * DAY_MS for s in self.slots()):
                return
        raise AssertionError("the worker did not come to rest")

    def slots(self) -> list[Slot]:
        return list(self.worker.slots.values())


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(
        prefix="audit.", clock="wall", partitions=2, horizon_days=4.0, sample_every_days=2.0, batch=7, http_port=8080
    )


@pytest.fixture(scope="module")
def run(settings: Settings) -> Run:
    """24 days: sweeps, manifests, other definitions on day 12, a worker killed on day 14."""
    run = Run(settings)
    models = synthetic_models([START + day * DAY_MS for day in range(DAYS)], settings.partitions, every=5)
    by_day: dict[int, list[tuple[bytes, bytes]]] = {}
    day = 0
    for key, value in models:
        by_day.setdefault(day, []).append((key, value))
        day += key.startswith(b"manifest")
    changed = msgspec.structs.replace(load_definitions("retail"), version=2, name="changed")
    for day in range(DAYS):
        run.clock.at = START + day * DAY_MS + 3_600_000
        for key, value in by_day[day]:
            run.cluster.append(settings.topic("models"), 0, key, value)
        if day == 12:
            name = compile_definitions(changed).hash
            run.cluster.append(settings.topic("models"), 0, definitions_key(name), encode_definitions(changed))
            status = msgspec.json.encode(Status(name, "a person", run.clock.at))
            run.cluster.append(settings.topic("models"), 0, DEFINITIONS_IN_FORCE, status)
        run.send(40)
        if day == 14:
            for _ in range(3):
                run.worker.step()
            run.kill()
            run.start()
        run.settle()
    return run


@pytest.fixture
def audit(run: Run, settings: Settings) -> Audit:
    return Audit(settings, MemoryBroker(run.cluster), lambda _: None)


def test_an_audit_agrees_with_every_decision(run: Run, audit: Audit, settings: Settings) -> None:
    found = [audit.partition(number) for number in range(settings.partitions)]
    assert all(verdict.verifiable for verdict in found)
    assert min(verdict.sweeps for verdict in found) >= 20
    assert min(verdict.adoptions for verdict in found) >= 3
    assert [verdict.definitions for verdict in found] == [1, 1]
    assert sum(verdict.events for verdict in found) == run.sent
    assert min(verdict.changes for verdict in found) > 100
    kinds = {entry.kind for number in range(settings.partitions) for _, entry in entries_of(run, settings, number)}
    assert kinds == {"start", "manifest", "definitions", "sweep", "clamp"}


def entries_of(run: Run, settings: Settings, number: int) -> list[tuple[bytes, journal.Entry]]:
    records = read_all(MemoryBroker(run.cluster).reader("test"), settings.topic("journal"), number)
    return [(m.value() or b"", journal.decode(m.value() or b"")) for m in records]


@pytest.mark.parametrize("kind", ["start", "manifest", "definitions", "sweep", "clamp"])
@pytest.mark.parametrize("resealed", [False, True], ids=["as-it-is", "with-a-new-hash-chain"])
def test_an_altered_entry_is_named(run: Run, audit: Audit, settings: Settings, kind: str, resealed: bool) -> None:
    """Whether the forger left the hashes alone, or made the whole chain anew on top of the altered entry."""
    entries = [entry for _, entry in entries_of(run, settings, 0)]
    place = place_of(entries, kind)
    assert place is not None
    data = forged(entries, place, resealed=resealed)
    reader = MemoryBroker(run.cluster).reader("test")
    events = read_all(reader, settings.topic("events"), 0)
    changes = [m.value() or b"" for m in read_all(reader, settings.topic("segment-changes"), 0)]

    def whole_audit() -> None:
        check_chain(list(enumerate(data)), "journal[0]")
        audit.recompute(0, data, [journal.decode(one) for one in data], events, changes)

    with pytest.raises(AuditError, match=rf"entry {place}\b.*{kind}" if not resealed else r"entry \d+, kind"):
        whole_audit()


def test_a_missing_entry_is_noticed(run: Run, settings: Settings) -> None:
    data = [data for data, _ in entries_of(run, settings, 0)]
    del data[5]
    with pytest.raises(AuditError, match="entry 5"):
        check_chain(list(enumerate(data)), "journal[0]")
