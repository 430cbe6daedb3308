"""What must hold of a run when it has come to rest, each law by name: it is the same as the undisturbed run of its input, and
what the oracle makes of its input, journal and snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from models.kernel.layout import EVENTS
from streams.broker.memory import MemoryMessage
from streams.broker.protocol import TP
from streams.scoring.digest import digest, entries_of
from tests.chaos.contradictions import in_changes, in_samples
from tests.chaos.twin import Entry, Twin, synthetic_models
from tests.oracle.topics import disagreements, read_topics
from tests.simulation.plan import PARTITIONS, Plan, in_transactions, line_of
from tests.simulation.world import settings

_OUTPUTS = {"changes": "segment-changes", "samples": "samples", "dead letters": "events.dlq", "journal": "journal"}


@dataclass(frozen=True, slots=True)
class Rest:
    """What a run left behind: the state's digest, records of each output by partition, memberships by customer."""

    state: str
    outputs: dict[str, list[list[Entry]]]
    memberships: dict[bytes | None, bytes | None]


def rest_of(twin: Twin) -> Rest:
    """Read committed."""
    return Rest(twin.digest(), {law: twin.written(topic) for law, topic in _OUTPUTS.items()}, twin.memberships())


@cache
def undisturbed(line: int) -> Rest:
    """What one worker leaves behind whom nothing happens to."""
    plan = Plan(0, line, 1, 2_000, 20_000, 0.01, 0, {})
    input_ = line_of(line)
    twin = Twin(settings(plan), input_, in_transactions=in_transactions(line), models=synthetic_models(input_.epochs, PARTITIONS))
    twin.start(0)
    twin.run()
    return rest_of(twin)


def broken(twin: Twin, line: int) -> Iterator[str]:
    """Each law that does not hold, in a sentence that begins with its name."""
    wanted, found = undisturbed(line), rest_of(twin)
    if found.state != wanted.state:
        yield f"state: the changelog's digest is {found.state[:16]} instead of {wanted.state[:16]}"
    live = digest(entries_of(slot.partition for worker in twin.workers.values() for slot in worker.slots.values()))
    if live != found.state:
        yield f"live state: in the workers it is {live[:16]}, in the changelog {found.state[:16]}"
    for law, partitions in wanted.outputs.items():
        for number, (before, now) in enumerate(zip(partitions, found.outputs[law], strict=True)):
            if before != now:
                yield f"{law}: partition {number} has {len(now)} records instead of {len(before)}, {_first(before, now)}"
    if found.memberships != wanted.memberships:
        yield "memberships: what is said last of some customer differs"
    yield from _asked(twin)
    yield from in_changes([[value or b"" for _, value, _ in partition] for partition in found.outputs["changes"]])
    yield from in_samples([[(key, value) for key, value, _ in partition] for partition in found.outputs["samples"]])
    yield from _counted(twin, found, line)
    yield from _stable(twin)


def _asked(twin: Twin) -> Iterator[str]:
    """The oracle, a second reading of the rules, comes to the same from input, journal and snapshots."""

    def read(name: str) -> list[list[MemoryMessage]]:
        topic = twin.settings.topic(name)
        return [twin.cluster.read_committed(topic, number) for number in range(twin.cluster.partitions(topic))]

    for sentence in disagreements(read_topics(read), twin.settings):
        yield f"oracle: {sentence}"


def _first(before: list[Entry], now: list[Entry]) -> str:
    place = next((k for k, (a, b) in enumerate(zip(before, now, strict=False)) if a != b), min(len(before), len(now)))
    return f"the first other one is at {place}"


def _counted(twin: Twin, found: Rest, line: int) -> Iterator[str]:
    """Every input is applied, a dead letter, a duplicate, a tick or a command."""
    expected = line_of(line).expected
    dead = sum(map(len, found.outputs["dead letters"]))
    if dead != expected.dead:
        yield f"counts: {dead} dead letters instead of {expected.dead}"
    tables = [slot.partition.engine.table for worker in twin.workers.values() for slot in worker.slots.values()]
    applied = sum(int(table.rows.u4[: len(table), EVENTS].sum()) for table in tables)
    if applied != expected.applied:
        yield f"counts: {applied} events applied instead of {expected.applied}"


def _stable(twin: Twin) -> Iterator[str]:
    """No transaction is left open."""
    for name in (*_OUTPUTS.values(), "state", "segments"):
        topic = twin.settings.topic(name)
        for partition in range(twin.cluster.partitions(topic)):
            tp = TP(topic, partition)
            stable, end = twin.cluster.stable_offset(tp), twin.cluster.watermarks(tp)[1]
            if stable != end:
                yield f"open: {topic}-{partition} is stable to {stable} of {end}"
