"""1,000 malformed records among 100,000 good events: as many dead letters, each with its reason, and nothing else changes.

python -m tests.chaos.malformed --good 100000 --bad 1000
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from random import Random

import msgspec
import numpy as np

from models.errors import ShoalError
from streams.embedded import Kind, MissingPrerequisite
from streams.replay.event import RawRecord, ReplayEvent
from streams.simulator import Bad, Config, generate_events, malformed
from streams.simulator.malformed import mixed
from tests.chaos.line import Line, line_of
from tests.chaos.outcome import Entry, Outcome, faults
from tests.chaos.program import say
from tests.chaos.scene import Scene
from tests.chaos.schedule import Schedule
from tests.chaos.site import Site, broker

PARTITIONS = 4
_READABLE = 15


def more(n: int) -> list[Bad]:
    """What only a broker's limits and a long future bring forth: n records."""
    event = b'{"type":"track","event":"Order Completed","userId":"%b","timestamp":"%b","properties":{"revenue":1%b}}'
    time = b"2024-10-02T12:00:00.000Z"
    makers: tuple[tuple[str, Callable[[int], tuple[bytes, bytes]]], ...] = (
        ("year 9999", lambda i: (b"far-%d" % i, event % (b"far-%d" % i, b"9999-12-31T23:59:59.999Z", b""))),
        ("year 9999 in another zone", lambda i: (b"far-%d" % i, event % (b"far-%d" % i, b"9999-12-31T23:59:59.999-14:00", b""))),
        ("before 1970", lambda i: (b"old-%d" % i, event % (b"old-%d" % i, b"1969-12-31T23:59:59.999Z", b""))),
        ("key of 400 KB", lambda i: (b"%d" % i + b"k" * 400_000, event % (b"k", time, b""))),
        ("key and value of 1 MB together", lambda i: (b"k" * 150_000, b"%d" % i + b"v" * 890_000)),
        ("a type of 30 KB", lambda i: (b"t-%d" % i, (event % (b"t-%d" % i, time, b"")).replace(b"track", b"t" * 30_000))),
        ("an amount of 300 digits", lambda i: (b"a-%d" % i, event % (b"a-%d" % i, time, b"0" * 300))),
    )
    return [Bad(name, *make(i)) for i, (name, make) in zip(range(n), chain.from_iterable([makers] * n), strict=False)]


