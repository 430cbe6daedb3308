"""Records as they are read from topics, and those that belong to one partition."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from tests.oracle.published import Json

Only = Callable[[bytes], bool]
"""Whether a customer, by id, is followed."""


class Kept(Protocol):
    """A record as read."""

    def key(self) -> bytes | None: ...
    def value(self) -> bytes | None: ...
    def headers(self) -> list[tuple[str, bytes]] | None: ...
    def offset(self) -> int: ...


class Part(NamedTuple):
    """The records of partition `number`, in order."""

    number: int
    events: Sequence[Kept]
    commands: Sequence[Kept]
    journal: Sequence[Kept]
    changes: Sequence[Kept]
    samples: Sequence[Kept]
    state: Sequence[Kept]
    segments: Sequence[Kept]
    dead: Sequence[Kept]


def json_in(record: Kept) -> Json:
    """The object that a record's value holds; empty if it is none."""
    try:
        said = json.loads(record.value() or b"")
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def live(records: Sequence[Kept]) -> dict[bytes, bytes]:
    """The newest value of each key that was not removed."""
    found: dict[bytes, bytes] = {}
    for record in records:
        key, value = record.key() or b"", record.value()
        if value is None:
            found.pop(key, None)
        else:
            found[key] = value
    return found
