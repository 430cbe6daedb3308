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
from models.learning.naming import Named, portraits
from models.learning.scoring import squared_distances
from models.snapshot import Behaviour, Cluster

FEWEST, MOST = 5, 8
_POOL: Final = 512
_POOL_STEP: Final = 64
_DIGITS: Final = 4
_SLOWEST: Final = 0.003
"""Least step of a centre towards a customer: it forgets over some hundreds of its customers."""
_FLOOR: Final = 0.1
_REMEMBERED: Final = 5_000
"""Customers that mean and spread of habits reach back to: those of long ago knew the shop less."""
_CLIP: Final = 6.0
_FADE: Final = 0.9
_TINY: Final = 0.01
_MARGIN: Final = 0.8
"""Squared distances: a customer changes kind when another centre is nearer by about a tenth."""
_OTHERWISE: Final = 0.98
"""New seeds are taken instead of the present centres only if the squared distances fall below this share."""
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


class Remembered(msgspec.Struct, frozen=True):
    """What a kind was called."""

    id: int
    named: Named


class Kinds(msgspec.Struct, frozen=True):
    """Everything that is needed to go on. `pool`: habits of recent customers, transformed, the oldest first; at most 512."""

    scaler: Scaler = Scaler()
    seen: int = 0
    pool: list[list[float]] = []
    line: Line | None = None
    last_id: int = 0
    first_seeded: int = 0
    seeded: int = 0
    named: list[Remembered] = []


def learn(kinds: Kinds, inputs: F8) -> Kinds:
    """After the customers of an epoch, habits [n, H] transformed."""
    if not len(inputs):
        return kinds
    scaler = learn_scaler(msgspec.structs.replace(kinds.scaler, n=min(kinds.scaler.n, _REMEMBERED)), inputs)
    wanted = max(_POOL_STEP, _POOL - len(kinds.pool))
    # Evenly spaced in the order of ids, which says nothing of habits.
    picks = np.unique(np.linspace(0, len(inputs) - 1, min(wanted, len(inputs))).astype(np.int64))
    pool = (kinds.pool + np.round(inputs[picks], _DIGITS).tolist())[-_POOL:]
    line = _learn_line(kinds.line, inputs) if kinds.line is not None else None
    return msgspec.structs.replace(kinds, scaler=scaler, seen=kinds.seen + len(inputs), pool=pool, line=line)


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
    old = np.zeros((0, len(HABITS)))
    old_ids: list[int] = []
    if kinds.line is not None:
        raw = np.array(kinds.line.centres) * np.array(kinds.line.scale) + np.array(kinds.line.mean)
        old, old_ids = (raw - mean) / scale, kinds.line.ids
    chosen = _choose(points, old, generator)
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
    """A cycle after the first, then each second cycle; after one if a kind has almost nobody left."""
    if kinds.line is None:
        return False
    counts = np.array(kinds.line.counts)
    soon = kinds.seeded == kinds.first_seeded or counts.min() < _TINY * counts.sum()
    return at - kinds.seeded >= (cycle_ms if soon else 2 * cycle_ms)


def portrayed(kinds: Kinds) -> tuple[Kinds, Behaviour]:
    """The line as a snapshot's body, its kinds named; and the names remembered."""
    line = kinds.line
    assert line is not None
    centres = np.array(line.centres) * np.array(line.scale) + np.array(line.mean)
    found = portraits(line.ids, centres, *frame(kinds), {kind.id: kind.named for kind in kinds.named})
    total = max(sum(line.counts), 1e-12)
    clusters = [
        Cluster(i, portrait.named.name, portrait.description, portrait.distinct, count / total, centre)
        for i, portrait, count, centre in zip(line.ids, found, line.counts, line.centres, strict=True)
    ]
    named = [Remembered(i, portrait.named) for i, portrait in zip(line.ids, found, strict=True)]
    body = Behaviour(line.mean, line.scale, sorted(clusters, key=lambda c: c.id), _MARGIN)
    return msgspec.structs.replace(kinds, named=named), body


def _choose(points: F8, present: F8, generator: np.random.Generator) -> seeding.Clustering:
    """The number of kinds with the best silhouette. The present centres [k, H] have a start of their own, and a bonus."""
    best: seeding.Clustering | None = None
    best_score = -np.inf
    fewest, most = (max(FEWEST, len(present) - 1), min(MOST, len(present) + 1)) if len(present) else (FEWEST, MOST)
    for k in range(fewest, most + 1):
        tried = seeding.cluster(points, k, generator)
        score = seeding.silhouette(squared_distances(points, tried.centres))
        if k == len(present):
            same = seeding.lloyd(points, present)
            if tried.inertia > _OTHERWISE * same.inertia:
                tried, score = same, seeding.silhouette(squared_distances(points, same.centres))
            score += _BETTER
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