def lines(good: int, bad: int, seed: int) -> tuple[Line, Line, list[Bad]]:
    """The good events alone, the same with bad ones at random places, and the bad ones."""
    config = Config(customers=max(50, good // 100), days=60, seed=seed)
    events: list[ReplayEvent] = list(islice(chain.from_iterable(generate_events(config)), good))
    rng = np.random.default_rng(seed)
    wrong = [*malformed(rng, bad - bad // 10), *more(bad // 10)]
    items = list(mixed(events, wrong, len(events), rng))
    marks = {id(item) for item in items if isinstance(item, RawRecord)}
    return line_of(events, PARTITIONS, Random(seed)), line_of(items, PARTITIONS, Random(seed), bad=marks), wrong


def verdict(clean: Outcome, found: Outcome, line: Line, wrong: Sequence[Bad]) -> list[str]:
    """What is not as it must be, a sentence each."""
    said = [] if clean.digest == found.digest else [f"state digest {found.digest[:16]} instead of {clean.digest[:16]}"]
    if clean.memberships != found.memberships:
        said.append("memberships are not the same")
    for partition, (wanted, got) in enumerate(zip(clean.changes, found.changes, strict=True)):
        if list(map(_without_offsets, wanted)) != list(map(_without_offsets, got)):
            said.append(f"changes of partition {partition} are not the same, offsets apart")
    letters = list(chain.from_iterable(found.dead))
    if len(letters) != len(wrong):
        said.append(f"{len(letters)} dead letters for {len(wrong)} malformed records")
    said += _mismatches(letters, line)
    return said


def reasons(found: Outcome, wrong: Sequence[Bad]) -> Iterator[tuple[str, int, str]]:
    """Each kind of malformed record, how many there were, and what one of its dead letters says."""
    named = {(bad.key, bad.value): bad.name for bad in wrong}
    says: dict[str, str] = {}
    for key, value, headers in chain.from_iterable(found.dead):
        given = dict(headers)
        name = named.get((key, value))
        if name is not None:
            says.setdefault(name, given["reason"].decode())
    for name, count in Counter(bad.name for bad in wrong).items():
        yield name, count, says.get(name, "(its bytes were cut)")


def _mismatches(letters: Sequence[Entry], line: Line) -> Iterator[str]:
    """Letters that do not lead back to their record, or give no reason; a record set aside twice."""
    seen: Counter[tuple[int, int]] = Counter()
    for key, value, headers in letters:
        given: Mapping[str, bytes] = dict(headers)
        place = int(given["source_partition"]), int(given["source_offset"])
        seen[place] += 1
        record = line.events[place[0]][place[1]]
        whole = key == record.key and value == record.value
        cut = (
            "truncated" in given and (record.key or b"").startswith(key or b"") and (record.value or b"").startswith(value or b"")
        )
        if not whole and not cut:
            yield f"the dead letter of {place} has other bytes than the record"
        if len(given["reason"]) < _READABLE or given["source_topic"] == b"":
            yield f"the dead letter of {place} does not say what is wrong: {given['reason']!r}"
    yield from (f"{place} was set aside {n} times" for place, n in seen.items() if n > 1)


class _Change(msgspec.Struct):
    """A change's body without what depends on offsets."""

    customer_id: str
    segmentation: str
    previous: msgspec.Raw
    current: msgspec.Raw
    at: str
    cause: str
    confidence: float
    scores: msgspec.Raw
    reasons: msgspec.Raw
    hysteresis: str
    model: msgspec.Raw
    definitions: str
    recommend: msgspec.Raw


_change = msgspec.json.Decoder(_Change).decode
_encode = msgspec.json.encode


def _without_offsets(entry: Entry) -> bytes:
    return _encode(_change(entry[1] or b""))


def main(arguments: list[str] | None = None) -> int:
    """0 when all is as it must be."""
    options = argparse.ArgumentParser(prog="python -m tests.chaos.malformed", description=(__doc__ or "").splitlines()[0])
    options.add_argument("--good", type=int, default=100_000)
    options.add_argument("--bad", type=int, default=1_000)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    clean, line, wrong = lines(given.good, given.bad, given.seed)
    kind: Kind = "kafka"
    try:
        with broker(kind) as site:
            return _compare(site, clean, line, wrong, kind)
    except MissingPrerequisite as missing:
        say(f"not on Apache Kafka: {missing}")
    kind = "embedded"
    with broker(kind) as site:
        return _compare(site, clean, line, wrong, kind)


def _compare(site: Site, clean: Line, line: Line, wrong: Sequence[Bad], kind: Kind) -> int:
    found = [one(site, which) for which in (clean, line)]
    said = verdict(found[0], found[1], line, wrong) + (faults(found[1], line.expected) if kind == "kafka" else [])
    for name, count, reason in sorted(reasons(found[1], wrong)):
        say(f"{count:>4}  {name:<32} {reason[:150]}")
    kinds, expected = len({bad.name for bad in wrong}), line.expected
    say(
        f"{kind}: {expected.applied:,} good events of {expected.customers:,} customers, {len(wrong):,} malformed records of "
        f"{kinds} kinds: {sum(map(len, found[1].dead)):,} dead letters; digest {found[1].digest[:16]}, without the malformed "
        f"{found[0].digest[:16]}; {sum(map(len, found[1].changes)):,} changes"
    )
    for fault in said:
        say(f"  WRONG: {fault}")
    return 1 if said else 0


def one(site: Site, line: Line) -> Outcome:
    """An undisturbed run with one worker."""
    settings = site.settings(partitions=line.partitions)
    with tempfile.TemporaryDirectory(prefix="shoal-malformed-") as logs:
        found, _ = Scene(site, settings, line).run(Path(logs) / "run", Schedule(1, ()), Random(1))
    return found


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ShoalError as error:
        sys.exit(f"malformed: {error}")
