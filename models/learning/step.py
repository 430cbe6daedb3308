"""One epoch under way: test, judge, approve, learn, freeze. The parts of the state, each replaced as the epoch moves on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from models.evaluation import sigmoid
from models.features import catalogue_hash
from models.learning import calibration, classifiers, contest, kind_contest, kinds, summaries
from models.learning.batch import F8, Batch, transformed
from models.learning.classifiers import TASKS, Task
from models.learning.config import LearnerConfig
from models.learning.contest import Contest, Seat, Verdict
from models.learning.kind_contest import KindContest
from models.learning.scoring import habits, logits
from models.learning.state import State, Window, observe, score
from models.learning.summaries import Worth
from models.snapshot import (
    Approval,
    Body,
    Champion,
    Family,
    Score,
    Snapshot,
    Tally,
    Value,
    content_hash,
    encode,
)

BY_ITSELF: Final = "learner"
_USUAL_FROM: Final = 100
"""Customers seen before anything is called usual."""


class Step:
    """The state of an epoch under way, and what it has to tell."""

    def __init__(self, config: LearnerConfig, state: State, epoch: int) -> None:
        self.config, self.at = config, epoch
        self.versions, self.champions = dict(state.versions), dict(state.champions)
        self.contests: dict[Task, Contest] = {"churn": state.churn, "purchase": state.purchase}
        self.behaviour, self.kinds = state.behaviour, state.kinds
        self.classifiers, self.summary = state.classifiers, state.summary
        self.worth, self.worth_challenger = state.worth, state.worth_challenger
        self.value, self.usual = state.value, state.usual
        self.windows = dict(state.windows)
        self.tallies: dict[str, Tally] = {}
        self.verdicts: dict[str, Verdict] = {}
        self.snapshots: list[tuple[str, bytes]] = []
        self.notes: list[str] = []

    def test(self, batch: Batch) -> None:
        """Everybody predicts before anybody learns."""
        inputs = transformed(batch.features)
        matured, fresh = batch.labelled, ~batch.labelled
        for task in TASKS:
            labels = classifiers.labels_of(batch, matured, task)
            self.contests[task], tally = contest.examine(self.contests[task], inputs[matured], labels)
            self._tally(task, tally)
        self.behaviour, tally = kind_contest.examine(self.behaviour, habits(inputs[fresh]))
        self._tally("behaviour", tally)
        self._test_value(batch, inputs)

    def judge(self) -> None:
        """Promotes challengers that have won, drops those that have lost; under `manual` winners wait for a word."""
        for task in TASKS:
            now = self.contests[task]
            verdict = contest.judge(now, self.at, self.config)
            self.verdicts[task] = verdict
            if now.challenger is None:
                continue
            if verdict.promote and self.config.promotion == "auto":
                self._promote(task, now.challenger, BY_ITSELF, verdict.reason)
            elif verdict.promote or now.ready:
                self.contests[task] = msgspec.structs.replace(now, ready=True)
            elif verdict.drop:
                self.contests[task] = Contest(champion=now.champion)
        kind = kind_contest.judge(self.behaviour, self.at, self.config)
        self.verdicts["behaviour"] = kind
        if self.behaviour.challenger is not None:
            if kind.promote and self.config.promotion == "auto":
                self._promote("behaviour", self.behaviour.challenger, BY_ITSELF, kind.reason)
            elif kind.promote or self.behaviour.ready:
                self.behaviour = msgspec.structs.replace(self.behaviour, ready=True)
            elif kind.drop:
                self.behaviour = KindContest(champion=self.behaviour.champion)

    def approve(self, approvals: Sequence[tuple[Approval, Snapshot]]) -> None:
        """A person's word: the named snapshot is champion from this epoch's end, a candidate or an older version alike."""
        for approval, snapshot in approvals:
            self._promote(approval.family, Seat(approval.hash, snapshot), approval.by, approval.reason)

    def learn(self, batch: Batch) -> None:
        """Matured samples teach churn and purchase; those just taken teach kinds, the usual, and the ranks of value."""
        inputs = transformed(batch.features)
        fresh = ~batch.labelled
        self.classifiers = classifiers.learn(self.classifiers, self.at, batch, inputs)
        self.kinds = kinds.learn(self.kinds, habits(inputs[fresh]))
        features = batch.features[fresh]
        self.summary = summaries.observe(self.summary, self.at, features)
        purchase = self.contests["purchase"]
        self.worth = self._rank_value(self.worth, purchase.champion, features, inputs[fresh])
        self.worth_challenger = self._rank_value(self.worth_challenger, purchase.challenger, features, inputs[fresh])

    def freeze(self) -> None:
        """New challengers where a seat is free and a cycle has passed; value and the usual as they have become."""
        for task in TASKS:
            now, line = self.contests[task], self.classifiers.line(task)
            rarer = min(line.positives, line.seen - line.positives)
            enough = line.seen >= self.config.first_tests and rarer >= self.config.first_labels
            if now.challenger is None and enough:
                body = classifiers.freeze(self.classifiers, task)
                metrics = calibration.score(line.tested, body.slope, body.intercept)
                seat = self._seat(task, body, line.seen, metrics)
                self.contests[task] = Contest(champion=now.champion, challenger=seat)
                if task == "purchase":
                    self.worth_challenger = summaries.Worth()
        self._freeze_kinds()
        self._freeze_value()
        if summaries.seen(self.summary) >= _USUAL_FROM and self._due(self.usual):
            middle = summaries.usual(self.summary)
            seat = self._seat("usual", middle, summaries.seen(self.summary), Score())
            self._promote("usual", seat, BY_ITSELF, "the middle customer of the last epochs")

    def score(self, family: str) -> Score:
        """The champion's score over the last weeks."""
        return score(self.windows.get(family, Window()))

    def _tally(self, family: str, tally: Tally | None) -> None:
        if tally is None:
            return
        self.tallies[family] = tally
        length = 2 * self.config.cycle_ms
        self.windows[family] = observe(self.windows.get(family, Window(self.at)), tally, self.at, length)

    def _seat(self, family: Family, body: Body, trained_on: int, metrics: Score) -> Seat:
        """A new snapshot, to be published with this epoch."""
        version = self.versions.get(family, 0) + 1
        self.versions[family] = version
        snapshot = Snapshot(family, version, self.at, trained_on, catalogue_hash(), body, metrics)
        data = encode(snapshot)
        seat = Seat(content_hash(data), snapshot)
        self.snapshots.append((seat.hash, data))
        return seat

    def _promote(self, family: Family, seat: Seat, by: str, reason: str) -> None:
        self.notes.append(f"{family} version {seat.snapshot.version} promoted by {by}: {reason}")
        self.champions[family] = Champion(seat.hash, seat.snapshot.version, self.at, by, reason)
        match family:
            case "churn" | "purchase":
                if family == "purchase":
                    challenger = self.contests[family].challenger
                    if challenger is not None and challenger.hash == seat.hash:
                        self.worth = summaries.succeed(self.worth, self.worth_challenger)
                    self.worth_challenger = Worth()
                self.contests[family] = Contest(champion=seat)
            case "behaviour":
                before = self.behaviour.champion
                self.kinds, notes = kinds.promoted(
                    self.kinds, None if before is None else kind_contest.behaviour(before), kind_contest.behaviour(seat)
                )
                self.notes.extend(notes)
                self.behaviour = KindContest(champion=seat)
            case "value":
                self.value = seat
            case "usual":
                self.usual = seat

    def _due(self, seat: Seat | None) -> bool:
        return seat is None or self.at - seat.snapshot.created >= self.config.cycle_ms

    def _freeze_kinds(self) -> None:
        """From the line as it has moved; or seeded anew, when that is due, so that it never grows stale."""
        if self.behaviour.challenger is not None or not kinds.ready(self.kinds):
            return
        reseed = self.kinds.line is None or kinds.seeding_due(self.kinds, self.at, self.config.cycle_ms)
        if reseed:
            generator = np.random.default_rng([self.config.seed, self.at // self.config.period_ms])
            self.kinds = kinds.seeded(self.kinds, self.at, generator)
        elif not self._due(self.behaviour.champion):
            return
        champion = self.behaviour.champion
        self.kinds, body = kinds.portrayed(self.kinds, None if champion is None else kind_contest.behaviour(champion))
        seat = self._seat("behaviour", body, self.kinds.seen, Score())
        self.behaviour = KindContest(champion=champion, challenger=seat)

    def _test_value(self, batch: Batch, inputs: F8) -> None:
        """Predicted and realised spend of the matured samples, with the purchase champion and with its challenger."""
        rows, purchase = batch.labelled, self.contests["purchase"]
        if not rows.any():
            return
        mine = self._spend(purchase.champion, batch.features[rows], inputs[rows])
        theirs = self._spend(purchase.challenger, batch.features[rows], inputs[rows])
        realised = float(batch.spent[rows].sum())
        if mine is not None:
            self.worth = summaries.compare(self.worth, self.at, float(mine.sum()), realised)
        if theirs is not None:
            beside = 0.0 if mine is None else float(mine.sum())
            self.worth_challenger = summaries.compare(self.worth_challenger, self.at, float(theirs.sum()), realised, beside)
        body = self.value.snapshot.body if self.value is not None else None
        if mine is not None and isinstance(body, Value):
            self._tally("value", Tally(int(rows.sum()), predicted=body.factor * float(mine.sum()), realised=realised))

    def _spend(self, seat: Seat | None, features: F8, inputs: F8) -> F8 | None:
        """Spend in the horizon at factor 1, [n], as a purchase model predicts it."""
        if seat is None:
            return None
        probabilities = sigmoid(logits(contest.logistic(seat), inputs))
        return summaries.spend(features, probabilities, self.summary, self.config.horizon_days)

    def _rank_value(self, worth: Worth, seat: Seat | None, features: F8, inputs: F8) -> Worth:
        spend = self._spend(seat, features, inputs)
        return worth if spend is None else summaries.rank(worth, 365.0 / self.config.horizon_days * spend)

    def _freeze_value(self) -> None:
        """Value goes with the purchase champion: anew when that changed, else when a cycle has passed and it has moved."""
        purchase = self.champions.get("purchase")
        if purchase is None:
            return
        body = summaries.value(self.worth, self.summary, self.config.horizon_days)
        if body is None:
            return
        present = self.value.snapshot.body if self.value is not None else None
        if isinstance(present, Value):
            changed = purchase.promoted == self.at
            if not changed and not (self._due(self.value) and summaries.moved(present, body)):
                return
        seat = self._seat("value", body, round(self.worth.n), Score())
        self._promote("value", seat, BY_ITSELF, f"goes with purchase version {purchase.version}: factor {body.factor:.3f}")
