"""A first promotion: champions come where there were none, and one sweep moves a million customers while events keep coming."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from streams.broker.confluent import KafkaBroker
from streams.clock import ScaledClock
from streams.settings import Settings
from tests.benchmarks import restore
from tests.benchmarks.load import events
from tests.benchmarks.population import DAY, DAYS, START
from tests.benchmarks.worker_process import publish_champions
from tests.limits.input import as_they_come
from tests.limits.law import Verdict
from tests.limits.live import Live
from tests.limits.looks import Look, most, typical, waits
from tests.limits.member import Member, worker
from tests.limits.place import PARTITIONS, Place, place, sized
from tests.limits.reading import moves, rows

_CUSTOMERS, _EACH = 1_000_000, 4
_RATE, _MOST_SENT = 300.0, 200_000
_PERIOD_MS = 15_000
_QUIET_S = 5.0
_WITHIN_S = 300.0
_ADOPTED_WITHIN_S = 60.0
_AN_EVENT_WRITES = 6
"""Records at most, on the average of a batch: its row, its memberships, a change or more."""


def measure(scale: float, folder: Path, partitions: int = PARTITIONS) -> Verdict:
    """With a million customers, times `scale`."""
    customers = sized(_CUSTOMERS, scale, partitions * 100)
    verdict = Verdict()
    with place(folder) as there:
        settings = there.deployment("million", champions=False, partitions=partitions, period_ms=_PERIOD_MS)
        restore.write(settings, KafkaBroker(settings), customers, decided=False)
        sent = _promote(there, settings, customers, verdict)
        _judge(settings, customers, sent, verdict)
    return verdict


def _promote(there: Place, settings: Settings, customers: int, verdict: Verdict) -> int:
    """The worker's life; gives how many events were sent."""
    start, anchor = START + (DAYS + 1) * DAY, time.time_ns() // 1_000_000
    clock, share, partitions = ScaledClock(start, 1.0, anchor), customers // settings.partitions, settings.partitions
    feed = as_they_come(events(_MOST_SENT, customers, skew=1.0, seed=7), clock.now_ms)
    live = Live(settings, feed, _RATE, lambda key: int(key[1:]) // share)
    with worker(settings, there.logs("worker"), clock=(start, anchor), counts=True) as member:
        begun = time.time()
        ready = member.ready(partitions, _WITHIN_S)
        verdict.say(f"{ready.customers:,} customers restored in {ready.at - begun:.0f} s")
        ruled = partial(_rests, partitions, -1)
        member.until(ruled, _WITHIN_S, "the first sweep, in which rules alone decide, was not over")
        with live:
            member.rest(_QUIET_S)
            quiet, before = time.time(), member.looks[-1]
            publish_champions(settings, 0)
            adopted = member.until(partial(_adopted, partitions), _ADOPTED_WITHIN_S, "champions were not adopted")
            # Whether it has begun or not, the sweep after this one began with the champions.
            moved = partial(_rests, partitions, max(adopted.swept.values()))
            done = member.until(moved, _WITHIN_S, "the sweep that moves everybody was not over")
            member.rest(_QUIET_S)
            sent = live.finish()
        member.until(lambda look: look.durable >= sent, _WITHIN_S, "not all events were taken")
        member.stop()
        due = (anchor + min(done.swept.values()) - start) / 1000
        _tell(member, before, max(adopted.at, due), done, settings, verdict)
        _tell_of_events(member, live, quiet, max(adopted.at, due), done.at, verdict)
    verdict.law(member.told("transaction given up") == 0, "a transaction was given up")
    verdict.law(member.told("too slow for its transaction") == 0, "the worker was too slow for its transaction")
    return sent


def _adopted(partitions: int, look: Look) -> bool:
    """Whether champions decide in all partitions."""
    return len(look.epoch) == partitions and min(look.epoch.values()) >= 0


def _rests(partitions: int, swept: int, look: Look) -> bool:
    """Whether all partitions have finished a sweep later than one."""
    return len(look.swept) == partitions and min(look.swept.values()) > swept and not look.sweeping


def _tell(member: Member, before: Look, begin: float, done: Look, settings: Settings, verdict: Verdict) -> None:
    """The figures of the sweep in which everybody moved, which began at `begin` (s since 1970)."""
    first = max((look for look in member.looks if look.at <= begin), key=lambda look: look.at)
    moved, largest = done.changes - before.changes, max(look.largest for look in member.looks if first.at < look.at <= done.at)
    verdict.say(
        f"{moved:,} memberships moved in a sweep of {done.at - begin:.0f} s, {done.transactions - first.transactions:,} "
        f"transactions, the largest {largest:,} records"
    )
    memory, end = member.memory, member.looks[-1].at
    verdict.say(
        f"RSS {typical(memory, begin - _QUIET_S, begin):.0f} MB before, {most(memory, begin, done.at):.0f} at most, "
        f"{typical(memory, end - _QUIET_S, end):.0f} after"
    )
    bound = settings.sweep_cap + _AN_EVENT_WRITES * settings.batch
    verdict.at_most("records of the largest transaction", largest, bound)


def _tell_of_events(member: Member, live: Live, quiet: float, begin: float, end: float, verdict: Verdict) -> None:
    """How long those took that came while the sweep went on, and those before champions were there (until `quiet`)."""
    delays = [(at, delay) for (_, _, at), delay in zip(live.appended, waits(member.looks, live.appended), strict=True)]
    meanwhile = [(at, delay) for at, delay in delays if begin <= at < end]
    through = sum(at + delay < end for at, delay in meanwhile)
    usual = max(delay for at, delay in delays if at < quiet)
    verdict.say(
        f"{len(meanwhile):,} events came meanwhile, {through:,} of them were through before its end, the slowest event took "
        f"{max(delay for _, delay in delays):.1f} s (before champions came {usual:.2f} s)"
    )
    verdict.law(through > 0, "no event got through while the sweep went on")


def _judge(settings: Settings, customers: int, sent: int, verdict: Verdict) -> None:
    """What stands in the topics."""
    found, held = moves(settings), rows(settings)
    by = ", ".join(f"{n:,} {segmentation} by {cause}" for (cause, segmentation), n in found.by.most_common(4))
    verdict.say(f"{found.total:,} changes ({by}), each once; {found.first:,} first kinds of {held.customers:,} customers")
    verdict.equal("customers with a first kind", found.first, customers)
    verdict.equal("customers with more than one first kind", found.again, 0)
    verdict.equal("changes that stand there twice", found.twice, 0)
    verdict.equal("customers", held.customers, customers)
    verdict.equal("events in rows", held.events, _EACH * customers + sent)
