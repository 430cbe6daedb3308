"""A record that the engine cannot take: it is found and named; set aside, nothing but itself is missing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from random import Random

import pytest

from models.engine import Decisions, Engine, Stretch
from models.identity import stable_hash
from models.kernel.tables import U1, Events
from streams.broker.protocol import TP
from streams.contracts import journal
from streams.errors import PoisonError
from streams.replay.event import RawRecord, ReplayEvent
from streams.settings import Settings
from streams.simulator import Config, generate_events
from tests.chaos.line import Line, line_of
from tests.chaos.twin import Twin, synthetic_models

PARTITIONS = 2
POISON = b'"messageId":"poison"'
HASH = stable_hash(b"poison")


def settings(**given: object) -> Settings:
    options = {"prefix": "shoal.", "clock": "ticks", "partitions": PARTITIONS, "horizon_days": 5, "sample_every_days": 2, **given}
    return Settings.model_validate(options)


def lines() -> tuple[Line, Line, RawRecord]:
    """A line without and one with a record that is poison, and that record."""
    events: list[ReplayEvent | RawRecord] = list(chain.from_iterable(generate_events(Config(customers=30, days=8, seed=3))))
    place = len(events) // 2
    like = events[place]
    assert like.value is not None
    poison = RawRecord(like.key, like.value.replace(b'"messageId":"', POISON[:-1] + b'","was":"', 1))
    return (
        line_of(events, PARTITIONS, Random(1)),
        line_of([*events[:place], poison, *events[place:]], PARTITIONS, Random(1)),
        poison,
    )


@pytest.fixture
def fragile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine fails on the poison, after it has applied what came before it in the batch."""
    whole = Engine.apply

    def apply(engine: Engine, events: Events, outcome: U1) -> Iterator[Decisions]:
        yield from whole(engine, events, outcome)
        if HASH in events.message:
            raise ZeroDivisionError("no such luck")

    monkeypatch.setattr(Engine, "apply", apply)


def twin_of(line: Line, in_transactions: int = 0, **given: object) -> Twin:
    return Twin(settings(**given), line, models=synthetic_models(line.epochs, PARTITIONS), in_transactions=in_transactions)


def where(twin: Twin, poison: RawRecord) -> tuple[int, int]:
    """Partition and offset of the poison."""
    return next(
        (partition, message.offset())
        for partition in range(PARTITIONS)
        for message in twin.cluster.read_committed(twin.settings.topic("events"), partition)
        if message.value() == poison.value
    )


@pytest.mark.usefixtures("fragile")
@pytest.mark.parametrize("in_transactions", [0, 3])
def test_the_worker_stops_and_names_topic_partition_and_offset(in_transactions: int) -> None:
    _, line, poison = lines()
    twin = twin_of(line, in_transactions)
    partition, offset = where(twin, poison)
    with pytest.raises(PoisonError) as raised:
        twin.make(0).run(twin.done)
    sentence = str(raised.value)
    assert f"shoal.events[{partition}] offset {offset}: " in sentence
    assert "ZeroDivisionError: no such luck" in sentence
    assert "quarantine = true" in sentence


@pytest.mark.usefixtures("fragile")
def test_nothing_from_it_on_is_committed_however_often_the_worker_is_started_again() -> None:
    _, line, poison = lines()
    twin = twin_of(line)
    partition, offset = where(twin, poison)
    for _ in range(3):
        with pytest.raises(PoisonError):
            twin.make(0).run(twin.done)
        twin.kill(0)
    committed = twin.cluster.committed(twin.settings.group_name(), TP(twin.settings.topic("events"), partition))
    assert 0 < committed <= offset


@pytest.mark.usefixtures("fragile")
@pytest.mark.parametrize("in_transactions", [0, 3])
def test_set_aside_it_alone_is_missing(in_transactions: int) -> None:
    clean_line, line, poison = lines()
    twin = twin_of(line, in_transactions, quarantine=True, batch=50)
    partition, offset = where(twin, poison)
    twin.start(0)
    twin.run()
    letters = list(chain.from_iterable(twin.written("events.dlq")))
    assert [(key, value) for key, value, _ in letters] == [(poison.key, poison.value)]
    headers = dict(letters[0][2])
    assert (headers["kind"], headers["source_offset"]) == (b"quarantined", b"%d" % offset)
    assert b"ZeroDivisionError" in headers["reason"]
    notes = [journal.decode(value or b"") for _, value, _ in twin.written("journal")[partition]]
    assert [note.offset for note in notes if note.kind == "quarantine"] == [offset]
    clean = twin_of(clean_line, quarantine=True)
    clean.start(0)
    clean.run()
    assert twin.digest() == clean.digest()
    assert twin.memberships() == clean.memberships()


def test_a_failure_in_a_sweep_is_no_record_s_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Setting records aside would not help, so it is not tried, and the worker does not go round in circles."""
    line, _, _ = lines()

    def fail(*_: object) -> Stretch:
        raise ZeroDivisionError("no such luck")

    monkeypatch.setattr(Engine, "sweep", fail)
    twin = twin_of(line, quarantine=True)
    with pytest.raises(PoisonError, match=r"shoal.events\[\d\] before offset \d+: the engine failed in a sweep"):
        twin.make(0).run(twin.done)
    assert not any(twin.written("events.dlq"))
