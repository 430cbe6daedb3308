"""What moves a partition on: control records in its input (`ticks`), or a clock (`wall`)."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import Protocol

import msgspec

from models.errors import UNREADABLE, ShoalError
from streams.broker.protocol import Message
from streams.clock import Clock
from streams.contracts.control import Other, Tick
from streams.errors import PoisonError
from streams.scoring.exact import Bad
from streams.scoring.library import Held, Library
from streams.scoring.partition import Partition
from streams.scoring.sweep import Plan, Room, sweep

log = logging.getLogger(__name__)
_control = msgspec.json.Decoder(Tick | Other).decode
_MOST_SKIPPED = 1000


@dataclass(slots=True)
class Inbox:
    """Records fetched for a partition and not yet applied."""

    events: deque[Message] = field(default_factory=deque)
    commands: deque[Message] = field(default_factory=deque)

    def clear(self) -> None:
        """Forgets them: they will be read again."""
        self.events.clear()
        self.commands.clear()


@dataclass(slots=True)
class Step:
    """What a call of `advance` did: anything at all; whether the transaction should be committed now; what it waits for."""

    moved: bool = False
    commit: bool = False
    waits_for_models: bool = False


class Pace(Protocol):
    """Moves a partition on as far as its inbox and its clock allow."""

    def advance(self, partition: Partition, inbox: Inbox, limit: int, room: Room) -> Step:
        """Applies at most `limit` events; sweeps as far as there is room in the transaction."""

    def wants_commands(self, inbox: Inbox) -> bool:
        """Whether `advance` waits for a command that is not in the inbox, so that their fetching must not stop."""


def tick_in(message: Message) -> Tick | None:
    """The tick in a record with a null key, or None if it is none."""
    value = message.value()
    if value is None:
        return None
    try:
        control = _control(value)
    except UNREADABLE:
        return None
    return control if isinstance(control, Tick) else None


def take_run(queue: deque[Message], limit: int) -> list[Message]:
    """Takes records off the queue up to the first with a null key, at most `limit`."""
    run = list(takewhile(_has_key, islice(queue, limit)))
    for _ in run:
        queue.popleft()
    return run


def _has_key(message: Message) -> bool:
    return message.key() is not None


def bury_commands(partition: Partition, commands: list[Message]) -> None:
    """No kind of command is known yet: each becomes a dead letter with that reason. A tick is none."""
    for message in commands:
        if message.key() is not None or tick_in(message) is None:
            partition.bury(message, Bad(0, "command", "this version knows no commands; see the changelog for when it does"))
        partition.commands_at = message.offset() + 1


def adopt(partition: Partition, held: Held, library: Library) -> None:
    """Lets a manifest's champions decide; refuses it, counted, if a snapshot of it cannot be used: the present ones stay."""
    try:
        ready = library.champions(held.manifest)
    except ShoalError as error:
        library.refused += 1
        log.error("partition %d keeps its champions: %s", partition.number, error)
        partition.update(epoch=held.manifest.epoch)
        return
    partition.adopt_manifest(held.hash, held.manifest.epoch, held.manifest.one_in, ready)


