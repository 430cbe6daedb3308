"""Batch k-means to start from: k-means++ seeds, Lloyd's steps, and how many kinds there are.

Sources: Arthur and Vassilvitskii, "k-means++" (2007); Hruschka's simplified silhouette, which compares distances to
centres instead of all pairs. Randomness is a generator handed in.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from models.learning.batch import F8, I8
from models.learning.scoring import squared_distances

_STARTS: Final = 8
_STEPS: Final = 40


class Clustering(NamedTuple):
    """Centres [k, d], the cluster of each point [n], and the mean squared distance to it."""

    centres: F8
    members: I8
    inertia: float


def plus_plus(points: F8, k: int, generator: np.random.Generator) -> F8:
    """k seeds among `points` [n, d], far from each other."""
    centres = [points[int(generator.integers(len(points)))]]
    nearest = ((points - centres[0]) ** 2).sum(axis=1)
    for _ in range(1, k):
        total = float(nearest.sum())
        if total <= 0.0:
            chosen = int(generator.integers(len(points)))
        else:
            chosen = min(int(np.searchsorted(np.cumsum(nearest), generator.random() * total)), len(points) - 1)
        centres.append(points[chosen])
        nearest = np.minimum(nearest, ((points - points[chosen]) ** 2).sum(axis=1))
    return np.array(centres)


def lloyd(points: F8, centres: F8) -> Clustering:
    """Lloyd's steps until nobody moves. An empty cluster starts again at the point that is farthest from its centre."""
    members = np.full(len(points), -1, np.int64)
    for _ in range(_STEPS):
        distances = squared_distances(points, centres)
        nearest = distances.argmin(axis=1)
        if (nearest == members).all():
            break
        members = nearest
        counts = np.bincount(members, minlength=len(centres))
        centres = centres.copy()
        for c in range(len(centres)):
            if counts[c]:
                centres[c] = points[members == c].mean(axis=0)
            else:
                centres[c] = points[int(distances.min(axis=1).argmax())]
    distances = squared_distances(points, centres)
    members = distances.argmin(axis=1)
    return Clustering(centres, members, float(distances.min(axis=1).mean()))


def cluster(points: F8, k: int, generator: np.random.Generator) -> Clustering:
    """The best of several starts."""
    best: Clustering | None = None
    for _ in range(_STARTS):
        tried = lloyd(points, plus_plus(points, k, generator))
        if best is None or tried.inertia < best.inertia - 1e-12:
            best = tried
    assert best is not None
    return best


def silhouette(distances: F8) -> float:
    """Simplified silhouette of squared distances [n, k]: 1 when each point is at its centre, 0 when between two."""
    if distances.shape[1] < 2:
        return 0.0
    two = np.sqrt(np.partition(distances, 1, axis=1)[:, :2])
    return float((1.0 - two[:, 0] / np.maximum(two[:, 1], 1e-12)).mean())
