"""What a run left behind, read from the broker, and how two of them differ."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import cast

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from models.row import ROW
from streams.admin import partition_counts
from streams.contracts import journal
from streams.contracts.keys import MANIFEST, SNAPSHOT
from streams.errors import ShoalError
from streams.scoring.changelog import CURSOR_KEY, ROW_PREFIX, unpack_rows
from streams.scoring.digest import digest
from streams.settings import Settings
from tests.chaos.contradictions import in_changes, in_samples
from tests.chaos.line import Expected

GARBAGE = "garbage"
"""Header of a record in `models` that no learner has written."""
Entry = tuple[bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]
_SILENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Read committed. Topics by partition, in order: key, value, headers. `snapshots`: content hashes.

    `astray`: partitions whose state in the changelog is not what the worker had that held it at the end.
    `manifests`: epoch's key and champions; offsets in a manifest depend on where commits fell, so they are left out, and so
    are the hashes in the journal that depend on them.
    `unstable`: partitions whose last stable offset is not their end.
    """

    digest: str
    changes: Sequence[Sequence[Entry]]
    samples: Sequence[Sequence[Entry]]
    dead: Sequence[Sequence[Entry]]
    journal: Sequence[Sequence[journal.Entry]]
    memberships: Mapping[bytes | None, bytes | None]
    snapshots: frozenset[bytes]
    manifests: Mapping[bytes, bytes]
    applied: int
    customers: int
    records: int
    unstable: Sequence[str]
    astray: Sequence[int]

    @property
    def champions(self) -> frozenset[str]:
        """Families that have one at the end."""
        last = self.manifests[max(self.manifests)]
        return frozenset(msgspec.json.decode(last, type=_Ended).champions)


class _Ended(msgspec.Struct):
    champions: dict[str, msgspec.Raw]


class _Said(msgspec.Struct):
    """What of a manifest does not depend on offsets."""

    epoch: int
    champions: msgspec.Raw
    one_in: int
    absent: list[int]
    tests: msgspec.Raw
    notes: list[str]


_said = msgspec.json.Decoder(_Said).decode


def read_topic(settings: Settings, name: str, isolation: str = "read_committed") -> list[list[KafkaMessage]]:
    """Everything in a topic, by partition, up to the end of now. Raises ShoalError when an open transaction hides a part."""
    topic = settings.topic(name)
    partitions = partition_counts(settings)[topic]
    consumer = Consumer(
        {
            "bootstrap.servers": settings.bootstrap_servers,
            "group.id": f"{settings.prefix}outcome",
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
            "fetch.queue.backoff.ms": 5,
        }
    )
    found: list[list[KafkaMessage]] = [[] for _ in range(partitions)]
    waiting = set(range(partitions))
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
    deadline = time.monotonic() + _SILENCE_S
    try:
        while waiting:
            # It waits until there are so many, so not for long.
            messages = consumer.consume(5_000, 0.03)
            if messages:
                deadline = time.monotonic() + _SILENCE_S
            elif time.monotonic() > deadline:
                raise ShoalError(f"{topic}: nothing more for {_SILENCE_S:.0f} s and no end of partitions {sorted(waiting)}")
            for message in messages:
                error = message.error()
                partition = message.partition()
                assert partition is not None
                if error is None:
                    found[partition].append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    waiting.discard(partition)
                else:
                    raise KafkaException(error)
    finally:
        consumer.close()
    return found


def entries(messages: Sequence[KafkaMessage]) -> list[Entry]:
    """Key, value and headers."""
    return [(m.key(), m.value(), tuple(_headers(m))) for m in messages]


def _headers(message: KafkaMessage) -> list[tuple[str, bytes]]:
    # Given as a list of pairs, whatever the stub says.
    return cast("list[tuple[str, bytes]]", message.headers() or [])


def outcome(settings: Settings, rests: Mapping[int, str]) -> Outcome:
    """Reads all that a run wrote. rests: digests of partitions as workers had them in memory at the end."""
    states = [_live(messages) for messages in read_topic(settings, "state")]
    state = dict(chain.from_iterable(live.items() for live in states))
    rows = unpack_rows([value for key, value in state.items() if key.startswith(ROW_PREFIX)], "state").view(ROW)
    models = [(m.key() or b"", m.value() or b"") for m in read_topic(settings, "models")[0] if not planted(m)]
    memberships = {m.key(): m.value() for messages in read_topic(settings, "segments") for m in messages}
    written = {
        name: [entries(messages) for messages in read_topic(settings, topic)]
        for name, topic in (("changes", "segment-changes"), ("samples", "samples"), ("dead", "events.dlq"))
    }
    return Outcome(
        digest=digest(state),
        memberships=memberships,
        snapshots=frozenset(key for key, _ in models if key.startswith(SNAPSHOT)),
        manifests={key: msgspec.json.encode(_said(value)) for key, value in models if key.startswith(MANIFEST)},
        applied=int(rows["events"].sum()),
        customers=len(rows),
        records=sum(sum(map(len, read_topic(settings, name))) for name in ("events", "commands")),
        unstable=unstable(settings),
        astray=[p for p, live in enumerate(states) if p in rests and rests[p] != digest(live)],
        journal=[[_without_hashes(m.value() or b"") for m in messages] for messages in read_topic(settings, "journal")],
        **written,
    )


