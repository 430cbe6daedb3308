"""Champion and challenger of a classifier, tested on the same matured samples before anybody learns them."""

from __future__ import annotations

import math

import msgspec

from models.evaluation import add, log_losses, pool, tally
from models.learning.batch import F8, Mask
from models.learning.config import LearnerConfig
from models.learning.scoring import logits
from models.snapshot import Logistic, Snapshot, Tally


class Seat(msgspec.Struct, frozen=True):
    """A snapshot in play, under its content hash."""

    hash: str
    snapshot: Snapshot


class Contest(msgspec.Struct, frozen=True):
    """One family's champion and challenger.

    `tests` of the challenger since it was frozen; `gain`: the champion's log loss less its, summed over those tests,
    `gain_squares` the sum of its squares. `ready`: it has passed and waits for a person.
    """

    champion: Seat | None = None
    challenger: Seat | None = None
    tests: Tally = Tally(0)
    gain: float = 0.0
    gain_squares: float = 0.0
    ready: bool = False


class Verdict(msgspec.Struct, frozen=True):
    """What is to become of a challenger: promoted, dropped, or neither yet; `reason` in words."""

    promote: bool
    drop: bool
    reason: str


def logistic(seat: Seat) -> Logistic:
    """The body of a classifier's snapshot."""
    body = seat.snapshot.body
    assert isinstance(body, Logistic)
    return body


def examine(contest: Contest, inputs: F8, labels: Mask) -> tuple[Contest, Tally | None]:
    """Tests both on an epoch's matured samples; the tally is the champion's (None without one)."""
    if not len(labels):
        return contest, None
    mine = None
    losses = None
    if contest.champion is not None:
        predicted = logits(logistic(contest.champion), inputs)
        mine, losses = tally(predicted, labels), log_losses(predicted, labels)
    if contest.challenger is None:
        return contest, mine
    predicted = logits(logistic(contest.challenger), inputs)
    gain = gain_squares = 0.0
    if losses is not None:
        gains = losses - log_losses(predicted, labels)
        gain, gain_squares = float(gains.sum()), float((gains * gains).sum())
    contest = msgspec.structs.replace(
        contest,
        tests=add((contest.tests, tally(predicted, labels))),
        gain=contest.gain + gain,
        gain_squares=contest.gain_squares + gain_squares,
    )
    return contest, mine


def judge(contest: Contest, epoch: int, config: LearnerConfig) -> Verdict:
    """Whether the challenger has won. Only its tests count, never how it did on what it had learnt."""
    if contest.challenger is None:
        return Verdict(False, False, "nobody challenges")
    score = pool([contest.tests])
    if contest.champion is None:
        labels = min(sum(contest.tests.positives), sum(contest.tests.negatives))
        if score.n < config.first_tests or labels < config.first_labels:
            needed = f"{config.first_tests} are needed, {config.first_labels} of either label"
            return Verdict(False, False, f"tested on {score.n} samples, {labels} of the rarer label; {needed}")
        if score.auc is None or score.auc <= config.first_auc:
            return Verdict(False, True, f"ranks too badly: area under the curve {score.auc or 0.5:.3f} over {score.n} tests")
        return Verdict(True, True, f"the first: area under the curve {score.auc:.3f} over {score.n} tests")
    if score.n < config.gate_tests:
        return Verdict(
            False, False, f"tested on {score.n} samples beside the champion; {config.gate_tests} in a cycle are needed"
        )
    gain = contest.gain / score.n
    error = math.sqrt(max(contest.gain_squares / score.n - gain * gain, 0.0) / score.n)
    over = epoch - contest.challenger.snapshot.created >= config.cycle_ms
    figures = f"log loss lower by {gain:.5f} (standard error {error:.5f}) over {score.n} tests"
    if not over and (gain <= config.gate_clear * config.gate_gain or gain <= 3.0 * error):
        return Verdict(False, False, f"not yet judged: {figures}")
    if gain > config.gate_gain and gain > error:
        return Verdict(True, True, f"better than version {contest.champion.snapshot.version}: {figures}")
    return Verdict(False, True, f"not better than version {contest.champion.snapshot.version}: {figures}")
