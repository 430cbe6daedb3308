"""Kinds of customers: river's online k-means over habits, in a frame that stays put from one seeding to the next."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

import msgspec
import numpy as np
from river import cluster as river_cluster

from models.learning import seeding
from models.learning.batch import F8
from models.learning.classifiers import Scaler, learn_scaler, scale_of, spaced
from models.learning.matching import MOST as MOST_IDS
from models.learning.matching import match
from models.learning.naming import Named, portraits
from models.learning.scoring import squared_distances
from models.snapshot import Behaviour, Cluster

FEWEST, MOST = 5, 8
_POOL: Final = 512
_POOL_STEP: Final = 64
_DIGITS: Final = 3
_SLOWEST: Final = 0.006
"""Least step of a centre towards a customer: it forgets over some hundreds of its customers."""
_FLOOR: Final = 0.1
_REMEMBERED: Final = 5_000
"""Customers that mean and spread of habits reach back to: those of long ago knew the shop less."""
_CLIP: Final = 6.0
_STEPS: Final = 256
"""Customers of an epoch that move the centres: the work of an epoch is bounded, and the next seeding looks at all alike."""
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
    counts: list[float]
    seen: int


class Remembered(msgspec.Struct, frozen=True):
    """What a kind is called."""

    id: int
    named: Named


class Kinds(msgspec.Struct, frozen=True):
    """Everything that is needed to go on. `pool`: habits of recent customers, transformed, the oldest first; at most 512.

    `last_id`: the last one given to a kind that was promoted. `named`: the champion's kinds; `proposed`: the challenger's.
    """

    scaler: Scaler = Scaler()
    seen: int = 0
    pool: list[list[float]] = []
    line: Line | None = None
    first_seeded: int = 0
    seeded: int = 0
    last_id: int = 0
    named: list[Remembered] = []
    proposed: list[Remembered] = []


def learn(kinds: Kinds, inputs: F8) -> Kinds:
    """After the customers of an epoch, habits [n, H] transformed."""
    if not len(inputs):
        return kinds
    scaler = learn_scaler(msgspec.structs.replace(kinds.scaler, n=min(kinds.scaler.n, _REMEMBERED)), inputs)
    wanted = max(_POOL_STEP, _POOL - len(kinds.pool))
    pool = (kinds.pool + np.round(spaced(inputs, wanted), _DIGITS).tolist())[-_POOL:]
    line = advance(kinds.line, inputs) if kinds.line is not None else None
    return msgspec.structs.replace(kinds, scaler=scaler, seen=kinds.seen + len(inputs), pool=pool, line=line)


def ready(kinds: Kinds) -> bool:
    """Whether enough customers are known to seed from."""
    return len(kinds.pool) >= 200


def frame(kinds: Kinds) -> tuple[F8, F8]:
    """Mean and scale [H] that make habits comparable."""
    return np.array(kinds.scaler.mean), scale_of(kinds.scaler, _FLOOR)


def seeded(kinds: Kinds, at: int, generator: np.random.Generator, allowed: tuple[int, int] = (FEWEST, MOST)) -> Kinds:
    """A new line seeded from the pool; the present one has a start of its own. `allowed`: least and greatest number of kinds."""
    mean, scale = frame(kinds)
    points = np.clip((np.array(kinds.pool) - mean) / scale, -_CLIP, _CLIP)
    present = np.zeros((0, points.shape[1]))
    if kinds.line is not None:
        present = (raw_centres(kinds.line) - mean) / scale
    chosen = _choose(points, present, generator, allowed)
    counts = np.bincount(chosen.members, minlength=len(chosen.centres)).astype(np.float64)
    line = Line(mean.tolist(), scale.tolist(), chosen.centres.tolist(), counts.tolist(), len(points))
    return msgspec.structs.replace(kinds, line=line, first_seeded=kinds.first_seeded or at, seeded=at)


def raw_centres(body: Line | Behaviour) -> F8:
    """Centres [k, H] in transformed units, out of their frame."""
    centres = body.centres if isinstance(body, Line) else [c.centre for c in body.clusters]
    raw: F8 = np.array(centres) * np.array(body.scale) + np.array(body.mean)
    return raw


def seeding_due(kinds: Kinds, at: int, cycle_ms: int) -> bool:
    """A cycle after the first, then each second cycle; after one if a kind has almost nobody left."""
    if kinds.line is None:
        return False
    counts = np.array(kinds.line.counts)
    soon = kinds.seeded == kinds.first_seeded or counts.min() < _TINY * counts.sum()
    return at - kinds.seeded >= (cycle_ms if soon else 2 * cycle_ms)


def portrayed(kinds: Kinds, champion: Behaviour | None) -> tuple[Kinds, Behaviour]:
    """The line as a snapshot's body: each kind with the id of the champion's that it continues, and a name."""
    line = kinds.line
    assert line is not None
    mean, scale = frame(kinds)
    centres = raw_centres(line)
    old = np.zeros((0, centres.shape[1])) if champion is None else (raw_centres(champion) - mean) / scale
    old_ids = [] if champion is None else [c.id for c in champion.clusters]
    ids = match(old, old_ids, (centres - mean) / scale, kinds.last_id).ids
    found = portraits(ids, centres, mean, scale, {kind.id: kind.named for kind in kinds.named})
    total = max(sum(line.counts), 1e-12)
    clusters = [
        Cluster(i, portrait.named.name, portrait.description, portrait.distinct, count / total, centre)
        for i, portrait, count, centre in zip(ids, found, line.counts, line.centres, strict=True)
    ]
    proposed = [Remembered(i, portrait.named) for i, portrait in zip(ids, found, strict=True)]
    body = Behaviour(line.mean, line.scale, sorted(clusters, key=lambda c: c.id), _MARGIN)
    return msgspec.structs.replace(kinds, proposed=proposed), body


def promoted(kinds: Kinds, before: Behaviour | None, after: Behaviour) -> tuple[Kinds, list[str]]:
    """What is remembered of the new champion; and which kinds were born and ended with it, in words."""
    were = {c.id: c.name for c in before.clusters} if before is not None else {}
    are = {c.id: c.name for c in after.clusters}
    born = [i for i in are if i not in were]
    # Ids were given in a row that goes round: the last is the one farthest on from where it began.
    last = max(born, key=lambda i: (i - kinds.last_id - 1) % MOST_IDS, default=kinds.last_id)
    proposed = {kind.id: kind.named for kind in kinds.proposed}
    # An older version may be promoted too: its names stay, whatever they were made of.
    named = [Remembered(i, proposed[i] if i in proposed and proposed[i].name == n else Named(n, [])) for i, n in are.items()]
    notes = []
    if before is not None:
        notes = [f"kind {i} was born: {are[i]}" for i in born]
        notes += [f"kind {i} ended: {name}" for i, name in were.items() if i not in are]
    return msgspec.structs.replace(kinds, last_id=last, named=named), notes


def _choose(points: F8, present: F8, generator: np.random.Generator, allowed: tuple[int, int]) -> seeding.Clustering:
    """The number of kinds with the best silhouette. The present centres [k, H] have a start of their own, and a bonus."""
    best: seeding.Clustering | None = None
    best_score = -np.inf
    fewest, most = allowed
    if len(present):
        fewest, most = max(fewest, len(present) - 1), min(most, len(present) + 1)
    for k in range(fewest, most + 1):
        tried = seeding.cluster(points, k, generator)
        score = seeding.silhouette(squared_distances(points, tried.centres))
        if k == len(present):
            same = seeding.lloyd(points, present)
            if tried.inertia > _OTHERWISE * same.inertia:
                tried, score = same, seeding.silhouette(squared_distances(points, same.centres))
            score += _BETTER
        if np.bincount(tried.members, minlength=k).min() < _TINY * len(points):
            score -= _BETTER
        if score > best_score + 1e-12:
            best, best_score = tried, score
    assert best is not None
    return best


def advance(line: Line, inputs: F8) -> Line:
    """The line after an epoch's customers [n, H], of which it takes a bounded number: one river step each."""
    inputs = spaced(inputs, _STEPS)
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
