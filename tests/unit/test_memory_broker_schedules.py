"""Exactly-once on the twin under thousands of random schedules: crashes, expired sessions, late markers, lost replies.

Two workers copy events to another topic, with transactions that stay open over several polls. Whatever happens, each
event must come out once and in order. The same schedules must find the fault when the fencing is broken on purpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from random import Random

import pytest

from streams.broker.memory import MemoryBroker, MemoryCluster, Step
from streams.broker.memory_group import Group
from streams.broker.protocol import TP
from streams.errors import Aborted, BrokerError, Unknown

PARTITIONS = 3
EVENTS = 60


class Killed(BaseException):
    """The process ends here."""


class Copier:
    """Reads events and writes them to copies, exactly once if the cluster keeps its word."""

    def __init__(self, cluster: MemoryCluster, name: str) -> None:
        self.name = name
        self.link = MemoryBroker(cluster).connection("copiers", name)
        self.link.subscribe(["events"], self)
        self.offsets: dict[TP, int] = {}
        self.owned: set[TP] = set()
        self.open = False

    def assigned(self, partitions: Sequence[TP]) -> None:
        self.owned.update(partitions)
        self.rewind(partitions)

    def revoked(self, partitions: Sequence[TP]) -> None:
        try:
            self.commit()
        finally:
            self.owned.difference_update(partitions)

    def lost(self, partitions: Sequence[TP]) -> None:
        self.abort()
        self.owned.difference_update(partitions)

    def rewind(self, partitions: Sequence[TP]) -> None:
        self.link.pause(partitions)
        for tp, offset in self.link.committed(partitions).items():
            self.link.seek(tp, max(offset, 0))
        self.link.resume(partitions)

    def read(self, limit: int) -> None:
        for record in self.link.poll(limit, 0):
            if not self.open:
                self.link.begin()
                self.open = True
            tp = TP(record.topic(), record.partition())
            self.link.produce("copies", tp.partition, record.key(), record.value())
            self.offsets[tp] = record.offset() + 1

    def commit(self) -> None:
        if not self.open:
            return
        try:
            self.link.commit(self.offsets)
        except Aborted:
            self.abort()
            raise
        self.open, self.offsets = False, {}

    def abort(self) -> None:
        self.link.abort()
        self.open, self.offsets = False, {}


class Schedule:
    """Decides from a seed who does what next and what goes wrong."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.cluster = MemoryCluster(seed=seed, fault=self.fault)
        for topic in ("events", "copies"):
            self.cluster.create_topic(topic, PARTITIONS)
        self.written = 0
        self.copiers: dict[str, Copier] = {}
        self.danger = 0.0
        self.happened: set[str] = set()

    def fault(self, step: Step) -> None:
        if step.operation in ("open", "expire", "marker") or self.random.random() >= self.danger:
            return
        if step.operation == "end" and self.random.random() < 0.5:
            self.happened.add("reply lost" if step.after else "request lost")
            raise Unknown("lost")
        self.happened.add("killed")
        raise Killed

    def run(self) -> None:
        for _ in range(150):
            self.act()
        self.danger = 0.0
        self.cluster.hold_markers(False)
        while self.written < EVENTS:
            self.write()
        for _ in range(200):
            for name in ("a", "b"):
                self.turn(name, 5, commit=True)

    def act(self) -> None:
        self.danger = 0.004
        name = self.random.choice("ab")
        match self.random.randrange(12):
            case 0 | 1 | 2:
                self.write()
            case 3:
                self.cluster.hold_markers(self.random.random() < 0.5)
            case 4 if under_way := self.cluster.under_way():
                self.happened.add("late marker")
                self.cluster.deliver(*self.random.choice(under_way))
            case 5 if name in self.copiers and self.random.random() < 0.5:
                with suppress(BrokerError):
                    self.cluster.expire(name)
                    self.happened.add("expelled")
            case 6 if name in self.copiers and self.random.random() < 0.3:
                self.happened.add("transaction expired")
                self.cluster.expire_transaction(name)
            case _:
                self.turn(name, max(0, self.random.randint(-3, 6)), commit=self.random.random() < 0.5)

    def write(self) -> None:
        if self.written < EVENTS:
            self.cluster.append("events", self.written % PARTITIONS, b"k", b"%d" % self.written)
            self.written += 1

    def turn(self, name: str, limit: int, commit: bool) -> None:
        try:
            if name not in self.copiers:
                self.copiers[name] = Copier(self.cluster, name)
            copier = self.copiers[name]
            # Without reading, it commits before it can hear that it was expelled.
            if limit:
                copier.read(limit)
            if commit:
                copier.commit()
        except Aborted:
            self.happened.add("aborted")
            with suppress(BrokerError):
                copier.rewind(sorted(copier.owned))
                return
            self.bury(name)
        except (BrokerError, Killed):
            self.bury(name)

    def bury(self, name: str) -> None:
        """Its process ends; the session does at once or, if another opens first, with that one."""
        self.danger = 0.0
        self.copiers.pop(name, None)
        with suppress(BrokerError):
            self.cluster.crash(name)
            self.cluster.expire(name)

    def copies(self) -> list[list[bytes | None]]:
        return [
            [record.value() for record in self.cluster.read_committed("copies", partition)] for partition in range(PARTITIONS)
        ]


EXPECTED = [[b"%d" % number for number in range(EVENTS) if number % PARTITIONS == partition] for partition in range(PARTITIONS)]


def test_each_event_is_copied_once_under_any_schedule() -> None:
    happened: set[str] = set()
    for seed in range(400):
        schedule = Schedule(seed)
        schedule.run()
        assert schedule.copies() == EXPECTED, f"seed {seed}"
        happened |= schedule.happened
    assert happened == {"aborted", "expelled", "killed", "late marker", "reply lost", "request lost", "transaction expired"}


def test_a_schedule_repeats_itself() -> None:
    def steps(seed: int) -> list[Step]:
        found: list[Step] = []
        schedule = Schedule(seed)
        decide = schedule.cluster.fault
        assert decide is not None

        def note(step: Step) -> None:
            found.append(step)
            decide(step)

        schedule.cluster.fault = note
        schedule.run()
        return found

    assert steps(3) == steps(3)


def test_the_schedules_find_a_broken_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    def let_everybody_in(group: Group, member_id: str, generation: int) -> None:
        """Zombies too."""

    monkeypatch.setattr(Group, "check", let_everybody_in)
    wrong = 0
    for seed in range(100):
        schedule = Schedule(seed)
        schedule.run()
        wrong += schedule.copies() != EXPECTED
    assert wrong > 0
