"""Partitions on their way to run here: tables that come back, their restore, and where their inputs go on.

A table is complete when whoever held the partition before can write no more: when none of its transactions holds the group's
offsets any more. The broker is asked again and again, a moment at a time, and the loop goes on meanwhile: a member that waits
without a poll for longer than max.poll.interval.ms is sent away, and has to begin again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from models.definitions import Program
from streams.broker.protocol import TP, Connection, Reader
from streams.clock import Clock
from streams.errors import Aborted, BrokerError, Fenced, Unknown
from streams.scoring.hold import Shelf
from streams.scoring.library import Library
from streams.scoring.partition import Partition
from streams.scoring.restore import Restorer
from streams.scoring.slot import Slot
from streams.scoring.standing import adopt_standing, standing
from streams.scoring.topics import Topics

log = logging.getLogger(__name__)

_GRACE_S = 10.0
"""How often a broker looks for transactions whose time is over."""
_PAUSE_S = 0.2


class Takeover:
    """`group`: the workers' consumer group. `own`: the definitions that decide when the state names no others.

    longest_transaction_s: after which the broker aborts one.
    """

    def __init__(
        self,
        reader: Reader,
        clock: Clock,
        topics: Topics,
        group: str,
        library: Library,
        own: Program,
        longest_transaction_s: float,
    ) -> None:
        self.restorer = Restorer(reader)
        self._shelf = Shelf(clock)
        self._clock, self._topics, self._group, self._library, self._own = clock, topics, group, library, own
        self._patience_s = longest_transaction_s + _GRACE_S
        self._waiting: dict[int, Partition] = {}
        """Those whose state is read, and whose offsets the broker does not tell yet."""
        self._since: dict[int, float] = {}
        """When each was asked about first; monotonic seconds."""
        self._again_at = 0.0
        self._silent = False
        """Whether the group's offsets were asked for in vain since partitions came."""

    @property
    def busy(self) -> bool:
        """Whether a partition is on its way."""
        return self.restorer.busy or bool(self._waiting)

    def step(self, timeout: float) -> list[Partition]:
        """Reads changelogs for at most `timeout` seconds; gives the partitions that are to be finished."""
        return [*self._waiting.values(), *self.restorer.step(timeout)]

    def came(self) -> None:
        """Partitions have come; offsets that were not told before may be told now."""
        self._silent = False

    def begin(self, slot: Slot) -> None:
        """Both inputs are held: reads the changelog, all of it or what has come since the table was put on the shelf."""
        number = slot.partition.number
        self._since.pop(number, None)
        held = self._shelf.take(number, self._changelog(number)[0])
        if held is not None:
            slot.partition = held.partition
        self.restorer.begin(slot.partition, None if held is None else held.changelog_at)

    def finish(self, partition: Partition, connection: Connection) -> bool:
        """The state is read: lets both inputs go on where it stands.

        False if the group's offsets are not told yet, or the changelog has grown meanwhile. Raises RestoreError, BrokerError.
        """
        pair = [partition.events_tp, partition.commands_tp]
        self._waiting.pop(partition.number, None)
        committed = self._stable(partition, pair, connection)
        if committed is None:
            self._waiting[partition.number] = partition
            return False
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

    def _stable(self, partition: Partition, pair: Sequence[TP], connection: Connection) -> Mapping[TP, int] | None:
        """The group's offsets, once no transaction holds them; None if that may still come.

        A broker that has come through a full disk may hold them back for ever, so the state counts alone after a while, if it
        says where it stands. That is longer than a transaction lives.
        """
        now = self._clock.monotonic()
        patient = now - self._since.setdefault(partition.number, now) < self._patience_s
        if patient or not self._silent:
            if now < self._again_at:
                return None
            try:
                return connection.committed(pair)
            except (Aborted, Fenced, Unknown):
                raise
            except BrokerError as error:
                self._again_at = self._clock.monotonic() + _PAUSE_S
                if patient:
                    return None
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
        self._waiting.pop(number, None)
        self.restorer.cancel(number)

    def forget(self) -> None:
        """Drops all tables on the shelf."""
        self._shelf.clear()

    def close(self) -> None:
        """Frees everything."""
        self.restorer.close()

    def _changelog(self, number: int) -> tuple[int, int]:
        return self.restorer.watermarks(TP(self._topics.state, number))
