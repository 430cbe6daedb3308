"""Present and challenging kinds of customers, measured on the same customers in one frame."""

from __future__ import annotations

import msgspec
import numpy as np

from models.learning.batch import F8
from models.learning.config import LearnerConfig
from models.learning.contest import Seat, Verdict
from models.learning.scoring import cluster_distances, squared_distances
from models.learning.seeding import silhouette
from models.snapshot import Behaviour, Tally


class Measured(msgspec.Struct, frozen=True):
    """Sums over the customers tested: squared distance to the nearest centre, and simplified silhouette."""

    inertia: float = 0.0
    silhouette: float = 0.0


class KindContest(msgspec.Struct, frozen=True):
    """`n` customers tested since the challenger was frozen; `spread`: their summed squared distance to the mean customer."""

    champion: Seat | None = None
    challenger: Seat | None = None
    n: int = 0
    spread: float = 0.0
    mine: Measured = Measured()
    theirs: Measured = Measured()
    ready: bool = False


def behaviour(seat: Seat) -> Behaviour:
    """The body of a snapshot of kinds."""
    body = seat.snapshot.body
    assert isinstance(body, Behaviour)
    return body


def examine(contest: KindContest, habits: F8) -> tuple[KindContest, Tally | None]:
    """Tests both on an epoch's customers, [n, H] transformed; the tally is the champion's (None without one)."""
    n = len(habits)
    if not n:
        return contest, None
    mine = None
    if contest.champion is not None:
        distances = cluster_distances(behaviour(contest.champion), habits)
        mine = Tally(n, inertia=float(distances.min(axis=1).sum()))
    if contest.challenger is None:
        return contest, mine
    frame = behaviour(contest.challenger)
    mean, scale = np.array(frame.mean), np.array(frame.scale)
    contest = msgspec.structs.replace(
        contest,
        n=contest.n + n,
        spread=contest.spread + float((((habits - mean) / scale) ** 2).sum()),
        mine=_measure(contest.mine, contest.champion, habits, mean, scale),
        theirs=_measure(contest.theirs, contest.challenger, habits, mean, scale),
    )
    return contest, mine


def judge(contest: KindContest, epoch: int, config: LearnerConfig) -> Verdict:
    """Closer to its customers by the gate's share wins; with another number of kinds, the better silhouette."""
    if contest.challenger is None:
        return Verdict(False, False, "nobody challenges")
    if contest.n < config.first_tests:
        return Verdict(False, False, f"tested on {contest.n} customers; {config.first_tests} are needed")
    theirs = behaviour(contest.challenger)
    if contest.champion is None:
        explained = 1.0 - contest.theirs.inertia / max(contest.spread, 1e-12)
        if explained <= 0.1:
            return Verdict(False, True, f"explains {explained:.0%} of how customers differ over {contest.n} customers")
        figures = f"{len(theirs.clusters)} kinds explain {explained:.0%} of how {contest.n} customers differ"
        return Verdict(True, True, f"the first: {figures}")
    mine = behaviour(contest.champion)
    if len(mine.clusters) != len(theirs.clusters):
        gain = (contest.theirs.silhouette - contest.mine.silhouette) / contest.n
        figures = f"silhouette {contest.theirs.silhouette / contest.n:.3f}, {gain:+.3f}, over {contest.n} customers"
    else:
        gain = 1.0 - contest.theirs.inertia / max(contest.mine.inertia, 1e-12)
        figures = f"squared distance to customers {-gain:+.1%} over {contest.n} of them"
    over = epoch - contest.challenger.snapshot.created >= config.cycle_ms
    if not over and gain <= config.gate_clear * config.gate_inertia:
        return Verdict(False, False, f"not yet judged: {figures}")
    won = gain > config.gate_inertia
    version = contest.champion.snapshot.version
    return Verdict(won, True, f"{'better' if won else 'not better'} than version {version}: {figures}")


def _measure(before: Measured, seat: Seat | None, habits: F8, mean: F8, scale: F8) -> Measured:
    """Each customer goes to the cluster that the snapshot gives; distances are those of the common frame."""
    if seat is None:
        return before
    body = behaviour(seat)
    members = cluster_distances(body, habits).argmin(axis=1)
    raw = np.array([c.centre for c in body.clusters]) * np.array(body.scale) + np.array(body.mean)
    distances = squared_distances((habits - mean) / scale, (raw - mean) / scale)
    return Measured(
        before.inertia + float(distances[np.arange(len(habits)), members].sum()),
        before.silhouette + silhouette(distances) * len(habits),
    )
