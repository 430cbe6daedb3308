"""What stands in the topic `models`: snapshots, manifests and definitions by the hash of their bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from models.check import decode_manifest, decode_snapshot
from models.definitions import Definitions, decode_definitions
from models.errors import ShoalError
from models.snapshot import Family, Manifest, Snapshot, content_hash
from streams.contracts.keys import DEFINITIONS, MANIFEST, SNAPSHOT


class Named(Protocol):
    """A record of `models`."""

    def key(self) -> bytes | None: ...
    def value(self) -> bytes | None: ...


class Archive:
    """Reads the records once. What cannot be used, or is not what its key says, is not in it: workers refuse it too."""

    def __init__(self, records: Iterable[Named]) -> None:
        self.manifests: dict[str, Manifest] = {}
        self.definitions: dict[str, Definitions] = {}
        self.trained_through: dict[int, str] = {}
        """The manifest of each epoch (ms): the first counts."""
        self._snapshots: dict[str, Snapshot] = {}
        for record in records:
            self._take(record.key() or b"", record.value() or b"")

    def _take(self, key: bytes, value: bytes) -> None:
        name = content_hash(value)
        kept_as = key.rpartition(b"|")[2].decode("ascii", "replace")
        try:
            if key.startswith(MANIFEST):
                manifest = decode_manifest(value, name=name)
                self.manifests[name] = manifest
                self.trained_through.setdefault(manifest.epoch, name)
            elif key.startswith(SNAPSHOT) and kept_as == name:
                self._snapshots[name] = decode_snapshot(value, name=name)
            elif key.startswith(DEFINITIONS) and kept_as == name and name not in self.definitions:
                self.definitions[name] = decode_definitions(value, name)
        except ShoalError:
            return

    def champions(self, manifest: Manifest) -> dict[Family, Snapshot] | None:
        """The snapshots that it names, None if one is not here."""
        found = {family: self._snapshots.get(champion.hash) for family, champion in manifest.champions.items()}
        there = {family: snapshot for family, snapshot in found.items() if snapshot is not None}
        return there if len(there) == len(found) else None
