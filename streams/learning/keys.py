"""Keys of people's words in the topic `models`; the others are in `streams.contracts.keys`."""

from __future__ import annotations

from typing import Final

from models.snapshot import Family
from streams.contracts.keys import MANIFEST

APPROVAL: Final = b"approval|"


def approval_key(family: Family) -> bytes:
    """Where a person's last word on a family lies (`models.snapshot.Approval`)."""
    return APPROVAL + family.encode()


def is_approval(key: bytes | None) -> bool:
    """Whether a record of `models` is a person's word."""
    return key is not None and key.startswith(APPROVAL)


def is_manifest(key: bytes | None) -> bool:
    """Whether a record of `models` is a manifest."""
    return key is not None and key.startswith(MANIFEST)
