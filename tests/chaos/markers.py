"""The ends of transactions as a broker wrote them: reads the segment files of a local Kafka (record batches of format 2)."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# base offset, length, leader epoch, magic, checksum, attributes, last delta, two times, producer id and epoch, sequence, count
_BATCH = struct.Struct(">qiibIhiqqqhii")
_BEFORE_LENGTH_ENDS = 12
_CONTROL = 0x20
_ABORT, _COMMIT = 0, 1


@dataclass(frozen=True, slots=True)
class Marker:
    """The end of a transaction in one partition."""

    offset: int
    producer: int
    epoch: int
    committed: bool


def markers(folder: Path) -> Iterator[Marker]:
    """All markers of a partition, in order. `folder`: the partition's, such as `kafka/shoal.state-0`."""
    for segment in sorted(folder.glob("*.log")):
        data = segment.read_bytes()
        place = 0
        while place + _BATCH.size <= len(data):
            offset, length, _, magic, _, attributes, _, _, _, producer, epoch, _, _ = _BATCH.unpack_from(data, place)
            end = place + _BEFORE_LENGTH_ENDS + length
            if length <= 0 or end > len(data):
                break  # being written
            if magic == 2 and attributes & _CONTROL:
                kind = _marker_type(data[place + _BATCH.size : end])
                if kind in (_ABORT, _COMMIT):
                    yield Marker(offset, producer, epoch, kind == _COMMIT)
            place = end


def aborted_transactions(folders: list[Path]) -> int:
    """Transactions that ended in an abort and had written to any of these partitions.

    A transaction has one marker in each partition it touched, so what a producer's epoch aborted is the most it did in one.
    """
    most: Counter[tuple[int, int]] = Counter()
    for folder in folders:
        here = Counter((marker.producer, marker.epoch) for marker in markers(folder) if not marker.committed)
        for producer, count in here.items():
            most[producer] = max(most[producer], count)
    return most.total()


def _marker_type(record: bytes) -> int:
    """Of the one record in a control batch: length, attributes, two deltas, key length (all short), then version and type."""
    place = 0
    _, place = _varint(record, place)
    place += 1
    for _ in range(3):
        _, place = _varint(record, place)
    return int.from_bytes(record[place + 2 : place + 4], "big")


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """An unsigned reading is enough: of these numbers only the length in bytes matters."""
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, place
        shift += 7
