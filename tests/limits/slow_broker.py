"""A broker slower than the worker: a full topic behind a proxy that holds every piece up. Memory must stay, nothing go."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.load import events
from tests.chaos.ground import ground
from tests.chaos.proxy import Proxy
from tests.limits.law import Verdict
from tests.limits.looks import most
from tests.limits.member import Member, worker
from tests.limits.place import CUSTOMERS, PARTITIONS, Place, sized
from tests.limits.reading import rows
from tests.limits.taking import WITHIN_S, pour

_EVENTS = 1_100_000
_BEFORE = 0.25
_LEAST_S = 15.0
_DISK_MB = 6_000
_TIMES, _MORE_MB = 1.2, 150.0
_STUCK = "the events were not taken"
_SLOWER = 2.0
"""So many times, or the broker was not what held the worker up."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """In which each piece of at most 64 KB, in either direction of each connection, is held for `delay_s`."""

    name: str
    delay_s: float
    seconds: float

    @property
    def megabytes(self) -> float:
        """That pass in a second at most, in one direction of a connection."""
        return 0.0625 / self.delay_s


SLOW, CRAWLING = Stretch("slow", 0.005, 35.0), Stretch("crawling", 0.02, 35.0)


def measure(scale: float, folder: Path, stretch: Stretch = SLOW) -> Verdict:
    """With a topic of 1.1 million events, and a stretch of 35 s, times `scale`."""
    total = sized(_EVENTS, scale)
    verdict = Verdict()
    with ground(_DISK_MB) as harmed:
        there = Place(harmed.running.bootstrap_servers, folder)
        settings = there.deployment("slow")
        pour(settings, events(total, CUSTOMERS))
        with worker(settings, there.logs("worker"), servers=harmed.servers("A")) as member:
            ready = member.ready(PARTITIONS)
            fast = member.until(lambda look: look.durable >= _BEFORE * total, WITHIN_S, "the worker did not get going")
            before = Before(fast.durable / max(0.1, fast.at - ready.at), most(member.memory, ready.at, fast.at))
            verdict.say(f"{before.rate:,.0f} events a second as they come, with {before.peak:.0f} MB at most")
            _slow(member, harmed.proxies["A"], stretch, max(_LEAST_S, stretch.seconds * scale), before, verdict)
            left = total - member.looks[-1].durable
            verdict.law(left > 0, f"the {stretch.name} stretch is longer than the topic: nothing was left to take")
            member.until(lambda look: look.durable >= total, WITHIN_S, _STUCK)
            member.stop()
        held = rows(settings)
        verdict.say(f"all {held.events:,} events are in the rows of {held.customers:,} customers")
        verdict.equal("events in rows", held.events, total)
    return verdict


@dataclass(frozen=True, slots=True)
class Before:
    """A worker while its broker is not slow: events a second, and MB at most."""

    rate: float
    peak: float


def _slow(member: Member, way: Proxy, stretch: Stretch, seconds: float, before: Before, verdict: Verdict) -> None:
    """One stretch, and what the worker did in it."""
    gave_up, late = _said(member)
    first, begin = member.looks[-1].durable, time.time()
    way.slow(stretch.delay_s)
    member.rest(seconds)
    way.mend()
    end = time.time()
    rate = (max(look.durable for look in member.looks if look.at > begin - 1.0) - first) / (end - begin)
    peak, (given_up, too_late) = most(member.memory, begin, end), _said(member)
    verdict.say(
        f"{stretch.name} ({stretch.megabytes:.0f} MB/s): {rate:,.0f} for {end - begin:.0f} s, {peak:.0f} MB at most, "
        f"{given_up - gave_up} transactions given up, {too_late - late} too late for the broker"
    )
    limit = max(_TIMES * before.peak, before.peak + _MORE_MB)
    verdict.at_most(f"RSS while the broker was {stretch.name}", peak, limit, " MB")
    verdict.law(_SLOWER * rate <= before.rate, f"a {stretch.name} broker did not hold the worker up")
    verdict.law(rate > 0, f"nothing was committed while the broker was {stretch.name}")


def _said(member: Member) -> tuple[int, int]:
    """Transactions that were given up, and those that the broker had ended before."""
    return member.told("transaction given up"), member.told("too slow for its transaction")
