"""A learner resumed from its state goes on exactly as one that never stopped, whatever Python's hash seed."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from models.features import COUNT, INDEX
from models.learning.batch import Batch, Matured, Record, gather
from models.learning.config import DAY_MS, LearnerConfig
from models.learning.learner import Learner, Outcome, Progress

EPOCHS = 70
CONFIG = LearnerConfig(partitions=2, sample_every_days=3, horizon_days=10, first_tests=150, gate_tests=200)


def synthetic(epochs: int = EPOCHS, customers: int = 400, horizon: int = 10) -> list[Batch]:
    """Daily batches of customers of four persuasions, whose samples mature after `horizon` epochs."""
    generator = np.random.default_rng(11)
    persuasion = generator.integers(0, 4, customers)
    batches: list[Batch] = []
    taken: dict[int, list[Record]] = {}
    for epoch in range(epochs):
        at = epoch * DAY_MS
        fresh = []
        for c in range(epoch % 3, customers, 3):
            kind = int(persuasion[c])
            features = generator.exponential(1.0, COUNT)
            features[INDEX["orders_90d"]] = kind + generator.exponential(0.3)
            features[INDEX["mobile_share"]] = 0.9 if kind % 2 else 0.1
            features[INDEX["night_share"]] = 0.8 if kind > 1 else 0.05
            features[INDEX["orders"]] = generator.integers(1, 9)
            features[INDEX["average_order"]] = 20.0 * (1 + kind)
            fresh.append(Record(f"c{c:04d}", at, features.tolist(), None))
        taken[epoch] = fresh
        matured = []
        for sample in taken.pop(epoch - horizon, []):
            bought = bool(generator.random() < 0.15 + 0.2 * persuasion[int(sample.customer_id[1:])])
            matured.append(sample._replace(outcome=Matured(int(bought) * 3, int(bought), 30.0 * bought)))
        batches.append(gather([*fresh, *matured]))
    return batches


def learn(learner: Learner, batches: list[Batch], first: int = 0) -> list[Outcome]:
    return [learner.epoch(e * DAY_MS + 1, batches[e], Progress(400, (10 * e + 7, 3), (e, e))) for e in range(first, len(batches))]


def test_resuming_at_any_epoch_gives_the_same_bytes() -> None:
    batches = synthetic()
    whole = learn(Learner(CONFIG), batches)
    assert any(b'"purchase":{' in outcome.manifest for outcome in whole)
    for stop in range(EPOCHS - 1):
        resumed = Learner(CONFIG, whole[stop].state)
        assert (
            resumed.epoch((stop + 1) * DAY_MS + 1, batches[stop + 1], Progress(400, (10 * (stop + 1) + 7, 3), (stop + 1,) * 2))
            == whole[stop + 1]
        )
    for stop in (3, 25, 48):
        assert learn(Learner(CONFIG, whole[stop].state), batches, stop + 1) == whole[stop + 1 :]


def digest() -> str:
    outcomes = learn(Learner(CONFIG), synthetic())
    return hashlib.sha256(b"".join(o.manifest + o.state for o in outcomes)).hexdigest()


def test_the_hash_seed_changes_nothing() -> None:
    root = Path(__file__).parents[2]
    code = "import runpy; print(runpy.run_path('tests/unit/test_learning_resume.py')['digest']())"
    digests = set()
    for seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
        run = subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True, check=True)
        digests.add(run.stdout.strip())
    assert len(digests) == 1


def test_the_state_stays_small() -> None:
    outcomes = learn(Learner(CONFIG), synthetic())
    assert max(len(outcome.state) for outcome in outcomes) < 110_000
