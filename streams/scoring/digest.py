"""The state digest: one SHA-256 over every customer's row and pending samples, whatever worker or broker held them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable

import numpy as np

from models.pending import ENTRY
from models.row import ROW
from streams.broker.confluent import KafkaBroker
from streams.broker.protocol import TP, Reader
from streams.errors import RestoreError
from streams.scoring.changelog import CURSOR_KEY, LAYOUT, PENDING_PREFIX, ROW_PREFIX, pack_rows, pending_key, row_key, unpack_rows
from streams.scoring.partition import Partition
from streams.settings import Settings

_FROM_START = -2


def live_entries(reader: Reader, topic: str, partitions: Iterable[int] | None = None) -> dict[bytes, bytes]:
    """The live entries of a changelog, read_committed: rows and pending samples. Cursors are left out.

    partitions: those that are read; None: all.
    """
    targets = {TP(topic, p): 0 for p in (range(reader.partitions(topic)) if partitions is None else partitions)}
    for tp in targets:
        targets[tp] = reader.watermarks(tp)[1]
    reader.assign(dict.fromkeys(targets, _FROM_START))
    live: dict[bytes, bytes] = {}
    while any(reader.position(tp) < end for tp, end in targets.items()):
        for message in reader.poll(10_000, 0.2):
            key, value = message.key() or b"", message.value()
            if key == CURSOR_KEY:
                continue
            if value is None:
                live.pop(key, None)
            else:
                live[key] = value
    return live


def entries_of(partitions: Iterable[Partition]) -> dict[bytes, bytes]:
    """The same entries from live memory."""
    live: dict[bytes, bytes] = {}
    for partition in partitions:
        table = partition.engine.table
        rows = pack_rows(table.rows.u8, np.arange(len(table)))
        live.update(zip(map(row_key, table.ids), rows, strict=True))
        for block in partition.engine.pending.blocks:
            for k, customer in enumerate(table.ids.of(block.rows)):
                live[pending_key(customer, block.t0)] = block.entries[k].tobytes()
    return live


def digest(live: dict[bytes, bytes]) -> str:
    """SHA-256 over the entries sorted by key, each length-prefixed; -0.0 and NaN in one spelling. 64 hex digits."""
    total = hashlib.sha256()
    for key in sorted(live):
        value = _normal(key, live[key])
        total.update(len(key).to_bytes(8, "little") + key + len(value).to_bytes(8, "little") + value)
    return total.hexdigest()


def _normal(key: bytes, value: bytes) -> bytes:
    """The value with every float spelt in one way."""
    if key.startswith(ROW_PREFIX):
        record, head = unpack_rows([value], "the changelog").view(ROW)[0], LAYOUT
    elif key.startswith(PENDING_PREFIX):
        record, head = np.frombuffer(value, ENTRY).copy(), b""
    else:
        raise RestoreError(f"the changelog holds a key that this version does not know: {key[:20]!r}")
    assert record.dtype.names is not None
    for name in record.dtype.names:
        if record[name].dtype.kind == "f":
            field = record[name]
            field[field == 0.0] = 0.0
            field[np.isnan(field)] = math.nan
    return bytes(head + record.tobytes())


def state_digest(settings: Settings) -> str:
    """The digest of the changelog on the broker."""
    reader = KafkaBroker(settings).reader(f"{settings.prefix}digest")
    try:
        return digest(live_entries(reader, settings.topic("state")))
    finally:
        reader.close()
