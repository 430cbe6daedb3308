"""One partition's engine: events and sweeps go in, decisions come out. Pure; the worker, the audit and the tests run it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from models.champions import Champions, no_champions
from models.definitions.program import Program
from models.definitions.variables import VARIABLES
from models.features import COUNT
from models.kernel.explain import explain
from models.kernel.run import run_events, run_sweep
from models.kernel.tables import (
    CHANGE_COLUMNS,
    F8,
    I8,
    MOST_CHANGES,
    REACH_COLUMNS,
    U1,
    Changes,
    Events,
    Rules,
    Scratch,
)
from models.pending import Pending
from models.table import Table

_ROOM = 4096
_CHURN, _PURCHASE = COUNT, COUNT + 1


@dataclass(frozen=True, slots=True)
class Decisions:
    """Memberships that moved, in order; see `models.kernel.tables.Changes` for the columns.

    what [n, 10], figures [n, 1 + VARIABLES], reach [n, 5], reasons and effects [n, 5].
    """

    what: I8
    figures: F8
    reach: I8
    reasons: I8
    effects: F8

    def __len__(self) -> int:
        return len(self.what)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a sweep: how far it came in `Table.order()`, what moved, and the rows that were sampled with features."""

    end: int
    decisions: Decisions
    sampled: I8
    features: F8


def _rules(program: Program) -> Rules:
    model_rule = np.zeros(len(program.rules), np.uint8)
    model_rule[(program.rule_features == _PURCHASE).any(axis=1)] = 2
    model_rule[(program.rule_features == _CHURN).any(axis=1)] = 1
    return Rules(
        program.code, program.consts, program.rules, program.ranges, program.confirmations, program.affinity, program.priority,
        program.offers, model_rule,
    )  # fmt: skip


@dataclass(slots=True)
class Engine:
    """Applies events, sweeps, decides. `table` and `pending` undo together: `forget` after a commit, `roll_back` after an abort.

    Which definitions and champions decide is not undone here: whoever adopts them keeps the ones before.
    """

    program: Program
    champions: Champions = field(default_factory=no_champions)
    table: Table = field(default_factory=Table)
    pending: Pending = field(default_factory=Pending)
    _scratch: Scratch = field(init=False)
    _changes: Changes = field(init=False)
    _rules: Rules = field(init=False)

    def __post_init__(self) -> None:
        self._scratch = Scratch(
            x=np.zeros(len(VARIABLES)),
            y=np.zeros(COUNT),
            seen=np.zeros(COUNT),
            stack=np.zeros(32),
            distances=np.zeros(256),
            weight=np.zeros(COUNT),
            named=np.zeros(COUNT),
            places=np.zeros(COUNT, np.int64),
        )
        self._changes = Changes(
            np.zeros((_ROOM, CHANGE_COLUMNS), np.int64),
            np.zeros((_ROOM, 1 + len(VARIABLES))),
            np.zeros((_ROOM, REACH_COLUMNS), np.int64),
            np.zeros(1, np.int64),
        )
        self._rules = _rules(self.program)

    def adopt(self, *, program: Program | None = None, champions: Champions | None = None) -> None:
        """From the next event or sweep on these decide; nobody is rescored."""
        if program is not None:
            self.program = program
            self._rules = _rules(program)
        if champions is not None:
            self.champions = champions

    def apply(self, events: Events, outcome: U1) -> Iterator[Decisions]:
        """Applies a batch in order; yields what moved, in parts. outcome [n]: applied, duplicate or late."""
        self.table.make_room(len(events.row))
        done, n = 0, len(events.row)
        while done < n:
            self._changes.used[0] = 0
            done = run_events(
                self.table.rows,
                self.table.undo,
                events,
                done,
                self._rules,
                self.champions.model,
                self._changes,
                self._scratch,
                outcome,
            )
            yield self._decisions()

    def sweep(self, at: int, begin: int, phase: int, phases: int, one_in: int, budget: int) -> Stretch:
        """Looks at rows from place `begin` of `Table.order()` on, at time `at` (ms); stops after `budget` rows written.

        A customer is sampled when hash / 256 mod `phases` is `phase` and hash / 2**40 mod `one_in` is 0.
        """
        order = self.table.order()
        most = min(len(order) - begin, budget + 1)
        self.table.make_room(most)
        sampled, features = np.zeros(most, np.int64), np.zeros((most, COUNT))
        self._changes.used[0] = 0
        end, taken = run_sweep(
            self.table.rows, self.table.undo, order, begin, len(order), at, self.table.hashes, phase, phases, one_in, self._rules,
            self.champions.model, self._changes, self._scratch, sampled, features, budget,
        )  # fmt: skip
        return Stretch(end, self._decisions(), sampled[:taken], features[:taken])

    def _decisions(self) -> Decisions:
        n, champions = int(self._changes.used[0]), self.champions
        reasons, effects = np.empty((n, 5), np.int64), np.empty((n, 5))
        explain(
            self._changes, self._rules, self.program.rule_features, champions.model, champions.means, champions.median,
            champions.spread, self._scratch, reasons, effects,
        )  # fmt: skip
        c = self._changes
        return Decisions(c.what[:n].copy(), c.figures[:n].copy(), c.reach[:n].copy(), reasons, effects)

    def forget(self) -> None:
        """The transaction is durable."""
        self.table.forget()
        self.pending.forget()

    def roll_back(self) -> None:
        """The transaction is void: apply, roll_back, apply = apply."""
        self.table.roll_back()
        self.pending.roll_back()


assert _ROOM > 2 * MOST_CHANGES
