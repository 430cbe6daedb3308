"""One customer with three tenths of all events: what an event costs, that all are counted, and that the oracle agrees."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from streams.settings import Settings
from tests.benchmarks.load import events
from tests.chaos.outcome import read_topic
from tests.limits.input import hot
from tests.limits.law import Verdict
from tests.limits.place import CUSTOMERS, Place, place, sized
from tests.limits.reading import rows
from tests.limits.taking import Run, pour, take, warm
from tests.oracle.kept import Kept
from tests.oracle.topics import disagreements, read_topics

_EVENTS, _SHARE = 1_200_000, 0.3
_ASKED = 160_000
"""Events of the run that the oracle is asked about: it takes a millisecond for each that it follows."""
_HOT = b"c0012345"
_OTHERS = frozenset(b"c%07d" % number for number in range(0, CUSTOMERS, 499))
_LIMIT = 1.3


def measure(scale: float, folder: Path) -> Verdict:
    """With 1.2 million events, times `scale`."""
    total, asked = sized(_EVENTS, scale), sized(_ASKED, scale)
    verdict = Verdict()
    with place(folder) as there:
        warm(there, scale)
        usual, hottest = _run(there, "usual", total, 0.0, verdict), _run(there, "hot", total, _SHARE, verdict)
        times = hottest.cost.cpu_us / usual.cost.cpu_us
        verdict.say(f"{times:.2f} times the CPU: {hottest.cost}, beside {usual.cost}")
        verdict.at_most("CPU an event beside the usual load", times, _LIMIT, " times")
        _ask(there, asked, verdict)
    return verdict


def _run(there: Place, name: str, total: int, share: float, verdict: Verdict) -> Run:
    settings = there.deployment(name)
    given = list[int]()
    pour(settings, (_tallied(event, given) for event in hot(events(total, CUSTOMERS), _HOT, share)))
    run = take(settings, there.logs(name), total)
    held = rows(settings, frozenset({_HOT}))
    if share:
        verdict.say(f"{len(given):,} of {total:,} events are one customer's")
    verdict.equal(f"events in rows, {name}", held.events, total)
    verdict.equal(f"events in the hot customer's row, {name}", held.each.get(_HOT, 0), len(given))
    return run


def _tallied(event: tuple[bytes, bytes], given: list[int]) -> tuple[bytes, bytes]:
    if event[0] == _HOT:
        given.append(1)
    return event


def _ask(there: Place, total: int, verdict: Verdict) -> None:
    """Another such run, of which the oracle follows the hot customer and some others."""
    settings = there.deployment("asked")
    pour(settings, hot(events(total, CUSTOMERS), _HOT, _SHARE))
    take(settings, there.logs("asked"), total)
    topics = read_topics(lambda name: _kept(settings, name))
    followed = sum(_is_followed(record.key() or b"") for partition in topics.events for record in partition)
    wrong = disagreements(topics, settings, _is_followed)
    verdict.say(f"the oracle agrees on {followed:,} events of it and {len(_OTHERS)} others")
    verdict.law(followed > _SHARE * total / 2, f"only {followed:,} events were followed")
    verdict.wrong += wrong


def _is_followed(customer: bytes) -> bool:
    return customer == _HOT or customer in _OTHERS


def _kept(settings: Settings, name: str) -> Sequence[Sequence[Kept]]:
    return cast("list[list[Kept]]", read_topic(settings, name))
