"""Champions of every family with plausible figures, so that a benchmark scores with everything on."""

from __future__ import annotations

import numpy as np

from models.features import COUNT, HABITS, catalogue_hash
from models.snapshot import (
    Behaviour,
    Body,
    Champion,
    Cluster,
    Family,
    Logistic,
    Manifest,
    Score,
    Snapshot,
    Usual,
    Value,
    content_hash,
    encode,
)


def bodies(seed: int = 0) -> dict[Family, Body]:
    """One body for each family: 8 clusters, two logistic models on all features, value, usual values."""
    rng = np.random.default_rng(seed)
    mean, scale = rng.uniform(0.2, 2.0, COUNT).tolist(), rng.uniform(0.5, 2.0, COUNT).tolist()
    habits = len(HABITS)
    clusters = [
        Cluster(k + 1, f"Kind {k + 1}", "made for a benchmark", [], 0.125, rng.normal(0.0, 1.0, habits).tolist())
        for k in range(8)
    ]

    def logistic() -> Logistic:
        return Logistic(mean, scale, rng.normal(0.0, 0.2, COUNT).tolist(), 0.0, 1.0, 0.0, 0.5)

    return {
        "behaviour": Behaviour([0.5] * habits, [0.5] * habits, clusters, 0.9),
        "churn": logistic(),
        "purchase": logistic(),
        "value": Value(30.0, 1.0, 25.0, 2.0, [50.0, 200.0]),
        "usual": Usual(rng.uniform(0.0, 2.0, COUNT).tolist(), [1.0] * COUNT),
    }


def records(epoch: int, partitions: int) -> list[tuple[bytes, bytes]]:
    """Snapshots and their manifest as the learner writes them to `models`: (key, value)."""
    out: list[tuple[bytes, bytes]] = []
    champions: dict[Family, Champion] = {}
    for family, body in bodies().items():
        data = encode(Snapshot(family, 1, epoch, 1000, catalogue_hash(), body, Score()))
        champions[family] = Champion(content_hash(data), 1, epoch, "benchmark", "made for a benchmark")
        out.append((b"snapshot|" + content_hash(data).encode(), data))
    manifest = Manifest(epoch, champions, 1, [0] * partitions, [], "0" * 64, {})
    out.append((b"manifest|%013d" % epoch, encode(manifest)))
    return out
