"""One partition of a deployment, followed by the oracle through journal and input, its outputs compared on the way.

The documents are silent here, and the rule was read from `streams/scoring/{pace,partition,sweep}.py`:

- Under ticks the clock is the last sweep and a period; before the first sweep there is none. An event further ahead of it than
  the tolerance is dated at it. A tick no later than the last sweep was sent twice, and means nothing. The champions of a sweep
  are those of the first manifest trained through the sweep before, unless that cannot be used.
- Under wall the journal says which event was clamped, and to which time; ticks mean nothing. The mark of a sweep names those
  that were skipped before it, at most the last thousand.
- No kind of command is known: all are dead letters, under ticks when their tick has come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from models.snapshot import Family, Manifest, Snapshot
from models.taxonomy import Taxonomy
from streams.contracts import journal
from streams.settings import DAY_MS, Settings
from tests.oracle.archive import Archive
from tests.oracle.comparing import Findings
from tests.oracle.kept import Kept, Only, Part
from tests.oracle.letters import Letters
from tests.oracle.outputs import Outputs
from tests.oracle.partition import Partition
from tests.oracle.published import Deciders, Json
from tests.oracle.reading import Reader, tick_in
from tests.oracle.row import Event
from tests.oracle.standing import cursor_faults, events_in, membership_faults, state_faults

MOST_SKIPPED: Final = 1000


@dataclass
class Follower:
    """Follows one partition from its first entry in the journal to the end of its input, and says what is wrong."""

    part: Part
    settings: Settings
    taxonomy: Taxonomy
    archive: Archive
    findings: Findings
    only: Only | None = None
    oracle: Partition = field(init=False)
    deciders: Deciders = field(init=False)
    manifest: str = ""
    swept: int | None = None
    tally: Counter[str] = field(default_factory=Counter)
    _clamps: dict[int, int] = field(default_factory=dict)
    _aside: set[int] = field(default_factory=set)
    _at: int = 0
    """The next record of the input."""

    def __post_init__(self) -> None:
        s, part, only = self.settings, self.part, self.only
        self._reader = Reader(self.taxonomy, max_bytes=s.max_event_bytes, max_amount=s.max_amount)
        self._letters = Letters(part, s, self.findings)
        self._outputs = Outputs(part, s, self.findings, only)

    def follow(self) -> None:
        """Does so. An entry of the journal that cannot be followed ends it."""
        for place, record in enumerate(self.part.journal):
            fault = self._entry(place, record)
            if fault:
                self._say("journal", f"entry {place}: {fault}; what comes after it was not checked")
                return
        if self.part.journal:
            self._up_to(None)
            self._close()
        elif self.part.events:
            self._say("journal", "entry 0: it is missing, and there is input")

    def _say(self, kind: str, sentence: str) -> None:
        self.findings.say(kind, self.part.number, sentence)

    def _say_all(self, kind: str, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            self._say(kind, sentence)

    # -- what takes effect

    def _entry(self, place: int, record: Kept) -> str | None:
        """The input before it, then what the entry says; gives what makes that impossible."""
        try:
            entry = journal.decode(record.value() or b"")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return f"it is no entry: {error}"
        if entry.sequence != place:
            return f"its number is {entry.sequence}: one is missing, doubled or moved before it"
        if (place == 0) != (entry.kind == "start"):
            return f"its kind is {entry.kind}, and the first one, alone, is the start"
        if place:
            self._up_to(entry.events)
        if entry.kind in ("start", "definitions"):
            return self._define(entry)
        if entry.kind == "manifest":
            return self._promote(entry)
        if entry.kind == "sweep":
            self._say_all("journal", (f"entry {place}: {fault}" for fault in self._untimely(entry.at)))
            self._sweep(entry)
        elif entry.kind == "clamp":
            self._clamps[entry.offset] = entry.at
        else:
            self._aside.add(entry.offset)
        return None

    def _define(self, entry: journal.Entry) -> str | None:
        definitions = self.archive.definitions.get(entry.what)
        if definitions is None:
            return f"definitions {entry.what[:12]} are not in models"
        if entry.kind == "start":
            s = self.settings
            phases = max(1, round(s.sample_every_days * DAY_MS / s.period_ms))
            self.oracle = Partition(definitions, phases=phases, period=s.period_ms, horizon=round(s.horizon_days * DAY_MS))
            self.deciders = Deciders(definitions, entry.what, {}, self.taxonomy)
        self.oracle.adopt_definitions(definitions)
        self.deciders = replace(self.deciders, definitions=definitions, hash=entry.what)
        return None

    def _promote(self, entry: journal.Entry) -> str | None:
        manifest = self.archive.manifests.get(entry.what)
        champions = self._usable(manifest)
        if manifest is None or champions is None:
            return f"manifest {entry.what[:12]}, or a snapshot that it names, is not in models"
        self.oracle.adopt_champions(champions)
        self.oracle.one_in, self.manifest = manifest.one_in, entry.what
        self.deciders = replace(self.deciders, snapshots=champions)
        return None

    def _usable(self, manifest: Manifest | None) -> dict[Family, Snapshot] | None:
        return None if manifest is None else self.archive.champions(manifest)

    def _untimely(self, at: int) -> Iterator[str]:
        """Why, under ticks, there should be no such sweep here, or others should decide in it."""
        if self.settings.clock != "ticks":
            return
        following = self.part.events[self._at] if self._at < len(self.part.events) else None
        tick = tick_in(following.value()) if following is not None and following.key() is None else None
        if tick is None or tick[0] != at:
            yield f"a sweep at {at} where the input has no such tick"
        elif tick[1] not in (None, self.deciders.hash):
            yield f"in the sweep at {at} other definitions decide than its tick says"
        if self.swept is None:
            return
        wanted = self.archive.trained_through.get(self.swept, "")
        if wanted != self.manifest and (not wanted or self._usable(self.archive.manifests[wanted]) is not None):
            yield f"in the sweep at {at} others decide than the champions trained through {self.swept}"

    def _sweep(self, entry: journal.Entry) -> None:
        swept = self.oracle.sweep(entry.at)
        self._outputs.of_sweep(self.oracle, swept, entry.at, entry.events, self._skipped(entry.at), self.deciders)
        self.oracle.labels.clear()
        self.swept = entry.at

    def _skipped(self, at: int) -> list[int]:
        if self.settings.clock == "ticks" or self.swept is None:
            return []
        return list(range(self.swept + self.settings.period_ms, at, self.settings.period_ms))[-MOST_SKIPPED:]

    # -- the input

    def _up_to(self, offset: int | None) -> None:
        """Takes what lies before an offset of the input; None: all."""
        events = self.part.events
        while self._at < len(events) and (offset is None or events[self._at].offset() < offset):
            self._take(events[self._at])
            self._at += 1

    def _take(self, record: Kept) -> None:
        key, offset = record.key(), record.offset()
        if key is None:
            self._keyless(record)
            return
        if self.only is not None and not self.only(key):
            return
        event = "quarantined" if offset in self._aside else self._reader.read(key, record.value())
        if isinstance(event, str):
            self._letters.expect("events", event, record)
            return
        self.oracle.event(self._clamped(event, offset))
        self.tally[self.oracle.outcomes.pop()] += 1
        self._outputs.of_event(self.oracle, offset, self.deciders)

    def _keyless(self, record: Kept) -> None:
        tick = tick_in(record.value())
        if tick is None:
            self._letters.expect("events", "key", record)
            return
        self.tally["tick"] += 1
        if self.settings.clock == "ticks" and (self.swept is None or tick[0] > self.swept):
            self._say("journal", f"no entry: the tick {tick[0]} at offset {record.offset()} was not swept")

    def _clamped(self, event: Event, offset: int) -> Event:
        if self.settings.clock == "wall":
            if offset not in self._clamps:
                return event
            clock = self._clamps.pop(offset)
            if event.at <= clock + self.settings.future_tolerance_ms:
                self._say("journal", f"the event at offset {offset} was clamped to {clock}, though it is dated {event.at}")
            return replace(event, at=clock)
        if self.swept is None or event.at <= self.swept + self.settings.period_ms + self.settings.future_tolerance_ms:
            return event
        return replace(event, at=self.swept + self.settings.period_ms)

    # -- the end

    def _close(self) -> None:
        part, only = self.part, self.only
        self._outputs.close()
        self._say_all("state", state_faults(part.state, self.oracle, only))
        self._say_all("state", cursor_faults(part.state, self._cursor()))
        self._say_all("memberships", membership_faults(part.segments, self.oracle, self._outputs.said, only))
        if only is None:
            for offset in self._clamps:
                self._say("journal", f"no event that can be read stands at offset {offset}, where one was clamped")
            waiting = self._commands()
            self._letters.close()
            self._say_all("counts", self._miscounted(waiting))

    def _cursor(self) -> Json:
        entries, swept = len(self.part.journal), -1 if self.swept is None else self.swept
        read = {} if self.only else {"events": self.part.events[-1].offset() + 1 if self.part.events else 0}
        return read | {
            "swept": swept,
            "sweeping": -1,
            "samples": 0,
            "manifest": self.manifest,
            "definitions": self.deciders.hash,
            "sequence": entries,
        }

    def _commands(self) -> int:
        """Each is a dead letter, but for ticks; gives how many still wait for their tick."""
        commands = self.part.commands
        times = [tick_in(record.value()) if record.key() is None else None for record in commands]
        due = len(commands)
        if self.settings.clock == "ticks":
            past = [place for place, tick in enumerate(times) if tick and self.swept is not None and tick[0] <= self.swept]
            due = max(past, default=-1) + 1
        for record, tick in zip(commands[:due], times, strict=False):
            if tick is None:
                self._letters.expect("commands", "command", record)
            else:
                self.tally["tick"] += 1
        return len(commands) - due

    def _miscounted(self, waiting: int) -> Iterator[str]:
        part, tally = self.part, self.tally
        applied, expected = events_in(part.state), tally["applied"] + tally["late"]
        if applied != expected:
            yield f"applied: {applied} events by the rows, {expected} by the input"
        inputs = len(part.events) + len(part.commands) - waiting
        there = applied + tally["duplicate"] + len(part.dead) + tally["tick"]
        if inputs != there:
            yield (
                f"input: {inputs} records, but {applied} applied, {tally['duplicate']} that came twice, {len(part.dead)} dead "
                f"letters and {tally['tick']} ticks are {there}"
            )
