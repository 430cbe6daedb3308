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
from streams.contracts.keys import manifest_key, snapshot_key


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
        return Logistic(mean, scale, rng.normal(0.0, 0.05, COUNT).tolist(), 0.0, 1.0, 0.0, 0.5)

    return {
        "behaviour": Behaviour([0.5] * habits, [0.5] * habits, clusters, 0.9),
        "churn": logistic(),
        "purchase": logistic(),
        "value": Value(30.0, 1.0, 25.0, 2.0, [50.0, 200.0]),
        "usual": Usual(rng.uniform(0.0, 2.0, COUNT).tolist(), [1.0] * COUNT),
    }


def snapshots(epoch: int) -> dict[str, Snapshot]:
    """One snapshot for each family, by content hash."""
    made = [Snapshot(family, 1, epoch, 1000, catalogue_hash(), body, Score()) for family, body in bodies().items()]
    return {content_hash(encode(snapshot)): snapshot for snapshot in made}


def records(epoch: int, partitions: int) -> list[tuple[bytes, bytes]]:
    """Snapshots and their manifest as the learner writes them to `models`: (key, value)."""
    made = snapshots(epoch)
    champions: dict[Family, Champion] = {
        snapshot.family: Champion(name, 1, epoch, "benchmark", "made for a benchmark") for name, snapshot in made.items()
    }
    manifest = Manifest(epoch, champions, 1, [0] * partitions, [], "0" * 64, {})
    return [
        *((snapshot_key(name), encode(snapshot)) for name, snapshot in made.items()),
        (manifest_key(epoch), encode(manifest)),
    ]
