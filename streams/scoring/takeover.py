"""Partitions on their way to run here: tables that come back, their restore, and where their inputs go on."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from models.definitions import Program
from streams.broker.protocol import TP, Connection, Reader
from streams.clock import Clock
from streams.errors import BrokerError
from streams.scoring.hold import Shelf
from streams.scoring.library import Library
from streams.scoring.partition import Partition
from streams.scoring.restore import Restorer
from streams.scoring.slot import Slot
from streams.scoring.standing import adopt_standing, standing
from streams.scoring.topics import Topics

log = logging.getLogger(__name__)


class Takeover:
    """`group`: the workers' consumer group. `own`: the definitions that decide when the state names no others."""

    def __init__(self, reader: Reader, clock: Clock, topics: Topics, group: str, library: Library, own: Program) -> None:
        self.restorer = Restorer(reader)
        self._shelf = Shelf(clock)
        self._topics, self._group, self._library, self._own = topics, group, library, own
        self._silent = False
        """Whether the group's offsets were asked for in vain since partitions came."""

    def came(self) -> None:
        """Partitions have come; offsets that were not told before may be told now."""
        self._silent = False

    def begin(self, slot: Slot) -> None:
        """Both inputs are held: reads the changelog, all of it or what has come since the table was put on the shelf."""
        number = slot.partition.number
        held = self._shelf.take(number, self._changelog(number)[0])
        if held is not None:
            slot.partition = held.partition
        self.restorer.begin(slot.partition, None if held is None else held.changelog_at)

    def finish(self, partition: Partition, connection: Connection) -> bool:
        """The state is read: lets both inputs go on where it stands. False if the changelog has grown and is read on.

        Raises RestoreError, BrokerError.
        """
        pair = [partition.events_tp, partition.commands_tp]
        committed = self._stable(partition, pair, connection)
        # Until these were stable, whoever held the partition before may have gone on writing its changelog.
        if self.restorer.catch_up(partition):
            return False
        stood = (partition.cursor.events, partition.cursor.commands)
        at = [
            standing(partition, tp, offset, committed[tp], connection, self._group)
            for tp, offset in zip(pair, stood, strict=True)
        ]
        adopt_standing(partition, self._library, self._own, self._topics.models)
        partition.start_at(*at)
        for tp, offset in zip(pair, at, strict=True):
            connection.seek(tp, offset)
        connection.resume(pair)
        return True

    def _stable(self, partition: Partition, pair: Sequence[TP], connection: Connection) -> Mapping[TP, int]:
        """The group's offsets, once no transaction holds them; none of a broker that does not tell, if the state knows its own.

        A broker that has come through a full disk may hold offsets back for ever. It is asked for longer than a transaction
        lives, so whoever held the partition before has written the last of its changelog by then.
        """
        if not self._silent:
            try:
                return connection.committed(pair)
            except BrokerError as error:
                if min(partition.cursor.events, partition.cursor.commands) < 0:
                    raise
                self._silent = True
                log.warning("the state alone says where partitions stand: %s", error)
        return dict.fromkeys(pair, -1)

    def end(self, number: int) -> int:
        """Where a partition's changelog ends now."""
        return self._changelog(number)[1]

    def keep(self, partition: Partition, end: int) -> None:
        """Puts a table that stands at this end of its changelog on the shelf: it may come back."""
        self._shelf.put(partition, end)

    def cancel(self, number: int) -> None:
        """The partition is not ours any more."""
        self.restorer.cancel(number)

    def forget(self) -> None:
        """Drops all tables on the shelf."""
        self._shelf.clear()

    def close(self) -> None:
        """Frees everything."""
        self.restorer.close()

    def _changelog(self, number: int) -> tuple[int, int]:
        return self.restorer.watermarks(TP(self._topics.state, number))