def _without_hashes(data: bytes) -> journal.Entry:
    """A journal entry without what depends on a manifest's offsets: its hash, and so those of all that follow."""
    entry = journal.decode(data)
    what = "" if entry.kind == "manifest" else entry.what
    return msgspec.structs.replace(entry, what=what, previous="", hash="")


def planted(message: KafkaMessage) -> bool:
    """Whether a record is one that the run itself put there, to be refused."""
    return any(name == GARBAGE for name, _ in _headers(message))


def _live(messages: Sequence[KafkaMessage]) -> dict[bytes, bytes]:
    """The entries of a changelog that count, but for the cursor."""
    live: dict[bytes, bytes] = {}
    for message in messages:
        key, value = message.key() or b"", message.value()
        if value is None:
            live.pop(key, None)
        elif key != CURSOR_KEY:
            live[key] = value
    return live


def contradictions(settings: Settings) -> list[str]:
    """What a run says that none may say, also one that has not come to its end."""
    changes = [[m.value() or b"" for m in messages] for messages in read_topic(settings, "segment-changes")]
    samples = [[(m.key(), m.value()) for m in messages] for messages in read_topic(settings, "samples")]
    return [*in_changes(changes), *in_samples(samples)]


def unstable(settings: Settings) -> list[str]:
    """Partitions of all topics in which a transaction is still open."""
    ends = []
    for isolation in ("read_committed", "read_uncommitted"):
        consumer = Consumer(
            {"bootstrap.servers": settings.bootstrap_servers, "group.id": "outcome", "isolation.level": isolation}
        )
        ours = {name: n for name, n in partition_counts(settings).items() if name.startswith(settings.prefix)}
        ends.append(
            {
                f"{name}-{partition}": consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=10)[1]
                for name, n in ours.items()
                for partition in range(n)
            }
        )
        consumer.close()
    stable, written = ends
    return [f"{name}: stable to {stable[name]} of {end}" for name, end in sorted(written.items()) if stable[name] != end]


def differences(one: Outcome, other: Outcome) -> list[str]:
    """Where `other` is not what `one` is, a sentence each; empty when they are equal."""
    found = []
    if one.digest != other.digest:
        found.append(f"state digest {other.digest[:16]} instead of {one.digest[:16]}")
    for name in ("changes", "samples", "dead", "journal"):
        for partition, (wanted, got) in enumerate(zip(getattr(one, name), getattr(other, name), strict=True)):
            if wanted != got:
                found.append(f"{name}, partition {partition}: {_first_difference(wanted, got)}")
    if one.memberships != other.memberships:
        keys = [k for k in {**one.memberships, **other.memberships} if one.memberships.get(k) != other.memberships.get(k)]
        found.append(f"memberships of {len(keys)} customers, the first {keys[0]!r}")
    if one.snapshots != other.snapshots:
        found.append(f"snapshots: {len(one.snapshots ^ other.snapshots)} are in one of the runs only")
    if one.manifests != other.manifests:
        keys = [k for k in sorted({**one.manifests, **other.manifests}) if one.manifests.get(k) != other.manifests.get(k)]
        found.append(f"{len(keys)} manifests, the first {keys[0]!r}")
    return found


def faults(found: Outcome, expected: Expected) -> list[str]:
    """What is wrong with a run by itself: transactions left open, counts that do not add up."""
    dead = sum(map(len, found.dead))
    said = [f"a transaction is open in {where}" for where in found.unstable]
    said += [f"partition {number} was another one in its worker than in its changelog" for number in found.astray]
    for name, got, wanted in (
        ("customers", found.customers, expected.customers),
        ("events applied", found.applied, expected.applied),
        ("dead letters", dead, expected.dead),
        (
            "inputs (applied, dead letters, duplicates, ticks, commands)",
            found.records,
            found.applied + dead + expected.duplicates + expected.ticks,
        ),
    ):
        if got != wanted:
            said.append(f"{name}: {got} instead of {wanted}")
    return said


def _first_difference(wanted: Sequence[object], got: Sequence[object]) -> str:
    place = next((i for i, (a, b) in enumerate(zip(wanted, got, strict=False)) if a != b), min(len(wanted), len(got)))
    return f"{len(got)} records instead of {len(wanted)}, the first difference at {place}"
