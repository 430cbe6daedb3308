"""One run: topics anew, the line in, processes at work while faults happen, until all of it is committed; then its outcome."""

from __future__ import annotations

import math
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from random import Random

import msgspec
from confluent_kafka import Producer

from models.definitions import Definitions, encode_definitions
from models.snapshot import content_hash
from streams.contracts.keys import definitions_key, manifest_key
from streams.errors import ShoalError
from streams.settings import Settings
from tests.chaos.committed import committed
from tests.chaos.crew import LEARNER, Crew, broke
from tests.chaos.ground import Ground
from tests.chaos.hand import Hand
from tests.chaos.line import Line
from tests.chaos.markers import aborted_transactions
from tests.chaos.outcome import Outcome, outcome, read_topic
from tests.chaos.schedule import Schedule
from tests.chaos.site import Site, begin, pour

_WITHIN_S = 120.0
_LOOK_S = 0.05
_STUCK_S = 25.0
"""Nothing should take so long: then the logs are to tell where everybody was."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What was done to a run, and what it cost. `reprocessed`: records between the first and the last change of each
    aborted transaction, in each partition; those were certainly read again. `struck`: at which points; `did`: which acts;
    `broke`: how often a guarantee that was switched off was missing; `compared`: partitions whose memory was compared
    with the changelog in the end."""

    kills: int = 0
    learner_kills: int = 0
    fenced: int = 0
    gave_up: int = 0
    aborted: int = 0
    reprocessed: int = 0
    moved: int = 0
    restored: int = 0
    seconds: float = 0.0
    compared: int = 0
    broke: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    did: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, column.name) + getattr(other, column.name) for column in fields(self)))


@dataclass(frozen=True, slots=True)
class Scene:
    """A site and the line that all runs read. `ground`: of a site that may be harmed."""

    site: Site
    settings: Settings
    line: Line
    ground: Ground | None = None

    def run(self, folder: Path, schedule: Schedule, rng: Random) -> tuple[Outcome, Tally]:
        """Raises ShoalError when a process ends by itself or the input does not come to its end."""
        settings = self.settings
        self._begin()
        publish_definitions(settings, self.line.definitions)
        pour(settings, self.line)
        folder.mkdir(parents=True)
        crew = Crew(settings, folder, rng, next_arms=list(schedule.arms), ground=self.ground, forgiving=schedule.harms_ground)
        crew.usual = schedule.usual
        hand = Hand(crew, self.ground)
        started = time.monotonic()
        try:
            crew.start(LEARNER)
            for slot in range(schedule.workers):
                crew.start(f"work-{slot}")
            self._disturb(hand, schedule)
            self._last_manifest(hand)
            seconds = time.monotonic() - started
            rests = crew.rest()
        except ShoalError:
            crew.tell()
            if self.ground is not None:
                shutil.copy(self.ground.running.log, folder)
            raise
        finally:
            hand.mend()
            crew.end()
        return outcome(settings, rests), self._tally(crew, hand, seconds, len(rests))

    def _begin(self) -> None:
        """A broker that will not let go of a group, as one does whose disk was full, is started anew."""
        try:
            begin(self.settings)
        except ShoalError:
            if self.ground is None:
                raise
            self.ground.kill()
            self.ground.start()
            begin(self.settings)

    def _disturb(self, hand: Hand, schedule: Schedule) -> None:
        """Returns when all input is committed, and all faults have happened and are over."""
        faults = list(schedule.faults)
        inputs = {
            (self.settings.topic(name), partition): len(held)
            for name, partitions in (("events", self.line.events), ("commands", self.line.commands))
            for partition, held in enumerate(partitions)
        }
        with committed(self.settings, inputs) as so_far:
            total, deadline = sum(inputs.values()), time.monotonic() + _WITHIN_S
            farthest, moved_at = -1.0, time.monotonic()
            while (done := so_far() / total) < 1.0 or faults or hand.busy:
                if done > farthest:
                    farthest, moved_at = done, time.monotonic()
                elif time.monotonic() > moved_at + _STUCK_S:
                    hand.crew.tell()
                    moved_at = math.inf
                while faults and faults[0].share <= done:
                    hand.act(faults.pop(0))
                hand.look()
                if time.monotonic() > deadline:
                    raise ShoalError(f"after {_WITHIN_S:.0f} s {done:.0%} of the input is committed {so_far.fault}".rstrip())
                time.sleep(_LOOK_S)

    def _last_manifest(self, hand: Hand) -> None:
        """Waits for what the learner says of the last epoch; it has nothing more to do then."""
        wanted = manifest_key(self.line.epochs[-1])
        deadline = time.monotonic() + _WITHIN_S
        while wanted not in [m.key() for m in read_topic(self.settings, "models")[0]]:
            hand.look()
            if time.monotonic() > deadline:
                raise ShoalError(f"the learner has not published epoch {self.line.epochs[-1]} after {_WITHIN_S:.0f} s")
            time.sleep(_LOOK_S)

    def _tally(self, crew: Crew, hand: Hand, seconds: float, compared: int) -> Tally:
        folders = self.site.folders(self.settings, "state", "segments", "segment-changes", "samples", "journal", "events.dlq")
        return Tally(
            kills=crew.kills,
            learner_kills=crew.learner_kills,
            fenced=crew.fenced,
            gave_up=crew.gave_up,
            aborted=aborted_transactions(folders),
            reprocessed=reprocessed(self.settings),
            moved=crew.moved(),
            restored=crew.restored(),
            seconds=seconds,
            compared=compared,
            broke=broke(crew.folder),
            struck=crew.struck(),
            did=hand.did,
        )


def publish_definitions(settings: Settings, definitions: Sequence[Definitions]) -> None:
    """Puts definitions that a tick may name where workers find them."""
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "log_level": 3})
    for one in definitions:
        data = encode_definitions(one)
        producer.produce(settings.topic("models"), data, definitions_key(content_hash(data)), 0)
    if producer.flush(30):
        raise ShoalError("the broker does not take definitions")


class _Source(msgspec.Struct):
    offset: int


class _Changed(msgspec.Struct):
    source: _Source


_changed = msgspec.json.Decoder(_Changed).decode


def reprocessed(settings: Settings) -> int:
    """See `Tally`; aborted records lie side by side, for a marker or a committed record ends each stretch of them."""
    total = 0
    committed = read_topic(settings, "segment-changes")
    for partition, messages in enumerate(read_topic(settings, "segment-changes", "read_uncommitted")):
        kept = {message.offset() for message in committed[partition]}
        stretch: list[int] = []
        last = -1
        for message in messages:
            place = message.offset() or 0
            if stretch and (place in kept or place != last + 1):
                total += stretch[-1] - stretch[0] + 1
                stretch = []
            if place not in kept:
                stretch.append(_changed(message.value() or b"").source.offset)
            last = place
        if stretch:
            total += stretch[-1] - stretch[0] + 1
    return total
