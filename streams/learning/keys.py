"""Keys of the topic `models`, as far as the learner writes or heeds them."""

from __future__ import annotations

from typing import Final

from models.snapshot import Family

LEARNER_KEY: Final = b"learner"
"""The learner's own state; the newest wins."""

_SNAPSHOT, _MANIFEST, _APPROVAL = b"snapshot|", b"manifest|", b"approval|"


def snapshot_key(content_hash: str) -> bytes:
    """Where a snapshot lies."""
    return _SNAPSHOT + content_hash.encode()


def manifest_key(epoch: int) -> bytes:
    """Where the manifest of an epoch (ms) lies: thirteen digits, so that keys sort as epochs do."""
    return _MANIFEST + f"{epoch:013d}".encode()


def approval_key(family: Family) -> bytes:
    """Where a person's last word on a family lies."""
    return _APPROVAL + family.encode()


def is_manifest(key: bytes | None) -> bool:
    """Whether a record of `models` is a manifest."""
    return key is not None and key.startswith(_MANIFEST)


def is_approval(key: bytes | None) -> bool:
    """Whether a record of `models` is a person's word."""
    return key is not None and key.startswith(_APPROVAL)
