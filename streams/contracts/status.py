"""models: the record that says which of the immutable definitions is in force. Appended, never changed."""

from __future__ import annotations

import msgspec


class Status(msgspec.Struct, frozen=True):
    """`definitions` of this content hash are in force from now on. Key = `status|definitions`; `at` ms since 1970."""

    hash: str
    by: str
    at: int
