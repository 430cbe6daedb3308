"""A journal of which one entry was altered, by a forger who leaves the hashes alone, or who makes the chain anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from streams.contracts import journal


def place_of(entries: Sequence[journal.Entry], kind: str) -> int | None:
    """Where to alter an entry of this kind: not in the first third, but for the start; None if there is none."""
    first = 0 if kind == "start" else len(entries) // 3
    return next((k for k, entry in enumerate(entries) if entry.kind == kind and k >= first), None)


def forged(entries: Sequence[journal.Entry], place: int, *, resealed: bool) -> list[bytes]:
    """The records of a journal whose entry `place` says something else; `resealed`: with hashes that fit it again."""
    entries = list(entries)
    original = entries[place]
    entries[place] = msgspec.structs.replace(original, **_another(entries, original))
    if resealed:
        for k in range(place, len(entries)):
            previous = entries[k - 1].hash if k else ""
            entries[k] = journal.sealed(msgspec.structs.replace(entries[k], previous=previous, hash=""))
    return [journal.encode(entry) for entry in entries]


def _another(entries: Sequence[journal.Entry], original: journal.Entry) -> dict[str, Any]:
    """What might have been there instead: another manifest that exists, another hour."""
    if original.kind == "manifest":
        other = next(entry for entry in entries if entry.kind == "manifest" and entry.what != original.what)
        return {"what": other.what, "at": other.at}
    if original.kind == "sweep":
        return {"at": original.at + 3_600_000}
    if original.kind == "clamp":
        return {"at": original.at - 3_600_000}
    return {"what": original.what[::-1]}
