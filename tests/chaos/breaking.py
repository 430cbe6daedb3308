"""Guarantees broken on purpose inside a worker, by name; what a broken one does is counted in `struck`."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final
from unittest import mock

import numpy as np
from confluent_kafka import Consumer

from models.kernel.tables import U1
from models.pending import Pending
from models.row import ROW
from models.table import Table
from streams.broker import confluent_options
from streams.broker.confluent_connection import KafkaConnection
from streams.broker.confluent_producer import TransactionalProducer
from streams.broker.protocol import TP
from streams.scoring import changelog, partition, restore
from streams.scoring.changelog import Cursor
from streams.scoring.partition import Partition
from streams.scoring.restore import Restorer
from streams.settings import Settings

Switch = Callable[[ExitStack, str], None]


class Struck(Counter[str]):
    """How often each struck. `tell` hears of it whenever it has doubled, for a process that is killed says nothing at its end."""

    tell: Callable[[str, int], None] | None = None

    def __setitem__(self, name: str, count: int) -> None:
        doubled = count.bit_length() > self[name].bit_length()
        super().__setitem__(name, count)
        if doubled and self.tell is not None:
            self.tell(name, count)


struck = Struck()


def replace(on: ExitStack, owner: object, attribute: str, value: object) -> None:
    """Until `on` ends."""
    on.enter_context(mock.patch.object(owner, attribute, value))


def new_customers_stay(on: ExitStack, name: str) -> None:
    """Undo leaves customers who came in the aborted transaction, as it left them."""

    def careless(self: Table) -> None:
        touched = self.touched()
        old = touched < self._committed
        struck[name] += int(np.count_nonzero(~old))
        self.rows.u1[touched[old]] = self._undo_images[: len(touched)][old]
        self.forget()

    replace(on, Table, "roll_back", careless)


def samples_stay(on: ExitStack, name: str) -> None:
    """Undo leaves pending samples that were taken in the aborted transaction."""

    def kept(self: Pending) -> None:
        struck[name] += self._kept is not None
        self._kept = None

    replace(on, Pending, "roll_back", kept)


def ids_lost(on: ExitStack, name: str) -> None:
    """Customers are restored without the ids of their last messages."""
    unpack = changelog.unpack_rows

    def forgetful(values: Sequence[bytes], where: str) -> U1:
        rows = unpack(values, where)
        rows.view(ROW)["message_ids"] = 0
        struck[name] += len(values)
        return rows

    replace(on, restore, "unpack_rows", forgetful)


def entry_dropped(on: ExitStack, name: str) -> None:
    """One journal entry in ten is not written."""
    note = Partition.note

    def careless(self: Partition, kind: Any, **given: Any) -> None:
        if self.cursor.sequence % 10 == 9:
            struck[name] += 1
            self.update(sequence=self.cursor.sequence + 1)
        else:
            note(self, kind, **given)

    replace(on, Partition, "note", careless)


def sweep_forgotten(on: ExitStack, name: str) -> None:
    """The cursor does not say how far a sweep has come."""
    encode = changelog.encode_cursor

    def forgetful(cursor: Cursor) -> bytes:
        struck[name] += cursor.place > 0
        return encode(Cursor(**{**_fields(cursor), "place": 0}))

    replace(on, partition, "encode_cursor", forgetful)


def positions_unsaid(on: ExitStack) -> None:
    """The state does not say where it stands, so that the group's offsets alone do."""
    encode = changelog.encode_cursor

    def silent(cursor: Cursor) -> bytes:
        return encode(Cursor(**{**_fields(cursor), "events": -1, "commands": -1}))

    replace(on, partition, "encode_cursor", silent)


def _fields(cursor: Cursor) -> dict[str, Any]:
    return {field: getattr(cursor, field) for field in cursor.__struct_fields__}


def held_as_it_was(on: ExitStack, name: str) -> None:
    """A held table is taken back as it is, without reading what others wrote since."""
    begin = Restorer.begin

    def careless(self: Restorer, partition: Partition, held_at: int | None) -> None:
        if held_at is not None:
            high = self.watermarks(TP(partition.topics.state, partition.number))[1]
            struck[name] += high > held_at
            held_at = high
        begin(self, partition, held_at)

    replace(on, Restorer, "begin", careless)


def rows_unwritten(on: ExitStack, name: str) -> None:
    """The last row touched in a transaction does not reach the changelog."""
    pack = changelog.pack_rows

    def careless(rows: Any, which: Any) -> list[bytes]:
        struck[name] += len(which) > 1
        return pack(rows, np.concatenate([which[:-1], which[:1]])) if len(which) > 1 else pack(rows, which)

    replace(on, partition, "pack_rows", careless)


def kafka_offsets_apart(on: ExitStack, name: str) -> None:
    """Outputs in one transaction, offsets in the next, and nothing in the state says where it stands."""
    positions_unsaid(on)
    commit = KafkaConnection.commit

    def torn(self: KafkaConnection, offsets: Mapping[TP, int]) -> None:
        self._producer.commit_with({}, b"")
        struck[name] += 1
        self.begin()
        commit(self, offsets)

    replace(on, KafkaConnection, "commit", torn)


def kafka_no_fencing(on: ExitStack, name: str) -> None:
    """Each life has a transactional id of its own, and commits offsets as one who is in no group."""
    opened, connected, of = TransactionalProducer.__init__, KafkaConnection.__init__, dict[int, Settings]()

    def anyone(self: TransactionalProducer, settings: Settings, transactional_id: str) -> None:
        opened(self, settings, f"{transactional_id}-{uuid.uuid4()}")

    def kept(self: KafkaConnection, settings: Settings, group: str, transactional_id: str) -> None:
        connected(self, settings, group, transactional_id)
        of[id(self)] = settings

    def nobody(self: KafkaConnection, offsets: Mapping[TP, int]) -> None:
        struck[name] += 1
        settings = of[id(self)]
        stranger = Consumer(confluent_options.common(settings, "stranger") | {"group.id": settings.group_name()})
        self._producer.commit_with(offsets, stranger.consumer_group_metadata())
        stranger.close()

    replace(on, TransactionalProducer, "__init__", anyone)
    replace(on, KafkaConnection, "__init__", kept)
    replace(on, KafkaConnection, "commit", nobody)


ON_KAFKA: Final[Mapping[str, Switch]] = {
    "offsets committed apart from the outputs": kafka_offsets_apart,
    "undo forgets new customers": new_customers_stay,
    "undo forgets pending samples": samples_stay,
    "fencing off": kafka_no_fencing,
    "message ids lost": ids_lost,
    "a journal entry dropped": entry_dropped,
    "a sweep's cursor lost": sweep_forgotten,
    "a held table that is out of date": held_as_it_was,
    "a row not written": rows_unwritten,
}
"""What a worker's process can be told to break."""
