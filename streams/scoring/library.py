"""The worker's copy of the topic `models`: manifests by epoch, snapshots and definitions by content hash."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import msgspec

from models.champions import Champions, champions, no_champions
from models.check import decode_manifest, decode_snapshot
from models.definitions import Program, compile_definitions, decode_definitions
from models.errors import UNREADABLE, DefinitionsError, ShoalError, SnapshotError
from models.snapshot import Family, Manifest, Snapshot, content_hash
from streams.broker.protocol import TP, Message, Reader
from streams.contracts.keys import DEFINITIONS, DEFINITIONS_IN_FORCE, MANIFEST, SNAPSHOT
from streams.contracts.status import Status

log = logging.getLogger(__name__)

_FROM_START = -2
_decode_status = msgspec.json.Decoder(Status).decode


def decode_status(data: bytes, where: str) -> Status:
    """Which definitions are in force. Raises DefinitionsError."""
    try:
        return _decode_status(data)
    except UNREADABLE as error:
        raise DefinitionsError(where, [f"not a status record: {error}"]) from error


@dataclass(frozen=True, slots=True)
class Held:
    """A manifest with the hash of its bytes, by which the journal names it."""

    hash: str
    manifest: Manifest


@dataclass(slots=True)
class Library:
    """Reads `models` from its start and keeps what is in it; bad records are refused, counted, and change nothing."""

    reader: Reader
    topic: str
    manifests: dict[int, Held] = field(default_factory=dict)
    refused: int = 0
    refused_definitions: int = 0
    active_definitions: str | None = None
    _snapshots: dict[str, bytes] = field(default_factory=dict)
    _programs: dict[str, Program] = field(default_factory=dict)
    _ready: dict[tuple[tuple[str, str], ...], Champions] = field(default_factory=dict)

    def open(self) -> None:
        """Starts at the beginning of the topic and reads what is there now."""
        tp = TP(self.topic, 0)
        self.reader.assign({tp: _FROM_START})
        _, end = self.reader.watermarks(tp)
        while self.reader.position(tp) < end:
            self.refresh(0.2)

    def refresh(self, timeout: float = 0.0) -> bool:
        """Takes in what is new; gives whether anything was."""
        messages = self.reader.poll(500, timeout)
        for message in messages:
            try:
                self._take(message)
            except ShoalError as error:
                if (message.key() or b"").startswith((DEFINITIONS, DEFINITIONS_IN_FORCE)):
                    self.refused_definitions += 1
                else:
                    self.refused += 1
                log.error("refused %s at offset %d: %s", self.topic, message.offset(), error)
        return bool(messages)

    def _take(self, message: Message) -> None:
        key, value = message.key() or b"", message.value()
        if value is None:
            return
        where = f"{self.topic} offset {message.offset()}"
        if key.startswith(MANIFEST):
            manifest = decode_manifest(value, name=where)
            held = Held(content_hash(value), manifest)
            there = self.manifests.setdefault(manifest.epoch, held)
            if there.hash != held.hash:
                raise SnapshotError(
                    where, [f"a second manifest for epoch {manifest.epoch}; the first one, {there.hash[:12]}, stays"]
                )
        elif key.startswith(SNAPSHOT):
            name = key[len(SNAPSHOT) :].decode("ascii", "replace")
            if content_hash(value) != name:
                raise SnapshotError(where, [f"the content of snapshot {name[:12]} does not have that hash"])
            decode_snapshot(value, name=where)
            self._snapshots[name] = value
        elif key.startswith(DEFINITIONS):
            name = key[len(DEFINITIONS) :].decode("ascii", "replace")
            if content_hash(value) != name:
                raise SnapshotError(where, [f"the content of definitions {name[:12]} does not have that hash"])
            if name not in self._programs:  # each partition writes them when it begins
                self._programs[name] = compile_definitions(decode_definitions(value, where))
        elif key == DEFINITIONS_IN_FORCE:
            self.active_definitions = decode_status(value, where).hash

    def newest(self) -> Held | None:
        """The manifest of the latest epoch."""
        return self.manifests[max(self.manifests)] if self.manifests else None

    def champions(self, manifest: Manifest) -> Champions:
        """The manifest's champions, ready for the engine. Raises SnapshotError if a snapshot is missing or does not fit."""
        names = tuple(sorted((family, champion.hash) for family, champion in manifest.champions.items()))
        if not names:
            return no_champions()
        if names not in self._ready:
            missing = [
                f"snapshot {name[:12]} of family {family} is not in {self.topic}"
                for family, name in names
                if name not in self._snapshots
            ]
            if missing:
                raise SnapshotError(f"manifest of epoch {manifest.epoch}", missing)
            snapshots: dict[Family, Snapshot] = {
                family: decode_snapshot(self._snapshots[champion.hash], name=champion.hash[:12])
                for family, champion in sorted(manifest.champions.items())
            }
            if len(self._ready) > 8:
                self._ready.clear()
            self._ready[names] = champions(snapshots)
        return self._ready[names]

    def by_hash(self, name: str) -> Held | None:
        """A manifest by the hash of its bytes."""
        return next((held for held in self.manifests.values() if held.hash == name), None)

    def program(self, name: str) -> Program | None:
        """Definitions by content hash, compiled; None if they are not there (yet)."""
        return self._programs.get(name)