@dataclass(slots=True)
class TicksPace:
    """Time comes with the input. At tick T, when both inputs have reached it and the manifest trained through the tick
    before is there: adopt it, apply the commands before it, sweep, mark. Results depend on the input alone."""

    library: Library
    plan: Plan

    def advance(self, partition: Partition, inbox: Inbox, limit: int, room: Room) -> Step:
        """Events up to the next tick, or the tick itself."""
        step = Step()
        swept = partition.cursor.swept
        clock = swept + self.plan.period if swept >= 0 else None
        while run := take_run(inbox.events, limit):
            partition.apply(run, clock, journal_clamps=False)
            step.moved = True
        if not inbox.events:
            return step
        message = inbox.events[0]
        tick = tick_in(message)
        if tick is None:
            partition.bury(
                message, Bad(0, "key", "the record has no key; it must be the customer's id (userId, else anonymousId)")
            )
        elif tick.at > swept:
            self._tick(partition, inbox, message, tick, step, room)
            return step
        inbox.events.popleft()  # a tick that was there before: sent twice
        partition.events_at = message.offset() + 1
        step.moved = True
        return step

    def wants_commands(self, inbox: Inbox) -> bool:
        """A tick waits for its twin, however many commands lie before it."""
        if not inbox.events or inbox.events[0].key() is not None:
            return False
        return not any(message.key() is None and tick_in(message) is not None for message in inbox.commands)

    def _tick(self, partition: Partition, inbox: Inbox, message: Message, tick: Tick, step: Step, room: Room) -> None:
        before = self._commands_before(partition, inbox, tick)
        if before is None or room.left <= 0:
            return
        swept = partition.cursor.swept
        if partition.cursor.sweeping != tick.at:
            if swept >= 0 and partition.cursor.epoch < swept:
                held = self.library.manifests.get(swept)
                if held is None:
                    step.waits_for_models = True
                    return
                adopt(partition, held, self.library)
            if tick.definitions is not None and tick.definitions != partition.cursor.definitions:
                program = self.library.program(tick.definitions)
                if program is None:
                    step.waits_for_models = True
                    return
                partition.adopt_definitions(program)
            bury_commands(partition, before)
        step.moved = step.commit = True
        if not sweep(partition, tick.at, self.plan, room):
            return
        inbox.events.popleft()
        partition.events_at = message.offset() + 1
        for _ in range(len(before) + 1):
            partition.commands_at = inbox.commands.popleft().offset() + 1

    def _commands_before(self, partition: Partition, inbox: Inbox, tick: Tick) -> list[Message] | None:
        """The commands before this tick, or None while its twin in `commands` is not there yet."""
        before: list[Message] = []
        while inbox.commands:
            first = inbox.commands[0]
            twin = tick_in(first) if first.key() is None else None
            if twin is None or twin.at > partition.cursor.swept:
                break
            inbox.commands.popleft()
            partition.commands_at = first.offset() + 1
        for message in inbox.commands:
            twin = tick_in(message) if message.key() is None else None
            if twin is None:
                before.append(message)
            elif twin.at == tick.at:
                return before
            else:
                raise PoisonError(
                    f"{message.topic()}[{message.partition()}] offset {message.offset()} has the tick {twin.at} where "
                    f"{partition.events_tp.topic} has {tick.at}: both need the same ticks. Replay the input into fresh topics."
                )
        return None


@dataclass(slots=True)
class WallPace:
    """Time is a clock's. Manifests, definitions and commands take effect between two batches and are journalled."""

    library: Library
    plan: Plan
    clock: Clock
    fallback: Callable[[], str]
    """Hash of the definitions that decide when no status record names others."""

    def advance(self, partition: Partition, inbox: Inbox, limit: int, room: Room) -> Step:
        """Adopts what is new, applies events, sweeps when the period has passed."""
        step = Step()
        now = self.clock.now_ms()
        due = max(now // self.plan.period * self.plan.period, partition.cursor.sweeping)
        if partition.cursor.sweeping < 0:
            self._adopt_new(partition, step)
            commands = [inbox.commands.popleft() for _ in range(len(inbox.commands))]
            if commands:
                bury_commands(partition, commands)
                step.moved = True
            if run := [inbox.events.popleft() for _ in range(min(limit, len(inbox.events)))]:
                self._apply(partition, run, now)
                step.moved = True
        if due > partition.cursor.swept and room.left > 0:
            if partition.cursor.sweeping < 0:
                self._note_skipped(partition, due)
            step.moved = step.commit = True
            sweep(partition, partition.cursor.sweeping if partition.cursor.sweeping >= 0 else due, self.plan, room)
            room.left = 0  # of the others with the next transactions: events that come meanwhile wait for one sweep, not for all
        return step

    def wants_commands(self, inbox: Inbox) -> bool:
        """A clock waits for no record."""
        return False

    def _apply(self, partition: Partition, run: list[Message], now: int) -> None:
        """Applies a run; ticks in it mean nothing under this clock, other records without a key are dead letters."""
        start = 0
        keys = [m.key() for m in run]
        for place in [i for i, key in enumerate(keys) if key is None]:
            if place > start:
                partition.apply(run[start:place], now, journal_clamps=True)
            if tick_in(run[place]) is None:
                reason = "the record has no key; it must be the customer's id (userId, else anonymousId)"
                partition.bury(run[place], Bad(0, "key", reason))
            partition.events_at = run[place].offset() + 1
            start = place + 1
        if start < len(run):
            partition.apply(run[start:], now, journal_clamps=True)

    def _adopt_new(self, partition: Partition, step: Step) -> None:
        newest = self.library.newest()
        if newest is not None and newest.manifest.epoch > partition.cursor.epoch:
            adopt(partition, newest, self.library)
            step.moved = True
        wanted = self.library.active_definitions or self.fallback()
        if wanted != partition.cursor.definitions:
            program = self.library.program(wanted)
            if program is not None:
                partition.adopt_definitions(program)
                step.moved = True

    def _note_skipped(self, partition: Partition, due: int) -> None:
        swept, period = partition.cursor.swept, self.plan.period
        if swept >= 0 and due > swept + period:
            skipped = range(swept + period, due, period)
            partition.update(skipped=list(skipped[-_MOST_SKIPPED:]))
