"""Rebuild a partition from its changelog: up to the high watermark, read_committed, never only to the last stable offset.

Commit markers reach partitions one by one, so the input's offset can be stable while the changelog's marker is still under
way; an end below the high watermark therefore means "wait" (Kafka Streams had that bug, KAFKA-10167).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import methodcaller

import numpy as np
from numpy.typing import NDArray

from models.kernel.layout import MESSAGE_HEAD
from models.pending import ENTRY, Block, decode_entry
from models.row import MESSAGE_IDS
from streams.broker.protocol import TP, Message, Reader
from streams.errors import RestoreError
from streams.scoring.changelog import CURSOR_KEY, PENDING_PREFIX, ROW_PREFIX, decode_cursor, split_pending_key, unpack_rows
from streams.scoring.partition import Partition
from streams.scoring.sweep import in_order

_STALLED_SECONDS = 60.0
_ROW_PREFIX_BYTES = len(ROW_PREFIX)
_partition = methodcaller("partition")


@dataclass(slots=True)
class Restoring:
    """A partition on its way back: where its changelog is read from, where it ends, and the pending samples found so far."""

    partition: Partition
    start: int
    target: int
    pending: dict[tuple[int, bytes], NDArray[np.void]] = field(default_factory=dict)

    @property
    def tp(self) -> TP:
        """Its changelog."""
        return TP(self.partition.topics.state, self.partition.number)

    def take(self, messages: Sequence[Message]) -> None:
        """Applies records of the changelog in order. Raises LayoutError or RestoreError."""
        keys: list[bytes] = []
        values: list[bytes] = []
        for message in messages:
            key, value = message.key(), message.value()
            if value is not None and key is not None and key.startswith(ROW_PREFIX) and key != ROW_PREFIX:
                keys.append(key[_ROW_PREFIX_BYTES:])
                values.append(value)
            else:
                self._other(message, key or b"", value)
        if keys:
            self._rows(keys, values, messages[0])

    def _other(self, message: Message, key: bytes, value: bytes | None) -> None:
        """A record that is no customer's row."""
        where = f"{message.topic()}[{message.partition()}] offset {message.offset()}"
        if key.startswith(ROW_PREFIX) and key != ROW_PREFIX:
            raise RestoreError(f"{where}: an erased customer, which this version does not know; run the version that wrote it")
        if key.startswith(PENDING_PREFIX):
            customer, t0 = split_pending_key(key, where)
            if value is None:
                self.pending.pop((t0, customer), None)
            else:
                self.pending[t0, customer] = decode_entry(value, where)
        elif key == CURSOR_KEY and value is not None:
            self.partition.cursor = decode_cursor(value, where)
        else:
            raise RestoreError(f"{where}: a key that this version does not know: {key[:20]!r}")

    def _rows(self, keys: list[bytes], values: list[bytes], first: Message) -> None:
        where = f"{first.topic()}[{first.partition()}] after offset {first.offset()}"
        images = unpack_rows(values, where)
        if (head := int(images[:, MESSAGE_HEAD].max())) >= MESSAGE_IDS:  # compiled code would write there
            raise RestoreError(f"{where}: a row with {MESSAGE_IDS} message ids, the next one at {head}; rebuild the state")
        self.partition.engine.table.put(keys, images)

    def finish(self) -> None:
        """Puts the pending samples in place, in blocks by age, each in the order of sweeps."""
        engine = self.partition.engine
        if self.partition.cursor.place > len(engine.table):
            raise RestoreError(
                f"{self.tp.topic}[{self.tp.partition}]: a sweep came to place {self.partition.cursor.place} of "
                f"{len(engine.table)} customers; rebuild the state from the input"
            )
        by_age: dict[int, list[tuple[bytes, NDArray[np.void]]]] = {}
        for (t0, customer), entry in self.pending.items():
            by_age.setdefault(t0, []).append((customer, entry))
        for t0 in sorted(by_age):
            found = by_age[t0]
            rows = engine.table.ids.find([customer for customer, _ in found])
            if missing := int(np.count_nonzero(rows < 0)):
                raise RestoreError(f"{self.tp.topic}[{self.tp.partition}]: {missing} pending samples of customers without a row")
            engine.pending.add(in_order(engine.table, Block(t0, rows, np.concatenate([e for _, e in found]).astype(ENTRY))))
        engine.forget()


class Restorer:
    """Restores any number of partitions side by side with one reader; call `step` until it gives nothing more to wait for."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._under_way: dict[int, Restoring] = {}
        self._reached: dict[int, int] = {}
        self._progress = time.monotonic()

    def begin(self, partition: Partition, held_at: int | None) -> None:
        """Starts from the log's beginning, or from offset `held_at` if the partition's table was held at that point."""
        tp = TP(partition.topics.state, partition.number)
        low, high = self._reader.watermarks(tp)
        restoring = Restoring(partition, low if held_at is None else held_at, high)
        if held_at is not None:
            for block in partition.engine.pending.blocks:
                for k, customer in enumerate(partition.engine.table.ids.of(block.rows)):
                    restoring.pending[block.t0, customer] = block.entries[k : k + 1]
            partition.engine.pending.clear()
        self._under_way[partition.number] = restoring
        self._assign()

    def catch_up(self, partition: Partition) -> bool:
        """Reads on if the changelog has grown since `step` gave this partition back; gives whether it has."""
        reached = self._reached[partition.number]
        if self.watermarks(TP(partition.topics.state, partition.number))[1] <= reached:
            return False
        self.begin(partition, reached)
        return True

    def cancel(self, number: int) -> None:
        """The partition is another's now."""
        if self._under_way.pop(number, None) is not None:
            self._assign()

    def _assign(self) -> None:
        offsets = {}
        for restoring in self._under_way.values():
            offsets[restoring.tp] = restoring.start
        self._reader.assign(offsets)
        self._progress = time.monotonic()

    def step(self, timeout: float) -> list[Partition]:
        """Reads on for at most `timeout` seconds; gives the partitions that are whole again."""
        if not self._under_way:
            return []
        messages = self._reader.poll(10_000, timeout)
        for number, found in groupby(messages, _partition):
            self._under_way[number].take(list(found))
        done = []
        for number, restoring in list(self._under_way.items()):
            position = restoring.start if restoring.start >= restoring.target else self._reader.position(restoring.tp)
            if position > restoring.start:
                restoring.start = position
                self._progress = time.monotonic()
            if restoring.start >= restoring.target:
                restoring.finish()
                self._reached[number] = restoring.start
                del self._under_way[number]
                done.append(restoring.partition)
        if self._under_way and time.monotonic() - self._progress > _STALLED_SECONDS:
            names = ", ".join(f"{r.tp.topic}[{r.tp.partition}] at {r.start} of {r.target}" for r in self._under_way.values())
            raise RestoreError(
                f"no progress for {_STALLED_SECONDS:.0f} s: {names}. Is a transaction of a dead worker still open?"
            )
        if done:
            # Also with nothing left: an assigned partition would go on being fetched, for nobody.
            self._assign()
        return done

    def watermarks(self, tp: TP) -> tuple[int, int]:
        """Of a changelog, asked of the broker."""
        return self._reader.watermarks(tp)

    def close(self) -> None:
        """Frees the reader."""
        self._reader.close()

    @property
    def busy(self) -> bool:
        """Whether any partition is under way."""
        return bool(self._under_way)

    def progress(self) -> float:
        """How much of the changelogs under way is read, 0 to 1."""
        target = sum(r.target for r in self._under_way.values())
        return 1.0 if target == 0 else min(1.0, sum(r.start for r in self._under_way.values()) / target)
