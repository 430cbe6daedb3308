"""Bytes a customer: growth of resident memory from no customers to a million, after a sweep has taken its samples.

python -m tests.benchmarks.memory [CUSTOMERS]: prints a JSON line.
"""

from __future__ import annotations

import json
import sys

import numpy as np

from models.champions import champions
from models.definitions import compile_definitions
from models.engine import Engine
from models.identity import hash_all
from models.kernel.tables import Events
from models.snapshot import Snapshot
from streams.presets import load_definitions
from tests.benchmarks.champions import snapshots
from tests.benchmarks.machine import resident

_PARTITIONS = 4
_DAY = 86_400_000
_EPOCH_CAP = 20_000


def fill(engine: Engine, first: int, last: int) -> None:
    """One order of each customer."""
    for start in range(first, last, 2000):
        n = min(2000, last - start)
        keys = [b"c%07d" % c for c in range(start, start + n)]
        full = np.full(n, 7, np.uint8)
        events = Events(
            engine.table.locate(keys), np.full(n, 20_000 * _DAY), np.zeros(n, np.int64), full, np.full(n, 25.0), np.zeros(n),
            np.full(n, 3, np.uint8), np.full(n, 1, np.uint8), np.zeros(n, np.uint8), hash_all(keys),
        )  # fmt: skip
        for _ in engine.apply(events, np.empty(n, np.uint8)):
            pass
        engine.forget()


def sweep(engine: Engine, at: int, one_in: int) -> None:
    """A whole sweep, with samples kept pending."""
    place = 0
    while place < len(engine.table):
        stretch = engine.sweep(at, place, at // _DAY % 7, 7, one_in, 10_000)
        if len(stretch.sampled):
            engine.pending.take(engine.table, at, stretch.sampled, stretch.features)
        place = stretch.end
        engine.forget()


def main() -> None:
    """Prints bytes a customer."""
    customers = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    program = compile_definitions(load_definitions("retail"))
    known: dict[str, Snapshot] = dict(snapshots(0))
    ready = champions({snapshot.family: snapshot for snapshot in known.values()})
    engines = [Engine(program, ready) for _ in range(_PARTITIONS)]
    for engine in engines:
        fill(engine, 0, 1)
        sweep(engine, 20_000 * _DAY, 1)
    before = resident()
    share = customers // _PARTITIONS
    one_in = max(1, -(-customers // 7 // _EPOCH_CAP))
    for p, engine in enumerate(engines):
        fill(engine, p * share, (p + 1) * share)
    for day in range(30):
        for engine in engines:
            sweep(engine, (20_001 + day) * _DAY, one_in)
    grown = resident() - before
    pending = sum(len(engine.pending) for engine in engines)
    print(
        json.dumps(
            {"customers": customers, "bytes_per_customer": round(grown / customers), "pending_samples": pending, "one_in": one_in}
        )
    )


if __name__ == "__main__":
    main()
