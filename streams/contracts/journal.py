"""journal: what took effect where, one chain of entries a partition. With input and snapshots it explains every decision."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

Kind = Literal["start", "manifest", "definitions", "sweep", "clamp", "quarantine"]


class Entry(msgspec.Struct, frozen=True):
    """One thing that took effect. `hash` = SHA-256 over `previous` and the body without `hash`.

    events, commands: next offsets of the inputs at that point. what: content hash (manifest, definitions).
    at: time of a sweep or the clock that clamped a future event, ms. offset: of the clamped or quarantined record.
    changes: rolling SHA-256 over the bytes of all changes written so far by this partition; a link of it takes the one before
    and all changes of one event, or of one customer in a sweep, in order.
    """

    partition: int
    sequence: int
    previous: str
    kind: Kind
    events: int
    commands: int
    changes: str
    what: str = ""
    at: int = 0
    offset: int = -1
    hash: str = ""


_encoder = msgspec.json.Encoder(order="deterministic")
decode = msgspec.json.Decoder(Entry).decode


def encode(entry: Entry) -> bytes:
    """The record's bytes."""
    return _encoder.encode(entry)


def sealed(entry: Entry) -> Entry:
    """The entry with its hash."""
    body = _encoder.encode(msgspec.structs.replace(entry, hash=""))
    return msgspec.structs.replace(entry, hash=hashlib.sha256(body).hexdigest())
