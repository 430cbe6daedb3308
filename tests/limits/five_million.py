"""Five million customers in one worker: restored from their changelog, then events, then a sweep of all."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from streams.broker.confluent import KafkaBroker
from streams.clock import ScaledClock
from streams.settings import Settings
from tests.benchmarks import restore
from tests.benchmarks.load import events, write
from tests.benchmarks.population import DAY, DAYS, START
from tests.benchmarks.yardstick import say
from tests.limits.input import as_they_come
from tests.limits.law import Verdict
from tests.limits.looks import Look, taken, typical
from tests.limits.member import Member, worker
from tests.limits.place import PARTITIONS, Place, place, sized
from tests.limits.reading import rows
from tests.limits.taking import WARM

_CUSTOMERS, _EVENTS = 5_000_000, 200_000
_EACH = 4
"""Events of a customer's past."""
_WITHIN_S = 900.0
_LIMIT_BYTES = 1_000.0
_MANY = 1_000_000
"""Of fewer the queues of the client, which are there once, would be most of the memory."""
_PERIOD_MS = 60_000
_UNDISTURBED_S = 20.0
"""The events are taken between two sweeps."""
_MB = 1 << 20


def measure(scale: float, folder: Path) -> Verdict:
    """With five million customers, times `scale`."""
    customers, more = sized(_CUSTOMERS, scale, PARTITIONS * 1_000), sized(_EVENTS, scale)
    verdict = Verdict()
    with place(folder) as there:
        settings = there.deployment("five", period_ms=_PERIOD_MS)
        begun = time.monotonic()
        restore.write(settings, KafkaBroker(settings), customers)
        say(f"five-million: {customers:,} rows written in {time.monotonic() - begun:.0f} s")
        bare = _bare(there)
        start, anchor = START + (DAYS + 1) * DAY, time.time_ns() // 1_000_000
        with worker(settings, there.logs("worker"), clock=(start, anchor)) as member:
            days = Days(member, start, anchor)
            _restored(member, customers, bare, verdict)
            verdict.say(f"first sweep {days.next_sweep():.1f} s")
            _more(days, settings, customers, more, verdict)
            verdict.say(f"sweep of all {days.next_sweep():.1f} s, {member.memory[-1][1]:,.0f} MB then")
            member.stop()
        held = rows(settings)
        verdict.equal("customers", held.customers, customers)
        verdict.equal("events in rows", held.events, _EACH * customers + more)
        verdict.say(f"all {held.customers:,} customers and {held.events:,} events are in the changelog")
    return verdict


def _bare(there: Place) -> Look:
    """What a worker without customers has used when it is ready; its `records` are the bytes that it takes."""
    settings = there.deployment("empty")
    with worker(settings, there.logs("empty")) as member:
        ready = member.ready(PARTITIONS)
        member.rest(1.0)
        member.stop()
        ready.records = round(typical(member.memory, ready.at, member.memory[-1][0]) * _MB)
        return ready


def _restored(member: Member, customers: int, bare: Look, verdict: Verdict) -> None:
    begun = time.time()
    ready = member.ready(PARTITIONS, _WITHIN_S)
    member.see()
    each = (member.memory[-1][1] * _MB - bare.records) / customers
    verdict.say(
        f"{ready.customers:,} customers restored in {ready.at - begun:.1f} s with {ready.cpu - bare.cpu:.1f} s of CPU, "
        f"{each:,.0f} bytes of RSS for each"
    )
    verdict.equal("customers restored", ready.customers, customers)
    if customers >= _MANY:
        verdict.at_most("RSS a customer", each, _LIMIT_BYTES, " bytes")


def _more(days: Days, settings: Settings, customers: int, more: int, verdict: Verdict) -> None:
    """Events on top, in one go, between two sweeps."""
    clock, share = days.clock, customers // PARTITIONS
    feed = [*as_they_come(events(more, customers, skew=1.0, seed=7), clock.now_ms)]
    if days.left_s < _UNDISTURBED_S:
        days.next_sweep()
    write(settings.bootstrap_servers, settings.topic("events"), feed, lambda key: int(key[1:]) // share)
    days.member.until(lambda look: look.durable >= more, _WITHIN_S, f"{more:,} events were not taken")
    verdict.say(f"{more:,} events: {taken(days.member.looks, round(WARM * more), more)}")


@dataclass
class Days:
    """The sweeps of a worker whose clock began at `start` (ms) when the machine's said `anchor`."""

    member: Member
    start: int
    anchor: int

    @property
    def clock(self) -> ScaledClock:
        """As the worker's."""
        return ScaledClock(self.start, 1.0, self.anchor)

    @property
    def left_s(self) -> float:
        """Until the next sweep is due."""
        return (_PERIOD_MS - self.clock.now_ms() % _PERIOD_MS) / 1000

    def next_sweep(self) -> float:
        """Waits until all partitions have finished one more; s from when it was due, or from now for one that was due before."""
        asked, last = time.time(), self.member.looks[-1]
        before = min((last.swept.get(partition, -1) for partition in range(PARTITIONS)), default=-1)
        done = self.member.until(
            lambda look: len(look.swept) == PARTITIONS and min(look.swept.values()) > before,
            _WITHIN_S,
            "no sweep came to its end",
        )
        due = (self.anchor + min(done.swept.values()) - self.start) / 1000
        return done.at - max(due, asked)
