"""Kinds of customers: river's online k-means over habits, in a frame that stays put from one seeding to the next."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

import msgspec
import numpy as np
from river import cluster as river_cluster

from models.features import HABITS
from models.learning import seeding
from models.learning.batch import F8
from models.learning.classifiers import Scaler, learn_scaler, scale_of
from models.learning.matching import match
from models.learning.scoring import squared_distances

FEWEST, MOST = 5, 8
_POOL: Final = 512
_POOL_STEP: Final = 64
_DIGITS: Final = 4
_SLOWEST: Final = 0.003
"""Least step of a centre towards a customer: it forgets over some hundreds of its customers."""
_FLOOR: Final = 0.1
_CLIP: Final = 6.0
_FADE: Final = 0.9
_TINY: Final = 0.01
_BETTER: Final = 0.02
"""Another number of kinds is taken only if its silhouette is better by this: so the number rarely changes."""


class Line(msgspec.Struct, frozen=True):
    """Centres [k][H] as they move, standardised with `mean` and `scale`; `counts`: members, fading; `seen` since seeding."""

    mean: list[float]
    scale: list[float]
    centres: list[list[float]]
    ids: list[int]
    counts: list[float]
    seen: int


class Kinds(msgspec.Struct, frozen=True):
    """Everything that is needed to go on. `pool`: habits of recent customers, transformed, the oldest first; at most 512."""

    scaler: Scaler = Scaler()
    pool: list[list[float]] = []
    line: Line | None = None
    last_id: int = 0
    first_seeded: int = 0
    seeded: int = 0


def learn(kinds: Kinds, inputs: F8) -> Kinds:
    """After the customers of an epoch, habits [n, H] transformed."""
    if not len(inputs):
        return kinds
    scaler = learn_scaler(kinds.scaler, inputs)
    wanted = max(_POOL_STEP, _POOL - len(kinds.pool))
    # Evenly spaced in the order of ids, which says nothing of habits.
    picks = np.unique(np.linspace(0, len(inputs) - 1, min(wanted, len(inputs))).astype(np.int64))
    pool = (kinds.pool + np.round(inputs[picks], _DIGITS).tolist())[-_POOL:]
    line = _learn_line(kinds.line, inputs) if kinds.line is not None else None
    return msgspec.structs.replace(kinds, scaler=scaler, pool=pool, line=line)


def ready(kinds: Kinds) -> bool:
    """Whether enough customers are known to seed from."""
    return len(kinds.pool) >= 200


def frame(kinds: Kinds) -> tuple[F8, F8]:
    """Mean and scale [H] that make habits comparable."""
    return np.array(kinds.scaler.mean), scale_of(kinds.scaler, _FLOOR)


def seeded(kinds: Kinds, at: int, generator: np.random.Generator) -> tuple[Kinds, list[str]]:
    """A new line seeded from the pool, its ids matched to the present one's; and what became of the ids, in words."""
    mean, scale = frame(kinds)
    points = np.clip((np.array(kinds.pool) - mean) / scale, -_CLIP, _CLIP)
    present = len(kinds.line.ids) if kinds.line is not None else 0
    chosen = _choose(points, present, generator)
    old = np.zeros((0, len(HABITS)))
    old_ids: list[int] = []
    if kinds.line is not None:
        raw = np.array(kinds.line.centres) * np.array(kinds.line.scale) + np.array(kinds.line.mean)
        old, old_ids = (raw - mean) / scale, kinds.line.ids
    matched = match(old, old_ids, chosen.centres, kinds.last_id)
    counts = np.bincount(chosen.members, minlength=len(chosen.centres)).astype(np.float64)
    line = Line(mean.tolist(), scale.tolist(), chosen.centres.tolist(), matched.ids, counts.tolist(), len(points))
    notes = [f"kind {i} was born" for i in matched.born if old_ids] + [f"kind {i} ended" for i in matched.ended]
    kinds = msgspec.structs.replace(
        kinds,
        line=line,
        last_id=matched.born[-1] if matched.born else kinds.last_id,
        first_seeded=kinds.first_seeded or at,
        seeded=at,
    )
    return kinds, notes


def seeding_due(kinds: Kinds, at: int, cycle_ms: int) -> bool:
    """After a cycle, then at doubling ages, then each four cycles; at once if a kind has almost nobody left."""
    if kinds.line is None:
        return False
    counts = np.array(kinds.line.counts)
    if counts.min() < _TINY * counts.sum() and at - kinds.seeded >= cycle_ms:
        return True
    return at - kinds.seeded >= min(4 * cycle_ms, max(cycle_ms, kinds.seeded - kinds.first_seeded))


def _choose(points: F8, present: int, generator: np.random.Generator) -> seeding.Clustering:
    best: seeding.Clustering | None = None
    best_score = -np.inf
    for k in range(FEWEST, MOST + 1):
        tried = seeding.cluster(points, k, generator)
        score = seeding.silhouette(squared_distances(points, tried.centres)) + (_BETTER if k == present else 0.0)
        if score > best_score + 1e-12:
            best, best_score = tried, score
    assert best is not None
    return best


def _learn_line(line: Line, inputs: F8) -> Line:
    """One river step for each customer, from explicit centres to explicit centres."""
    standard = np.clip((inputs - np.array(line.mean)) / np.array(line.scale), -_CLIP, _CLIP)
    k, width = len(line.centres), inputs.shape[1]
    kmeans = river_cluster.KMeans(n_clusters=k, halflife=max(_SLOWEST, k / (line.seen + k)), seed=0)
    # Integer keys, all set: river draws no random coordinate and meets them in one order.
    kmeans.centers = {c: defaultdict(float, enumerate(centre)) for c, centre in enumerate(line.centres)}
    counts = [count * _FADE for count in line.counts]
    for row in standard.tolist():
        counts[kmeans.learn_predict_one(dict(enumerate(row)))] += 1.0  # type: ignore[no-untyped-call]
    centres = [[float(kmeans.centers[c][j]) for j in range(width)] for c in range(k)]
    return msgspec.structs.replace(line, centres=centres, counts=counts, seen=line.seen + len(inputs))
