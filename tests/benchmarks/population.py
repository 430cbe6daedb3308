"""Customers with a past, put straight into an engine: for what is measured without a broker."""

from __future__ import annotations

import numpy as np

from models.champions import champions
from models.definitions import compile_definitions
from models.engine import Engine
from models.kernel.tables import I8, U1, Events
from models.snapshot import Snapshot
from streams.presets import load_definitions
from tests.benchmarks.champions import snapshots

DAY = 86_400_000
START = 20_000 * DAY
DAYS = 60
BATCH = 2_000
STRETCH = 20_000
"""Customers settled in a transaction."""
_BEHAVIOURS = np.array([2, 4, 7, 10, 1], np.uint8)  # view, add, order, email_open, page
_SHARES = (0.4, 0.12, 0.04, 0.09, 0.35)
_EVENTS_EACH = 4
_ORDER = 7


def new_engine() -> Engine:
    """Of the retail definitions, with every family's champion."""
    known: dict[str, Snapshot] = dict(snapshots(0))
    ready = champions({snapshot.family: snapshot for snapshot in known.values()})
    return Engine(compile_definitions(load_definitions("retail")), ready)


def ids(numbers: I8) -> list[bytes]:
    """Customer ids."""
    return [b"c%07d" % c for c in numbers.tolist()]


def events(rows: I8, times: I8, behaviour: U1, rng: np.random.Generator) -> Events:
    """A batch, one entry a row. times: ms; an order is of 25."""
    n = len(rows)
    return Events(
        rows, times, np.zeros(n, np.int64), behaviour, np.where(behaviour == _ORDER, 25.0, 0.0), np.zeros(n),
        rng.integers(0, 15, n).astype(np.uint8), rng.integers(0, 4, n).astype(np.uint8), np.zeros(n, np.uint8),
        rng.integers(1, 2**62, n).astype(np.uint64),
    )  # fmt: skip


def settle(engine: Engine, first: int, last: int, seed: int = 0) -> None:
    """Gives customers first to last a past of a few events, in the open transaction.

    Their last ones lie spread over DAYS days after START.
    """
    rng = np.random.default_rng([seed, first])
    outcome = np.empty(BATCH, np.uint8)
    for begin in range(first, last, BATCH):
        rows = engine.table.locate(ids(np.arange(begin, min(last, begin + BATCH))))
        n = len(rows)
        life = rng.random(n) * DAYS * DAY
        for k in range(_EVENTS_EACH):
            times = (START + (k + rng.random(n)) / _EVENTS_EACH * life).astype(np.int64)
            for _ in engine.apply(events(rows, times, rng.choice(_BEHAVIOURS, n, p=_SHARES), rng), outcome[:n]):
                pass


def fill(engine: Engine, customers: int) -> None:
    """Settles so many customers, a transaction after another."""
    for first in range(0, customers, STRETCH):
        settle(engine, first, min(customers, first + STRETCH))
        engine.forget()
