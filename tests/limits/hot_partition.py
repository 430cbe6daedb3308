"""One partition of four with 85 of 100 events: what an event costs, and that the others' events do not wait behind it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from streams.clock import WallClock
from streams.settings import Settings
from tests.benchmarks.load import events
from tests.limits.input import Event, as_they_come, crowded, partition_of
from tests.limits.law import Verdict
from tests.limits.live import Live
from tests.limits.looks import drained, taken, waits
from tests.limits.member import worker
from tests.limits.place import CUSTOMERS, PARTITIONS, Place, place, sized
from tests.limits.reading import rows
from tests.limits.taking import WARM, WITHIN_S, pour, take, warm

_EVENTS, _SHARE = 1_200_000, 0.85
_RATE = 200.0
"""Events a second that come to the cold partitions meanwhile."""
_LIMIT = 1.3
_AHEAD = 0.5
"""The hot partition must not be further than this share of its records when the cold ones, a 17th as long, are through."""
_TRANSACTIONS = 2.0
"""From then on no event of theirs may wait for longer than so many transactions of a worker that catches up."""


def measure(scale: float, folder: Path) -> Verdict:
    """With 1.2 million events, times `scale`."""
    total = sized(_EVENTS, scale)
    verdict = Verdict()
    with place(folder) as there:
        warm(there, scale)
        even = there.deployment("even")
        pour(even, events(total, CUSTOMERS))
        usual = take(even, there.logs("even"), total).cost
        _crowd(there, total, usual.cpu_us, verdict)
        verdict.say(f"beside {usual} where it is even")
    return verdict


def _crowd(there: Place, total: int, usual_us: float, verdict: Verdict) -> None:
    settings = there.deployment("crowded")
    ends = [0] * PARTITIONS
    pour(settings, _counted(crowded(events(total, CUSTOMERS), _SHARE, PARTITIONS, CUSTOMERS), ends))
    live = _to_cold(settings)
    with worker(settings, there.logs("crowded")) as member:
        ready = member.ready(PARTITIONS)
        with live:
            member.until(lambda look: look.committed.get(0, 0) >= ends[0], WITHIN_S, "the hot partition was not drained")
            sent = live.finish()
        member.until(lambda look: look.durable >= total + sent, WITHIN_S, "not all events were taken")
        member.stop()
    cost = taken(member.looks, round(WARM * total), total)
    hot, *cold = (drained(member.looks, partition, end) for partition, end in enumerate(ends))
    through = max(cold)
    ahead = max(look.committed.get(0, 0) for look in member.looks if look.at <= through) / ends[0]
    after = [one for one in live.appended if one[2] > through]
    worst = max(waits(member.looks, after), default=0.0)
    verdict.say(f"{ends[0] / total:.0%} in one partition: {cost.cpu_us / usual_us:.2f} times the CPU, {cost}")
    verdict.say(
        f"the others' {sum(ends[1:]):,} were through after {through - ready.at:.1f} s, when {ahead:.0%} of the hot one's were; "
        f"those took {hot - ready.at:.1f} s"
    )
    verdict.say(f"of {len(after):,} that came to them from then on the slowest took {worst:.2f} s")
    verdict.at_most("CPU an event beside an even load", cost.cpu_us / usual_us, _LIMIT, " times")
    verdict.at_most("the hot one's records when the others were through", ahead, _AHEAD)
    verdict.law(len(after) > 0, "the hot partition was through before the others: nothing was measured")
    longest = _TRANSACTIONS * settings.commit_max_ms / 1000
    verdict.at_most("the slowest event of the others from then on", worst, longest, " s")
    verdict.equal("events in rows", rows(settings).events, total + sent)


def _counted(poured: Iterable[Event], ends: list[int]) -> Iterator[Event]:
    for event in poured:
        ends[partition_of(event[0], PARTITIONS)] += 1
        yield event


def _to_cold(settings: Settings) -> Live:
    """Events as they come, to all partitions but the hot one."""
    feed = as_they_come(events(200_000, CUSTOMERS, seed=5), WallClock().now_ms)
    cold = (event for event in feed if partition_of(event[0], PARTITIONS))
    return Live(settings, cold, _RATE, partial(partition_of, partitions=PARTITIONS))
