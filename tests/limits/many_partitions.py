"""64 partitions in one worker beside 4: what an event costs, and how long its change takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streams.clock import WallClock
from tests.benchmarks.load import events
from tests.limits.input import as_they_come
from tests.limits.law import Verdict
from tests.limits.live import Changes, Live
from tests.limits.looks import Taken, taken
from tests.limits.member import worker
from tests.limits.place import CUSTOMERS, Place, place, sized
from tests.limits.reading import rows
from tests.limits.taking import WARM, WITHIN_S, pour, warm
from tests.soak.gauges import delays

_EVENTS = 1_200_000
_MANY, _FEW = 64, 4
_RATE, _SECONDS = 2_000.0, 15.0
_LIMIT = 1.5


@dataclass(frozen=True, slots=True)
class _Found:
    cost: Taken
    late: list[float]
    peak: float


def measure(scale: float, folder: Path) -> Verdict:
    """With 1.2 million events, times `scale`."""
    total = sized(_EVENTS, scale)
    verdict = Verdict()
    with place(folder) as there:
        warm(there, scale)
        few, many = (_one(there, partitions, total, scale, verdict) for partitions in (_FEW, _MANY))
        times = many.cost.cpu_us / few.cost.cpu_us
        verdict.say(f"{times:.2f} times the CPU")
        for partitions, found in ((_MANY, many), (_FEW, few)):
            verdict.say(f"{partitions} partitions: {found.cost}, event to change {delays(found.late)}, {found.peak:.0f} MB")
            verdict.law(len(found.late) > 0, f"no change was seen with {partitions} partitions")
        verdict.at_most(f"CPU an event beside {_FEW} partitions", times, _LIMIT, " times")
    return verdict


def _one(there: Place, partitions: int, total: int, scale: float, verdict: Verdict) -> _Found:
    """A topic that is full, then events as they come."""
    name = f"over{partitions}"
    settings = there.deployment(name, partitions=partitions)
    pour(settings, events(total, CUSTOMERS))
    with worker(settings, there.logs(name)) as member:
        member.ready(partitions)
        member.until(lambda look: look.durable >= total, WITHIN_S, f"{total:,} events were not taken")
        feed = as_they_come(events(100_000, CUSTOMERS, seed=5), WallClock().now_ms)
        with Changes(settings) as changes, Live(settings, feed, _RATE) as live:
            member.rest(max(5.0, _SECONDS * scale))
            sent = live.finish()
            member.until(lambda look: look.durable >= total + sent, WITHIN_S, "not all events were taken")
            member.rest(0.5)
            late = changes.delays(live)
        member.stop()
    verdict.equal(f"events in rows, {partitions} partitions", rows(settings).events, total + sent)
    return _Found(taken(member.looks, round(WARM * total), total), late, max(mb for _, mb in member.memory))
