"""Samples of made-up customers for the learner's tests: four persuasions that differ in habits and in what they will buy."""

from collections.abc import Sequence

import numpy as np

from models.features import COUNT, INDEX
from models.learning.batch import Batch, Matured, Record, gather
from models.learning.config import DAY_MS, LearnerConfig
from models.learning.learner import Learner, Outcome, Progress

CUSTOMERS = 400
HORIZON = 10
EVERY = 3
CONFIG = LearnerConfig(
    partitions=2, horizon_days=HORIZON, sample_every_days=EVERY, first_tests=150, gate_tests=200, gate_gain=0.0
)
START = 1_700_006_400_000
"""Midnight, ms."""


def at(epoch: int) -> int:
    """Time of the epoch's tick, ms."""
    return START + epoch * DAY_MS


def records(epochs: int, seed: int = 11) -> list[list[Record]]:
    """Each day's samples: a third of the customers, and those of `HORIZON` days ago with what came of them."""
    generator = np.random.default_rng(seed)
    persuasion = generator.integers(0, 4, CUSTOMERS)
    days: list[list[Record]] = []
    taken: dict[int, list[Record]] = {}
    for epoch in range(epochs):
        fresh = []
        for c in range(epoch % EVERY, CUSTOMERS, EVERY):
            kind = int(persuasion[c])
            features = generator.exponential(1.0, COUNT)
            features[INDEX["orders_90d"]] = kind + generator.exponential(0.3)
            features[INDEX["mobile_share"]] = 0.9 if kind % 2 else 0.1
            features[INDEX["night_share"]] = 0.8 if kind > 1 else 0.05
            features[INDEX["orders"]] = generator.integers(1, 9)
            features[INDEX["average_order"]] = 20.0 * (1 + kind)
            fresh.append(Record(f"c{c:04d}", at(epoch), features.tolist(), None))
        taken[epoch] = fresh
        matured = []
        for sample in taken.pop(epoch - HORIZON, []):
            bought = bool(generator.random() < 0.15 + 0.2 * persuasion[int(sample.customer_id[1:])])
            matured.append(sample._replace(outcome=Matured(int(bought) * 3, int(bought), 30.0 * bought)))
        days.append([*fresh, *matured])
    return days


def batches(epochs: int, seed: int = 11) -> list[Batch]:
    """The same as the core takes them."""
    return [gather(day) for day in records(epochs, seed)]


def progress(epoch: int) -> Progress:
    """Some place in the input that is different after each epoch."""
    return Progress(CUSTOMERS, (10 * epoch + 7, epoch), (at(epoch), at(epoch)))


def learn(learner: Learner, days: Sequence[Batch], first: int = 0) -> list[Outcome]:
    """Days `first` and later, one epoch each."""
    return [learner.epoch(at(e), days[e], progress(e)) for e in range(first, len(days))]
