"""What an event costs the engine with millions of customers, beside ten thousand: look-up, kernel and reasons.

python -m tests.benchmarks.growth [CUSTOMERS]: prints a JSON line. CPU of the thread, both tables by turns, median of the
rounds' ratios; keys drawn evenly, and by Zipf's law. Without a number 5 million, or 2 million where memory is short.
"""

from __future__ import annotations

import json
import statistics
import sys
import time

import numpy as np

from models.engine import Engine
from models.kernel.tables import I8
from tests.benchmarks.machine import available_gib, in_huge_pages
from tests.benchmarks.population import BATCH, DAY, DAYS, START, events, fill, ids, new_engine

_FEW = 10_000
_MANY, _FEWER = 5_000_000, 2_000_000
_NEEDED_GIB = 12.0
_ROUNDS = 7
_BATCHES = 40
_A_COMMIT = 10
"""Batches in a transaction."""
_PAGE = 1
_STEP_MS = 1
_BEFORE = 6
_CATEGORIES, _CHANNELS = 15, 4
_PRIME = 7_368_787
"""Strews ranks over a table, each to a place of its own."""


def evenly(customers: int, n: int, rng: np.random.Generator) -> I8:
    """Every customer is as active as the next."""
    return rng.integers(0, customers, n)


def by_zipf(customers: int, n: int, rng: np.random.Generator) -> I8:
    """The customer of rank k is seen in proportion to 1 / k; ranks lie strewn over the table."""
    ranks: I8 = np.minimum(np.exp(rng.random(n) * np.log(customers)).astype(np.int64), customers) - 1
    return np.asarray(ranks * _PRIME % customers)


class Stream:
    """Page views of an engine's customers, on and on. Each customer has a favourite category, and a device.

    Each has had some before: who comes back after weeks moves, and few customers would be through with that much sooner. What
    is compared is customers, not changes: of both tables' events hardly any may move a membership.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine, self.at, self.moved = engine, START + (DAYS + 1) * DAY, 0
        self._rng = np.random.default_rng(1)
        for _ in range(_BEFORE):
            self.cost(np.arange(len(engine.table)))

    def cost(self, numbers: I8) -> float:
        """CPU us an event of these customers, in batches and transactions."""
        spent, outcome = 0.0, np.empty(BATCH, np.uint8)
        behaviour = np.full(BATCH, _PAGE, np.uint8)
        for turn, start in enumerate(range(0, len(numbers), BATCH)):
            some = numbers[start : start + BATCH]
            keys, times = ids(some), self.at + np.arange(BATCH) * _STEP_MS
            self.at += BATCH * _STEP_MS
            batch = events(np.zeros(BATCH, np.int64), times, behaviour, self._rng)._replace(
                category=(some % _CATEGORIES).astype(np.uint8), channel=(some % _CHANNELS).astype(np.uint8)
            )
            begun = time.thread_time()
            batch = batch._replace(row=self.engine.table.locate(keys))
            for decisions in self.engine.apply(batch, outcome):
                self.moved += len(decisions)
            spent += time.thread_time() - begun
            if turn % _A_COMMIT == _A_COMMIT - 1:
                self.engine.forget()
        return spent / len(numbers) * 1e6


def main() -> None:
    """Prints us an event with few and with many customers, and how they compare."""
    many = int(sys.argv[1]) if len(sys.argv) > 1 else _MANY if available_gib() > _NEEDED_GIB else _FEWER
    sizes = (_FEW, many)
    streams: dict[int, Stream] = {}
    for size in sizes:
        engine = new_engine()
        fill(engine, size)
        streams[size] = Stream(engine)
    name = f"growth_{many // 1_000_000}m_over_10k"
    row: dict[str, object] = {"customers": many, "growth_in_huge_pages": round(in_huge_pages(), 2)}
    rng = np.random.default_rng(2)
    for law, draw in (("", evenly), ("_zipf", by_zipf)):
        for stream in streams.values():
            stream.cost(draw(len(stream.engine.table), BATCH * _A_COMMIT, rng))
            stream.moved = 0
        rounds = [{size: streams[size].cost(draw(size, BATCH * _BATCHES, rng)) for size in sizes} for _ in range(_ROUNDS)]
        row[f"{name}{law}"] = round(statistics.median(found[many] / found[_FEW] for found in rounds), 2)
        row[f"growth_us{law}"] = {str(size): round(statistics.median(found[size] for found in rounds), 2) for size in sizes}
        seen = _ROUNDS * _BATCHES * BATCH
        row[f"growth_moved_per_event{law}"] = {str(size): round(streams[size].moved / seen, 4) for size in sizes}
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
