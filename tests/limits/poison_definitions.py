"""Broken definitions put into `models` while a worker runs: it says so, goes on with those it has, and takes good ones."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from confluent_kafka import Producer

from models.definitions import Definitions, encode_definitions
from models.snapshot import content_hash
from streams.broker.confluent import KafkaBroker
from streams.cli.definitions import put_in_force
from streams.clock import WallClock
from streams.embedded.control import free_port
from streams.errors import ShoalError
from streams.live.scrape import scrape
from streams.presets import load_definitions
from streams.settings import Settings
from tests.benchmarks.load import events
from tests.limits.broken import Record, broken
from tests.limits.input import as_they_come
from tests.limits.law import Verdict
from tests.limits.live import Live
from tests.limits.member import Member, worker
from tests.limits.place import CUSTOMERS, PARTITIONS, place
from tests.limits.reading import rows

_RATE = 200.0
_WITHIN_S = 20.0
_LEAST = 20
"""Events that must be committed after each: by then all partitions have looked at it."""
_REFUSED = "shoal_definitions_refused_total"


def measure(scale: float, folder: Path) -> Verdict:
    """All kinds of them, whatever the scale."""
    verdict, first = Verdict(), load_definitions("retail")
    with place(folder) as there:
        settings = there.deployment("poison", metrics_port=free_port())
        logs = there.logs("worker")
        with Live(settings, as_they_come(events(200_000, CUSTOMERS), WallClock().now_ms), _RATE) as live:
            with worker(settings, logs) as member:
                _refuses(member, settings, first, verdict)
                took = _apply(member, settings, first, 2)
                member.stop()
            # Who starts now reads all of it from the beginning.
            with worker(settings, logs) as member:
                member.ready(PARTITIONS)
                again = _apply(member, settings, first, 3)
                sent = live.finish()
                member.until(lambda look: look.durable >= sent, _WITHIN_S, "not all events were taken")
                member.stop()
        verdict.say(f"good ones decided {took:.2f} s after they came, {again:.2f} s in a worker that began on all of it")
        verdict.say(f"all {sent:,} events that came meanwhile were taken")
        verdict.equal("events in rows", rows(settings).events, sent)
    return verdict


def _refuses(member: Member, settings: Settings, first: Definitions, verdict: Verdict) -> None:
    """The worker, which begins with the definitions of the preset, goes on with them and says what it refused."""
    usual = content_hash(encode_definitions(first))
    member.ready(PARTITIONS)
    member.until(lambda look: look.definitions == [usual], _WITHIN_S, "the retail definitions do not decide")
    refused, kinds = _poison(member, settings, first, usual, verdict)
    counted, lines = _counted(settings), member.told('"refused poison.models at offset')
    verdict.say(f"{kinds} kinds of broken definitions, {refused} to be refused: {counted} by the metric, {lines} in the log")
    verdict.equal("refused, by the metric", counted, refused)
    verdict.equal("refused, in the log", lines, refused)


def _poison(member: Member, settings: Settings, first: Definitions, usual: str, verdict: Verdict) -> tuple[int, int]:
    """One after another; gives how many records should be refused, and how many kinds there were."""
    refused = kinds = 0
    for one in broken(first):
        _put(settings, one.records)
        kinds, refused = kinds + 1, refused + one.refused
        member.see()
        at, done = time.time(), member.looks[-1].durable
        try:
            seen = member.until(
                lambda look, at=at, done=done: look.at > at + 0.2 and look.durable >= done + _LEAST,  # type: ignore[misc]
                _WITHIN_S,
                "events were not taken any more",
            )
        except ShoalError as error:
            raise ShoalError(f"definitions ({one.what}): {error}") from error
        verdict.law(seen.definitions == [usual], f"definitions ({one.what}): {seen.definitions} decide instead of {usual}")
    return refused, kinds


def _put(settings: Settings, records: Sequence[Record]) -> None:
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "message.max.bytes": 1_048_588})
    for key, value in records:
        producer.produce(settings.topic("models"), value, key, 0)
    if producer.flush(_WITHIN_S):
        raise ShoalError("the broker does not take the definitions")


def _counted(settings: Settings) -> int:
    found = scrape(settings.metrics_port)
    if found is None:
        raise ShoalError(f"nobody answers at port {settings.metrics_port}")
    return round(found.total(_REFUSED))


def _apply(member: Member, settings: Settings, first: Definitions, version: int) -> float:
    """Puts good ones in force as `shoal definitions apply` does; s until they decide everywhere."""
    begun = time.time()
    other = msgspec.structs.replace(first, version=version)
    name = put_in_force(KafkaBroker(settings), settings, other, "limits", WallClock().now_ms())
    wanted = [name]
    return member.until(lambda look: look.definitions == wanted, _WITHIN_S, "good definitions were not taken").at - begun
