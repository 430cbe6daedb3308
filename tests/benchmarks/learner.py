"""What an epoch costs the learner when ten times as many customers come: it asks for fewer of them, so hardly more.

python -m tests.benchmarks.learner [CUSTOMERS]: prints a JSON line. Samples are made up; which customers are sampled, and how
many labels fall due, follows from what the learner's manifests ask for, as in the worker's sweep (`models.kernel.run`).
"""

from __future__ import annotations

import json
import statistics
import sys
import time

import numpy as np

from models.check import decode_manifest
from models.features import COUNT
from models.identity import hash_all
from models.learning.batch import Batch, Matured, Record, gather
from models.learning.config import DAY_MS, LearnerConfig
from models.learning.learner import Learner, Progress
from tests.benchmarks.population import ids
from tests.benchmarks.yardstick import Figures

CUSTOMERS = 60_000
TIMES = 10
CONFIG = LearnerConfig(partitions=4, horizon_days=5, sample_every_days=7)
_PHASES = round(CONFIG.cycle_ms / CONFIG.period_ms)
_EPOCHS, _COUNTED = 16, 6
_START = 19_000 * DAY_MS
_BOUGHT = 0.2


class Samples:
    """What the sweeps of so many customers give the learner, day by day."""

    def __init__(self, customers: int, seed: int) -> None:
        self.customers = customers
        self._rng = np.random.default_rng(seed)
        self._names = ids(np.arange(customers))
        self._hashes = hash_all(self._names)
        self._taken: dict[int, list[Record]] = {}

    def of(self, epoch: int, one_in: int) -> Batch:
        """An epoch's: those taken, and those whose horizon has passed."""
        h, rng = self._hashes, self._rng
        phase, kept = np.uint64(epoch % _PHASES), np.uint64(one_in)
        chosen = np.flatnonzero(((h >> np.uint64(8)) % np.uint64(_PHASES) == phase) & ((h >> np.uint64(40)) % kept == 0))
        figures = rng.exponential(1.0, (len(chosen), COUNT))
        at = _START + epoch * DAY_MS
        self._taken[epoch] = [
            Record(self._names[c].decode(), at, row, None) for c, row in zip(chosen.tolist(), figures.tolist(), strict=True)
        ]
        due = self._taken.pop(epoch - round(CONFIG.horizon_days), [])
        bought = rng.random(len(due)) < _BOUGHT
        matured = [
            sample._replace(outcome=Matured(3 * yes, yes, 30.0 * yes)) for sample, yes in zip(due, bought.tolist(), strict=True)
        ]
        return gather([*self._taken[epoch], *matured])


def cost(customers: int, seed: int = 1) -> Figures:
    """Seconds of CPU and samples of an epoch, medians of the last ones."""
    learner, samples, one_in = Learner(CONFIG), Samples(customers, seed), 1
    seconds, sizes = [], []
    for epoch in range(_EPOCHS):
        batch, at = samples.of(epoch, one_in), _START + epoch * DAY_MS
        begun = time.process_time()
        outcome = learner.epoch(at, batch, Progress(customers, (epoch,) * 4, (at,) * 4))
        seconds.append(time.process_time() - begun)
        sizes.append(len(batch))
        one_in = decode_manifest(outcome.manifest, name="the learner's").one_in
    return {
        "seconds": round(statistics.median(seconds[-_COUNTED:]), 3),
        "samples": round(statistics.median(sizes[-_COUNTED:])),
        "one_in": one_in,
    }


def main() -> None:
    """Prints both, and their ratio."""
    customers = int(sys.argv[1]) if len(sys.argv) > 1 else CUSTOMERS
    found = {str(n): cost(n) for n in (customers, TIMES * customers)}
    few, many = found.values()
    row = {
        "customers": customers,
        "growth_learner": round(many["seconds"] / few["seconds"], 2),
        "learner": found,
    }
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
