"""Where the last learner stopped: the newest manifest of `models`, and the state it names."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from models.check import decode_approval, decode_manifest, decode_snapshot
from models.errors import SnapshotError
from models.snapshot import Approval, Manifest, Snapshot, content_hash
from streams.broker.protocol import TP, Broker, Message, Reader
from streams.clock import Clock
from streams.contracts.keys import LEARNER, manifest_key, snapshot_key
from streams.errors import BrokerError
from streams.learning.keys import is_approval, is_manifest

_LOG = logging.getLogger("shoal.learner")
_PATIENCE_S = 30.0
_AT_A_TIME = 2_000


@dataclass(frozen=True, slots=True)
class Word:
    """A person's word and where it lies in `models`."""

    offset: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Past:
    """`manifest`, `state`: of the last epoch learnt, None before the first. `words`: in order; `end`: next offset of `models`."""

    manifest: Manifest | None
    state: bytes | None
    words: tuple[Word, ...]
    end: int


def read_past(broker: Broker, models: TP, clock: Clock) -> Past:
    """Reads `models` to its end; what is no manifest is refused and passed over.

    Raises SnapshotError if the last manifest and the state before it do not belong together.
    """
    reader = broker.reader("learner-past")
    last: Manifest | None = None
    state: bytes | None = None
    held: bytes | None = None
    words: dict[bytes, Word] = {}
    try:
        for message in _to_the_end(reader, models, clock):
            key = message.key()
            if is_manifest(key):
                manifest = _manifest(message)
                if manifest is not None:
                    last, held = manifest, state
            elif key == LEARNER:
                state = message.value()
            elif key is not None and is_approval(key):
                words[key] = Word(message.offset(), message.value() or b"")
        end = reader.position(models)
    finally:
        reader.close()
    ordered = tuple(sorted(words.values(), key=lambda word: word.offset))
    if last is None:
        return Past(None, None, ordered, end)
    found = content_hash(held) if held is not None else "none"
    if found != last.learner:
        fault = (
            f"learner: the manifest of epoch {last.epoch} names state {last.learner}, the topic holds {found}; they are "
            "written in one transaction, so the topic was edited, or its broker does not keep transactions whole"
        )
        raise SnapshotError(f"topic {models.topic}", [fault])
    return Past(last, held, ordered, end)


def _manifest(message: Message) -> Manifest | None:
    """The manifest in a record; None, with a line in the log, if it is none."""
    name = f"{message.topic()} offset {message.offset()}"
    try:
        manifest = decode_manifest(message.value() or b"", name=name)
    except SnapshotError as error:
        _LOG.error("refused %s", error)
        return None
    if message.key() != manifest_key(manifest.epoch):
        _LOG.error("refused %s: the manifest of epoch %d lies under key %r", name, manifest.epoch, message.key())
        return None
    return manifest


def approved(broker: Broker, models: TP, clock: Clock, word: Word) -> tuple[Approval, Snapshot]:
    """The word and the snapshot it means. Raises SnapshotError if either cannot be used."""
    approval = decode_approval(word.value, name=f"at offset {word.offset} of {models.topic}" if word.offset >= 0 else "given")
    wanted = snapshot_key(approval.hash)
    reader = broker.reader("learner-approved")
    try:
        for message in _to_the_end(reader, models, clock):
            if message.key() == wanted:
                snapshot = decode_snapshot(message.value() or b"", name=approval.hash)
                break
        else:
            raise SnapshotError(f"approval of {approval.hash}", [f"hash: there is no such snapshot in {models.topic}"])
    finally:
        reader.close()
    if snapshot.family != approval.family:
        fault = f"family: the snapshot is one of {snapshot.family}, approved for {approval.family}"
        raise SnapshotError(f"approval of {approval.hash}", [fault])
    return approval, snapshot


def _to_the_end(reader: Reader, partition: TP, clock: Clock) -> Iterator[Message]:
    """Every record of a partition up to the high watermark of now. Raises BrokerError when nothing comes any more."""
    high = reader.watermarks(partition)[1]
    reader.assign({partition: -2})
    patience = clock.monotonic() + _PATIENCE_S
    while reader.position(partition) < high:
        messages = reader.poll(_AT_A_TIME, 0.1)
        if messages:
            patience = clock.monotonic() + _PATIENCE_S
        elif clock.monotonic() > patience:
            raise BrokerError(
                f"reading {partition.topic}: stuck at offset {reader.position(partition)} of {high} for {_PATIENCE_S:.0f} s; "
                "an open transaction of another process holds it, or the broker is in trouble. Try again"
            )
        yield from messages
