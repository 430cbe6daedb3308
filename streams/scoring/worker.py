"""The worker's loop: poll, advance each partition, commit everything in one transaction; abort, rewind, restore, hand over."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence

from models.definitions import Program
from models.errors import ShoalError
from models.taxonomy import Taxonomy
from streams.broker.protocol import TP, Broker, Connection
from streams.clock import Clock
from streams.errors import Aborted, Fenced, Unknown
from streams.metrics import Metrics
from streams.scoring.decode import Decode
from streams.scoring.lag import Lag
from streams.scoring.library import Library
from streams.scoring.meter import Meter, arrived
from streams.scoring.pace import Pace, TicksPace, WallPace
from streams.scoring.partition import Partition
from streams.scoring.poison import isolate
from streams.scoring.slot import Slot, sort
from streams.scoring.sweep import plan_of, room_of
from streams.scoring.takeover import Takeover
from streams.scoring.topics import Topics, topics_of
from streams.scoring.transaction import Transaction
from streams.settings import Settings

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.005
_LIBRARY_SECONDS = 0.05
_WAIT_SECONDS = 0.02
"""How long a worker that waits for a manifest listens for it at a time; it is heard at once when it comes."""


class Worker:
    """One scoring process. `step` is one turn of the loop; `run` turns until told to stop."""

    def __init__(
        self,
        settings: Settings,
        broker: Broker,
        clock: Clock,
        taxonomy: Taxonomy,
        program: Program,
        metrics: Metrics,
        slot: int,
        topics: Topics | None = None,
    ) -> None:
        self._settings, self._broker, self._clock, self._taxonomy, self._program = settings, broker, clock, taxonomy, program
        self.topics = topics or topics_of(settings)
        self._transactional_id = f"{settings.prefix}worker-{slot}"
        self._decode = Decode(taxonomy, max_bytes=settings.max_event_bytes, max_amount=settings.max_amount)
        self._meter = Meter(metrics)
        self.library = Library(broker.reader(f"{self._transactional_id}-models"), self.topics.models)
        self._plan = plan_of(settings)
        self._pace: Pace = (
            TicksPace(self.library, self._plan)
            if settings.clock == "ticks"
            else WallPace(self.library, self._plan, clock, lambda: program.hash)
        )
        restoring, group = broker.reader(f"{self._transactional_id}-restore"), settings.group_name()
        longest = settings.transaction_timeout_ms / 1000
        self._takeover = Takeover(restoring, clock, self.topics, group, self.library, program, longest)
        self.slots: dict[int, Slot] = {}
        self._transaction = Transaction(clock, settings)
        self._lag = Lag(self._meter)
        self._busy = False
        self._commit_now = False
        self._refreshed_at = 0.0
        self._waiting = False
        self._connection: Connection | None = None

    # -- life

    def run(self, stop: Callable[[], bool]) -> None:
        """Works until `stop` says so; then finishes the transaction and leaves the group."""
        self.start()
        while not stop():
            self.step()
        self.close()

    def start(self) -> None:
        """Reads what the learner has said so far, and joins the group."""
        self.library.open()
        self._connect()

    def _connect(self) -> None:
        self._connection = self._broker.connection(self._settings.group_name(), self._transactional_id)
        self._transaction.belongs_to(self._connection)
        self._connection.subscribe([self.topics.events, self.topics.commands], self)

    @property
    def connection(self) -> Connection:
        """The link to the broker."""
        assert self._connection is not None
        return self._connection

    def close(self) -> None:
        """Finishes the open transaction, hands the partitions back and frees everything."""
        try:
            self._commit()
        except Aborted:
            self._rewind()
        self.connection.close()
        self.library.reader.close()
        self._takeover.close()

    def step(self) -> None:
        """One turn: fetch, advance every partition, commit when it is time."""
        try:
            try:
                self._turn()
            except Aborted as aborted:
                log.warning("transaction given up, its input is read again: %s", aborted)
                self._rewind()
        except Unknown as unknown:
            log.error("nobody knows how the commit ended, so state is restored from the broker: %s", unknown)
            self._start_over()
        except Fenced as fenced:
            # The broker fences whoever holds a transaction open for too long, too: then nobody has taken our place.
            if not self._transaction.is_overdue:
                raise
            log.error("this process was too slow for its transaction, so state is restored from the broker: %s", fenced)
            self._start_over()

    def _turn(self) -> None:
        now = self._clock.monotonic()
        if self._waiting or now - self._refreshed_at > _LIBRARY_SECONDS:
            self.library.refresh(_WAIT_SECONDS if self._waiting else 0.0)
            self._refreshed_at = now
        limit = min(self._settings.batch, self._transaction.rows_at_most)
        messages = self.connection.poll(limit, 0.0 if self._waiting or self._backlog() else _POLL_SECONDS)
        self._busy = len(messages) >= limit
        sort(messages, self.slots, self.topics.events)
        if self._takeover.busy:
            for partition in self._takeover.step(_POLL_SECONDS):
                self._start(partition)
            self._meter.restoring(self._takeover.restorer.progress())
        self._advance(limit)
        self._throttle()
        self._commit_if_due()

    def _backlog(self) -> bool:
        return any(slot.running and slot.inbox.events and not self._waiting for slot in self.slots.values())

    def _advance(self, limit: int) -> None:
        self._waiting = False
        room = room_of(self._plan, self._transaction.rows_at_most)
        for slot in list(self.slots.values()):
            if not slot.running:
                continue
            partition, inbox = slot.partition, slot.inbox
            single = partition.events_at <= slot.one_by_one_until
            arrivals = arrived(inbox.events)
            with self._meter.batch():
                try:
                    if not partition.cursor.definitions:
                        partition.begin()
                    step = self._pace.advance(partition, inbox, 1 if single else limit, room)
                except ShoalError:
                    raise
                except Exception as error:  # noqa: BLE001 whatever it is, the record that causes it is named
                    isolate(slot, error, self._settings, self._rewind, single=single)
                    return
            if step.moved:
                self._meter.took(arrivals)
            self._commit_now = self._commit_now or step.commit
            self._waiting = self._waiting or step.waits_for_models

    def _throttle(self) -> None:
        """Stops fetching what piles up behind a tick or a restore."""
        for slot in self.slots.values():
            if slot.running:
                slot.throttle(self.connection, self._settings.batch, self._pace.wants_commands(slot.inbox))

    # -- the transaction

    def _commit_if_due(self) -> None:
        touched = sum(slot.partition.engine.table.touched_count() for slot in self.slots.values())
        if self._transaction.is_due(touched, behind=self._busy) or self._commit_now:
            self._commit()

    def _commit(self) -> None:
        """Everything since the last commit, with the offsets read, in one transaction. Then it is durable."""
        self._commit_now = False
        dirty = [slot.partition for slot in self.slots.values() if slot.running and slot.partition.dirty]
        if dirty:
            with self._meter.commit():
                offsets: dict[TP, int] = {}
                for partition in dirty:
                    partition.flush()
                    offsets[partition.events_tp] = partition.events_at
                    offsets[partition.commands_tp] = partition.commands_at
                self._transaction.commit(offsets)
            for partition in dirty:
                partition.forget()
            self._meter.committed(self._clock.now_ms(), [slot.partition for slot in self.slots.values()], self.library)
        now = self._transaction.committed_at = self._clock.monotonic()
        self._lag.look(now, self.connection, [slot.partition for slot in self.slots.values() if slot.running])

    def _rewind(self, gone: Collection[int] = ()) -> None:
        """Gives the transaction up: state as at the last commit, and its input again, but for partitions that go."""
        self._transaction.abort()
        self._meter.aborted()
        for slot in self.slots.values():
            if not slot.running:
                continue
            partition = slot.partition
            partition.roll_back()
            slot.inbox.clear()
            if partition.number in gone:
                continue
            slot.rewind(self.connection)

    def _start_over(self) -> None:
        """Throws tables away and joins anew."""
        for number in list(self.slots):
            self._takeover.cancel(number)
        self.slots.clear()
        self._takeover.forget()
        self._transaction.abandon()
        self.connection.close()
        self._connect()

    # -- ownership

    def assigned(self, partitions: Sequence[TP]) -> None:
        """Begins to restore what is ours now; a partition runs when both its inputs are held."""
        self._meter.rebalanced()
        self._takeover.came()
        for tp in partitions:
            slot = self.slots.get(tp.partition)
            if slot is None:
                slot = self.slots[tp.partition] = Slot(self._new_partition(tp.partition))
            slot.assigned.add(tp)
            if slot.whole:
                slot.assigned_at = self._clock.monotonic()
                self._takeover.begin(slot)
        self._meter.owns(len(self.slots))

    def _new_partition(self, number: int) -> Partition:
        return Partition(
            number, self.topics, self._program, self._taxonomy, self._decode, self._transaction,
            self._settings.future_tolerance_ms,
        )  # fmt: skip

    def _start(self, partition: Partition) -> None:
        """The state is whole: find the offsets it stands at, and go."""
        slot = self.slots.get(partition.number)
        if slot is None or slot.partition is not partition or not self._takeover.finish(partition, self.connection):
            return
        slot.running = True
        self._meter.restored(self._clock.monotonic() - slot.assigned_at)
        known = len(partition.engine.table)
        log.info("partition %d runs from offset %d with %d customers", partition.number, partition.events_at, known)

    def revoked(self, partitions: Sequence[TP]) -> None:
        """Finishes the transaction, then puts the tables on the shelf: they may come back."""
        gone = {tp.partition for tp in partitions}
        ends = self._proven_ends(gone)
        for number in sorted(gone):
            slot = self.slots.pop(number, None)
            if slot is None:
                continue
            if not slot.running:
                self._takeover.cancel(number)
            elif number in ends:
                self._takeover.keep(slot.partition, ends[number])
        self._meter.owns(len(self.slots))

    def _proven_ends(self, gone: Collection[int]) -> dict[int, int]:
        """Commits what is open; gives where the changelogs of these partitions end, if their tables stand there for certain.

        Who was expelled may hear of a partition that is revoked when another has gone on with it. The broker takes offsets
        from members alone; so those that it takes after the question prove that nobody else had written before it.
        """
        try:
            self._commit()
            running = [slot.partition for slot in self.slots.values() if slot.running]
            ends = {p.number: self._takeover.end(p.number) for p in running if p.number in gone}
            if ends:
                offsets = {p.events_tp: p.events_at for p in running} | {p.commands_tp: p.commands_at for p in running}
                self._transaction.commit(offsets)
        except Aborted as aborted:
            log.warning("the last transaction before a rebalance was given up: %s", aborted)
            self._rewind(gone)
            return {}
        return ends

    def lost(self, partitions: Sequence[TP]) -> None:
        """Others have gone on with them: drop everything."""
        gone = {tp.partition for tp in partitions}
        self._rewind(gone)
        for number in gone:
            self._takeover.cancel(number)
            self.slots.pop(number, None)
        self._meter.owns(len(self.slots))
