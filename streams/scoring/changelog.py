"""Keys and values of the topic `state`: rows, pending samples, the partition's cursor."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any

import msgspec
import numpy as np

from models.errors import UNREADABLE, LayoutError
from models.kernel.packing import HEAD, WORDS, pack, unpack
from models.kernel.tables import I8, U1, U8
from models.row import LAYOUT_VERSION
from streams.errors import RestoreError

ROW_PREFIX, PENDING_PREFIX, CURSOR_KEY = b"r|", b"p|", b"c|partition"
_T0 = re.compile(rb"0|-?[1-9][0-9]{0,17}")
LAYOUT = LAYOUT_VERSION.to_bytes(2, "little")


_Time = Annotated[int, msgspec.Meta(ge=-1)]
_Offset = Annotated[int, msgspec.Meta(ge=-1)]
_Count = Annotated[int, msgspec.Meta(ge=0)]
_Hash = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")]


class Cursor(msgspec.Struct, frozen=True):
    """Where a partition stands, apart from its customers. Times in ms, -1: not yet.

    events, commands: the next offsets of its inputs; -1: not known. swept: the last finished sweep. sweeping, place: an
    unfinished one, and how far it came in (hash, id) order; samples: written since the last mark. manifest: adopted, by hash,
    with its epoch. sequence, entry: of the last journal entry. changes: rolling hash of all changes written. layout: of the
    rows.
    """

    layout: int = LAYOUT_VERSION
    events: _Offset = -1
    commands: _Offset = -1
    swept: _Time = -1
    sweeping: _Time = -1
    place: _Count = 0
    samples: _Count = 0
    skipped: list[_Time] = []
    manifest: str = ""
    epoch: _Time = -1
    definitions: str = ""
    sequence: _Count = 0
    entry: str = ""
    changes: _Hash = ""


_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(Cursor).decode


def row_key(customer: bytes) -> bytes:
    """Key of a customer's row."""
    return ROW_PREFIX + customer


def pack_rows(rows: U8, which: I8) -> list[bytes]:
    """Values of rows[which]: what `models.kernel.packing` makes of them. rows [., ROW_BYTES / 8]; which [n]."""
    out, ends = np.empty(len(which) * (HEAD + WORDS) + 1, np.uint64), np.empty(len(which), np.int64)
    pack(rows, which, out, ends)
    if not len(which):
        return []
    data, at = out[: ends[-1]].tobytes(), (8 * ends).tolist()
    return [data[start:end] for start, end in pairwise([0, *at])]


def unpack_rows(values: Sequence[bytes], where: str) -> U1:
    """The rows in these values: uint8 [n, ROW_BYTES]. Raises LayoutError if one is of another layout, RestoreError if none."""
    lengths = np.fromiter(map(len, values), np.int64, len(values))
    rows = np.empty((len(values), WORDS), np.uint64)
    wrong = np.flatnonzero(lengths % 8)
    at = int(wrong[0]) if len(wrong) else unpack(np.frombuffer(b"".join(values), np.uint64), np.cumsum(lengths // 8), rows)
    if at >= 0:
        check_layout(int.from_bytes(values[at][: len(LAYOUT)], "little"), where)
        raise RestoreError(f"{where}: a row of {len(values[at])} bytes that is none; rebuild the state from the input")
    return rows.view(np.uint8)


def slices(lines: np.ndarray[Any, Any]) -> list[bytes]:
    """The bytes of each line of an array."""
    data, size = lines.tobytes(), lines.nbytes // max(1, len(lines))
    return [data[start : start + size] for start in range(0, len(data), size)] if data else []


def pending_key(customer: bytes, t0: int) -> bytes:
    """Key of a sample taken at t0 (ms); the time stands behind the last bar."""
    return b"p|%b|%d" % (customer, t0)


def split_pending_key(key: bytes, where: str) -> tuple[bytes, int]:
    """Customer and t0 of a pending sample's key. Raises RestoreError if it is none."""
    customer, _, t0 = key[len(PENDING_PREFIX) :].rpartition(b"|")
    if not customer or not _T0.fullmatch(t0):
        raise RestoreError(
            f"{where}: a sample's key ends in customer and time, not in {t0[:20]!r}; rebuild the state from the input"
        )
    return customer, int(t0)


def encode_cursor(cursor: Cursor) -> bytes:
    """The cursor's bytes."""
    return _encode(cursor)


def decode_cursor(data: bytes, where: str) -> Cursor:
    """Raises LayoutError if it is none, or of another layout."""
    try:
        cursor = _decode(data)
    except UNREADABLE as error:
        raise LayoutError(f"{where}: not a cursor of this version ({error}); rebuild the state from the input") from error
    check_layout(cursor.layout, where)
    return cursor


def check_layout(found: int, where: str) -> None:
    """Raises LayoutError unless rows are of the layout that this version reads."""
    if found != LAYOUT_VERSION:
        raise LayoutError(
            f"{where}: state of layout {found}; this version reads layout {LAYOUT_VERSION}. Run the version that wrote it, or "
            "rebuild the state from the input under another prefix."
        )
