"""A year of events that nobody has read, under the wall clock: taken in memory that stays; then life goes on as usual."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streams.clock import WallClock
from streams.settings import DAY_MS
from tests.benchmarks.load import events
from tests.limits.input import as_they_come
from tests.limits.law import Verdict
from tests.limits.live import Changes, Live
from tests.limits.looks import taken, typical
from tests.limits.member import worker
from tests.limits.place import CUSTOMERS, PARTITIONS, place, sized
from tests.limits.reading import rows
from tests.limits.taking import WARM, WITHIN_S, pour
from tests.soak.gauges import MOST_GROWTH, delays, percentile

_EVENTS = 1_200_000
_YEAR_MS = 365 * DAY_MS
_RATE, _SECONDS = 500.0, 10.0
_USUAL_S = 1.0
"""From an event to its change, of 99 in 100: a few commits."""


def measure(scale: float, folder: Path) -> Verdict:
    """With 1.2 million events, times `scale`."""
    total, customers = sized(_EVENTS, scale), sized(CUSTOMERS, scale)
    verdict = Verdict()
    with place(folder) as there:
        settings = there.deployment("backlog")
        start = np.datetime64(WallClock().now_ms() - _YEAR_MS, "ms")
        pour(settings, events(total, customers, start=start, span_ms=_YEAR_MS))
        with worker(settings, there.logs("worker")) as member:
            ready = member.ready(PARTITIONS)
            done = member.until(lambda look: look.durable >= total, WITHIN_S, f"{total:,} events were not taken")
            feed = as_they_come(events(50_000, customers, seed=5), WallClock().now_ms)
            with Changes(settings) as changes, Live(settings, feed, _RATE) as live:
                member.rest(_SECONDS)
                sent = live.finish()
                member.until(lambda look: look.durable >= total + sent, WITHIN_S, "not all events were taken")
                member.rest(0.5)
                late = changes.delays(live)
            member.stop()
        cost = taken(member.looks, round(WARM * total), total)
        middle = next(look.at for look in member.looks if look.done >= total / 2)
        after = (done.at - middle) / 4
        at_middle, at_end = (typical(member.memory, at - after, at + after) for at in (middle, done.at - after))
        verdict.say(f"{total:,} events of a year taken in {done.at - ready.at:.1f} s, {cost}")
        verdict.say(f"RSS {at_middle:.0f} MB in the middle, {at_end:.0f} at the end")
        verdict.say(f"then event to change {delays(late)}")
        verdict.at_most("RSS from the middle to the end", at_end / at_middle, MOST_GROWTH, " times")
        verdict.law(bool(late), "no change was seen of the events that came afterwards")
        verdict.law(percentile(late, 0.99) <= _USUAL_S, f"99 in 100 changes take {percentile(late, 0.99):.1f} s afterwards")
        verdict.equal("events in rows", rows(settings).events, total + sent)
    return verdict
