"""Copies of a run's topics in which one thing is altered, and what the oracle must say of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from tests.oracle.kept import Kept, json_in
from tests.oracle.standing import CURSOR_KEY, ROW_KEY, SAMPLE_KEY
from tests.oracle.topics import Topics

Records = list[Kept]
Alter = Callable[[Records], Records]
Change = Callable[[Kept], Kept]
Wanted = Callable[[Kept], bool]


@dataclass(frozen=True)
class Forged:
    """A record that was altered: what is new of it."""

    of: Kept
    new: dict[str, Any]

    def key(self) -> bytes | None:
        found: bytes | None = self.new.get("key", self.of.key())
        return found

    def value(self) -> bytes | None:
        found: bytes | None = self.new.get("value", self.of.value())
        return found

    def headers(self) -> list[tuple[str, bytes]] | None:
        found: list[tuple[str, bytes]] | None = self.new.get("headers", self.of.headers())
        return found

    def offset(self) -> int:
        return self.of.offset()


def forged(record: Kept, **new: Any) -> Kept:
    return Forged(record, new)


def with_records(topics: Topics, name: str, partition: int, records: Sequence[Kept]) -> Topics:
    """A copy in which one partition of a topic holds other records."""
    held: list[Sequence[Kept]] = list(getattr(topics, name))
    held[partition] = records
    changes: dict[str, Any] = {name: held}
    return replace(topics, **changes)


def where(records: Records, wanted: Wanted) -> int:
    """A place in the middle of what is wanted."""
    places = [place for place, record in enumerate(records) if wanted(record)]
    return places[len(places) // 2]


def anything(record: Kept) -> bool:
    return True


def of_kind(kind: str, *, labelled: bool = False) -> Wanted:
    return lambda record: json_in(record).get("kind") == kind and bool(json_in(record).get("label")) == labelled


def noted(kind: str) -> Wanted:
    """Entries of the journal."""
    return lambda record: bool(json_in(record)["kind"] == kind)


def has_key(record: Kept) -> bool:
    return record.key() is not None


def first_lost(records: Records) -> Records:
    """The first event, which repeats none, is not there."""
    first = next(record for record in records if has_key(record) and "messageId" in json_in(record))
    return [record for record in records if record is not first]


def about_keys(letter: Kept) -> bool:
    return dict(letter.headers() or [])["kind"] == b"key"


def keyed(prefix: bytes) -> Wanted:
    return lambda record: (record.key() or b"").startswith(prefix)


def lost(wanted: Wanted = anything) -> Alter:
    """One of them is not there."""

    def alter(records: Records) -> Records:
        place = where(records, wanted)
        return records[:place] + records[place + 1 :]

    return alter


def twice(wanted: Wanted = anything) -> Alter:
    def alter(records: Records) -> Records:
        place = where(records, wanted)
        return [*records[: place + 1], *records[place:]]

    return alter


def swapped(wanted: Wanted = anything) -> Alter:
    """One of them and the next one."""

    def alter(records: Records) -> Records:
        place = where(records[:-1], wanted)
        return [*records[:place], records[place + 1], records[place], *records[place + 2 :]]

    return alter


def other(change: Change, wanted: Wanted = anything) -> Alter:
    def alter(records: Records) -> Records:
        place = where(records, wanted)
        return [*records[:place], change(records[place]), *records[place + 1 :]]

    return alter


def gone(wanted: Wanted) -> Alter:
    """All records of a key are not there."""

    def alter(records: Records) -> Records:
        key = records[where(records, wanted)].key()
        return [record for record in records if record.key() != key]

    return alter


def behind(change: Change, wanted: Wanted) -> Alter:
    """The newest record of a key, altered, stands behind all others."""

    def alter(records: Records) -> Records:
        live = [r for k, r in {record.key(): record for record in records}.items() if r.value() is not None and wanted(r)]
        return [*records, change(live[len(live) // 2])]

    return alter


def said(*path: str | int, to: Any = "another") -> Change:
    """A place in the JSON holds something else."""

    def change(record: Kept) -> Kept:
        content = json_in(record)
        inner: Any = content
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = to(inner[path[-1]]) if callable(to) else to
        return forged(record, value=json.dumps(content).encode())

    return change


def another_header(name: str, value: bytes) -> Change:
    return lambda record: forged(record, headers=[(n, value if n == name else v) for n, v in record.headers() or []])


def flipped(place: int) -> Change:
    """A bit of a byte, counted from the end, is another."""

    def change(record: Kept) -> Kept:
        value = bytearray(record.value() or b"")
        value[place] ^= 1
        return forged(record, value=bytes(value))

    return change


def valued(value: bytes | None) -> Change:
    """The value is this."""
    return lambda record: forged(record, value=value)


def one_more(record: Kept) -> Kept:
    """The JSON has a field more."""
    return forged(record, value=(record.value() or b"")[:-1] + b',"mood":1}')


def new_key(record: Kept) -> Kept:
    return forged(record, key=(record.key() or b"") + b"-2")


def telling(record: Kept) -> bool:
    change = json_in(record)
    return bool(change["reasons"] and change["previous"] and change["current"] and change["scores"]["churn"])


def a_little_more(number: float) -> float:
    return float(f"{number:.6g}") * (1.0 + 3e-5) + 1e-9


label, sample, mark = of_kind("sample", labelled=True), of_kind("sample"), of_kind("mark")
row, waiting = keyed(ROW_KEY), keyed(SAMPLE_KEY)

_ID = r"[es]-0-\S+ of \S+"


class Forgery(NamedTuple):
    """What is altered in partition 0 of a topic, and what is said of it, behind the partition, about which kind of thing."""

    name: str
    topic: str
    alter: Alter
    kind: str
    sentence: str


def _of(topic: str, kind: str, *lines: tuple[str, Alter, str]) -> list[Forgery]:
    return [Forgery(name, topic, alter, kind, sentence) for name, alter, sentence in lines]


ALTERED = [
    *_of(
        "changes", "changes",
        ("a change is lost", lost(), rf"change \d+: {_ID} is missing"),
        ("a change is there twice", twice(), rf"change \d+: {_ID} is there a second time"),
        ("two changes are swapped", swapped(), rf"change \d+: {_ID} stands before change \d+, behind which it belongs"),
        ("a change is unheard of", other(said("id")), r"change \d+: another of \S+ is not what the input gives"),
        ("a change is no JSON", other(valued(b"{")), rf"change \d+: {_ID} is missing"),
        ("a change's key", other(new_key), rf"change \d+: {_ID}: its key is b'\S+-2' instead of"),
        ("a change's header", other(another_header("ce_time", b"now")), r"change .*: headers\.ce_time is b'now' instead of"),
        ("a change has a field more", other(one_more), r"change .*: mood is unheard of"),
        ("a confidence", other(said("confidence", to=a_little_more)), r"change .*: confidence is [\d.]+ instead of [\d.]+"),
        ("a score", other(said("scores", "churn", to=a_little_more), telling), r"change .*: scores\.churn is"),
        ("an effect", other(said("reasons", 0, "effect", to=a_little_more), telling), r"change .*: reasons\[0\]\.effect is"),
        ("a usual value", other(said("reasons", 0, "usual"), telling), r"change .*: reasons\[0\]\.usual is 'another'"),
        ("a reason is lost", other(said("reasons", to=lambda held: held[1:]), telling), r"change .*: reasons is \["),
        ("a name", other(said("current", "name"), telling), r"change .*: current\.name is 'another' instead of"),
    ),
    *_of("changes", "links", ("a change between others is lost", lost(telling), r"change \d+: \w+ of \S+ goes on from")),
    *_of(
        "state", "state",
        ("a row is lost", gone(row), r"row b'r\|\S+' is missing"),
        ("a row too many", behind(new_key, row), r"row b'r\|\S+-2' is not what the input gives"),
        ("a bit of a row", behind(flipped(-1), row), r"row b'r\|\S+' is another: \w+ is"),
        ("the marks of a row", behind(flipped(3), row), r"row b'r\|\S+' is another: \d+ bytes that are no row"),
        ("a waiting sample is lost", behind(valued(None), waiting), r"entry b'p\|\S+' is missing"),
        ("a bit of a waiting sample", behind(flipped(-1), waiting), r"entry b'p\|\S+' is another: \d+ bytes, 1 of them differ"),
        ("a cursor", behind(said("swept", to=5), keyed(CURSOR_KEY)), r"cursor\.swept is 5 instead of \d+"),
        ("a cursor is lost", gone(keyed(CURSOR_KEY)), "there is no cursor"),
    ),
    *_of(
        "segments", "memberships",
        ("a customer is lost", gone(anything), r"customer b'\S+' is missing"),
        ("a customer too many", behind(new_key, anything), r"customer b'\S+-2' is there, of whom no membership has moved"),
        ("a membership", behind(said("memberships", "value", "segment"), anything), r"customer .*: memberships\.value\.segment"),
        ("a last change", behind(said("last_changes", "value", "at"), anything), r"customer .*: last_changes\.value\.at is"),
        ("a score of a customer", behind(said("scores", "purchase", to=2), anything), r"customer .*: scores\.purchase is 2"),
    ),
    *_of(
        "samples", "samples",
        ("a sample is lost", lost(sample), r"sample \d+: the sample of \S+ at \d+ is missing"),
        ("a label is lost", lost(label), r"sample \d+: the label of \S+ at \d+ is missing"),
        ("a label is there twice", twice(label), r"sample \d+: the label of \S+ at \d+ is there a second time"),
        ("two samples are swapped", swapped(label), r"sample \d+: the \w+ of \S+ at \d+ stands before sample"),
        ("a feature", other(said("features", 6, to=0.5), sample), r"sample .*: features\[6\] is 0\.5 instead of"),
        ("a label's spend", other(said("label", "spent", to=0.25), label), r"sample .*: label\.spent is 0\.25 instead of"),
        ("a mark is lost", lost(mark), r"sample \d+: the mark of \d+ is missing"),
        ("a mark's count", other(said("samples", to=99), mark), r"sample \d+: the mark of \d+: samples is 99 instead of"),
        ("a mark's customers", other(said("customers", to=99), mark), r"sample .*: customers is 99 instead of"),
    ),
    *_of(
        "dead", "dead letters",
        ("a letter is lost", lost(), r"letter of \w+ \d+: offset \d+ is missing"),
        ("a letter is there twice", twice(), r"letter of \w+ \d+: offset \d+ is there a second time"),
        ("a letter's bytes", other(valued(b"x")), r"letter .*: its value is not that of the record"),
        ("a letter's key", other(new_key), r"letter .*: its key is b'\S*-2', that of the record is"),
        ("a letter's kind", other(another_header("kind", b"mood"), about_keys), r"letter .*: its kind is 'mood' instead of"),
        ("a letter's reason", other(another_header("reason", b"")), r"letter .*: it has no reason"),
        ("a letter's offset", other(another_header("source_offset", b"1")), r"letter .*: offset 1 is not what the input gives"),
        ("a letter's partition", other(another_header("source_partition", b"7")), r"letter .*: it comes from partition '7'"),
        ("a letter's topic", other(another_header("source_topic", b"x")), r"letter \d+: it comes from 'x'"),
    ),
    *_of("dead", "counts", ("a letter is not counted", lost(), r"input: \d+ records, but \d+ applied")),
    *_of(
        "journal", "journal",
        ("an entry is lost", lost(), r"entry \d+: its number is \d+: one is missing"),
        ("an entry is no entry", other(valued(b"{")), r"entry \d+: it is no entry"),
        ("the last sweep is lost", lambda records: records[:-1], r"no entry: the tick \d+ at offset \d+ was not swept"),
        ("a sweep's time", other(said("at", to=lambda at: at + 1), noted("sweep")), r"entry \d+: a sweep at \d+ where the input"),
        ("a manifest", other(said("what"), noted("manifest")), r"entry \d+: manifest another, or a snapshot that it names, is"),
        ("definitions", other(said("what"), noted("definitions")), r"entry \d+: definitions another are not in models"),
    ),
    *_of("events", "counts", ("an event is lost", first_lost, r"(applied|input): \d+ ")),
    *_of("commands", "dead letters", ("a command is lost", lost(has_key), r"letter of commands .* is not what the input gives")),
]  # fmt: skip
