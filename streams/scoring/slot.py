"""A partition in a worker's hands: its engine, what was fetched for it, and whether it runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streams.broker.protocol import TP, Connection, Message
from streams.scoring.pace import Inbox
from streams.scoring.partition import Partition

_INBOX_BATCHES = 3


@dataclass(slots=True)
class Slot:
    """A partition of ours with what was fetched for it. `assigned`: which of its two inputs are held; it runs with both.

    `one_by_one_until`: offset up to which records are applied one at a time, to find the one that the engine cannot take.
    """

    partition: Partition
    inbox: Inbox = field(default_factory=Inbox)
    assigned: set[TP] = field(default_factory=set)
    running: bool = False
    paused: set[TP] = field(default_factory=set)
    one_by_one_until: int = -1
    assigned_at: float = 0.0

    @property
    def whole(self) -> bool:
        """Whether both inputs are held."""
        return self.assigned == {self.partition.events_tp, self.partition.commands_tp}

    def go_one_by_one(self, batch: int) -> None:
        """From here to the end of what was fetched."""
        self.one_by_one_until = self.partition.events_at + batch * (_INBOX_BATCHES + 1)

    def rewind(self, connection: Connection) -> None:
        """Reads both inputs again from where the partition stands."""
        partition = self.partition
        for tp, offset in ((partition.events_tp, partition.events_at), (partition.commands_tp, partition.commands_at)):
            connection.pause([tp])
            connection.seek(tp, offset)
            connection.resume([tp])
        self.paused.clear()

    def throttle(self, connection: Connection, batch: int, commands_wanted: bool) -> None:
        """Stops fetching an input of which several batches wait, until less than one does, or it is wanted."""
        queues: tuple[tuple[TP, deque[Message], bool], ...] = (
            (self.partition.events_tp, self.inbox.events, False),
            (self.partition.commands_tp, self.inbox.commands, commands_wanted),
        )
        for tp, queue, wanted in queues:
            if tp in self.paused:
                if len(queue) < batch or wanted:
                    connection.resume([tp])
                    self.paused.discard(tp)
            elif len(queue) > batch * _INBOX_BATCHES and not wanted:
                connection.pause([tp])
                self.paused.add(tp)


def sort(messages: Sequence[Message], slots: Mapping[int, Slot], events: str) -> None:
    """Puts records into the inboxes of their partitions; drops those of partitions that are not held. events: that topic."""
    number, topic, queue = -1, "", None
    for message in messages:
        p, t = message.partition(), message.topic()
        if p != number or t != topic:
            number, topic = p, t
            slot = slots.get(p)
            queue = None if slot is None else slot.inbox.events if t == events else slot.inbox.commands
        if queue is not None:
            queue.append(message)
