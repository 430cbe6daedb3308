"""Records of an output against what the oracle expects, one after another; findings are sentences, a few of each kind."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from streams.contracts.changes import Change
from tests.oracle.kept import Kept, json_in
from tests.oracle.published import Json, Printed

MOST: Final = 5
"""Sentences of a kind and partition that are said in full."""
_MOST_SHOWN: Final = 120
_change = msgspec.json.Decoder(Change).decode


class Findings:
    """Sentences, each beginning with what is wrong and where."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._counts = Counter[str]()

    def say(self, kind: str, partition: int, sentence: str) -> None:
        """One more of this kind."""
        place = f"{kind}: partition {partition}"
        self._counts[place] += 1
        if self._counts[place] <= MOST:
            self._said.append(f"{place}, {sentence}")

    def sentences(self) -> list[str]:
        """All that were said, and how many were left out."""
        return self._said + [f"{place}, and {n - MOST} more" for place, n in self._counts.items() if n > MOST]


def differences(expected: object, said: object, where: str = "") -> Iterator[str]:
    """Where JSON is not what is expected, each place in a sentence."""
    if isinstance(expected, dict) and isinstance(said, dict):
        for name in expected | said:
            inner = f"{where}.{name}" if where else name
            if name not in said:
                yield f"{inner} is missing"
            elif name not in expected:
                yield f"{inner} is unheard of"
            else:
                yield from differences(expected[name], said[name], inner)
    elif isinstance(expected, list) and isinstance(said, list) and len(expected) == len(said):
        for place, (one, other) in enumerate(zip(expected, said, strict=True)):
            yield from differences(one, other, f"{where}[{place}]")
    elif not _same(expected, said):
        yield f"{where} is {shown(said)} instead of {shown(expected)}"


def _same(expected: object, said: object) -> bool:
    if isinstance(expected, bool) or isinstance(said, bool):
        return expected is said
    if isinstance(expected, Printed):
        return isinstance(said, int | float) and expected.is_said_by(said)
    return expected == said


def shown(value: object) -> str:
    """A value in a sentence."""
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "..."


class Ledger:
    """The records of one partition of an output. `name` says what a record is, in words that no other one has.

    Each that is expected must be there, once, behind those expected before it; `close` names those that nobody expected.
    """

    def __init__(
        self, findings: Findings, kind: str, noun: str, partition: int, records: Sequence[Kept], name: Callable[[Kept], str]
    ) -> None:
        self._findings, self._kind, self._noun, self._partition, self._records = findings, kind, noun, partition, records
        self._places = defaultdict[str, deque[int]](deque)
        for place, record in enumerate(records):
            self._places[name(record)].append(place)
        self._expected: set[str] = set()
        self._last = -1

    def expect(self, name: str, faults: Callable[[Kept], Iterable[str]]) -> None:
        """The next record is this one. faults: what is wrong with the one that has the name."""
        self._expected.add(name)
        if not self._places.get(name):
            self._say(self._last + 1, f"{name} is missing")
            return
        place = self._places[name].popleft()
        if place < self._last:
            self._say(place, f"{name} stands before {self._noun} {self._last}, behind which it belongs")
        self._last = max(self._last, place)
        for fault in faults(self._records[place]):
            self._say(place, f"{name}: {fault}")

    def close(self) -> None:
        """Nothing more is expected."""
        for place, name in sorted((place, name) for name, places in self._places.items() for place in places):
            again = name in self._expected
            self._say(place, f"{name} is there a second time" if again else f"{name} is not what the input gives")

    def _say(self, place: int, sentence: str) -> None:
        self._findings.say(self._kind, self._partition, f"{self._noun} {place}: {sentence}")


def record_faults(key: bytes | None, value: Json, headers: dict[str, bytes] | None, record: Kept) -> Iterator[str]:
    """What is wrong with a record whose value is JSON. headers: None if they are not looked at."""
    if record.key() != key:
        yield f"its key is {shown(record.key())} instead of {shown(key)}"
    yield from differences(value, json_in(record))
    if headers is not None:
        yield from differences(headers, dict(record.headers() or []), "headers")


def link_faults(records: Sequence[Kept]) -> Iterator[tuple[int, str]]:
    """Places of changes that do not go on where the one before of the customer and segmentation ended.

    Other definitions may name a segment anew, never when it began. Of micro-segments a customer has several at once: one that
    ends must have begun.
    """
    ends: dict[tuple[str, str], Change] = {}
    begun = Counter[tuple[str, str]]()
    for number, record in enumerate(records):
        try:
            change = _change(record.value() or b"")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            yield number, f"it is none: {error}"
            continue
        place = change.customer_id, change.segmentation
        if change.segmentation == "micro":
            if change.previous is not None:
                begun[change.customer_id, change.previous.since] -= 1
                if begun[change.customer_id, change.previous.since] < 0:
                    yield number, f"a micro-segment of {change.customer_id} ends that did not begin, {change.previous}"
            if change.current is not None:
                begun[change.customer_id, change.current.since] += 1
            continue
        if not _goes_on(ends.get(place), change):
            ended = ends[place].current if place in ends else None
            yield number, f"{place[1]} of {place[0]} goes on from {change.previous}; the one before ended at {ended}"
        ends[place] = change


def _goes_on(before: Change | None, change: Change) -> bool:
    ended, previous = before.current if before else None, change.previous
    if before is None or ended is None or previous is None:
        return ended is previous
    return ended.since == previous.since and (ended.segment == previous.segment or before.definitions != change.definitions)
