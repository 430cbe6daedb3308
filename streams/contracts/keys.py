"""Keys of the topic `models`: immutable records under their content hash, manifests by epoch, and what is in force."""

from __future__ import annotations

MANIFEST, SNAPSHOT, DEFINITIONS = b"manifest|", b"snapshot|", b"definitions|"
LEARNER = b"learner"
DEFINITIONS_IN_FORCE = b"status|definitions"


def manifest_key(epoch: int) -> bytes:
    """The manifest trained through `epoch` (ms since 1970)."""
    return b"manifest|%013d" % epoch


def snapshot_key(content: str) -> bytes:
    """The snapshot with this content hash."""
    return SNAPSHOT + content.encode()


def definitions_key(content: str) -> bytes:
    """The definitions with this content hash."""
    return DEFINITIONS + content.encode()
