"""What a sweep of a million customers costs the engine: when nobody moves, and on the days after, when few do.

python -m tests.benchmarks.sweep [CUSTOMERS]: prints a JSON line. CPU seconds of the thread, medians, samples taken too.
"""

from __future__ import annotations

import json
import statistics
import sys
import time

from models.engine import Engine
from tests.benchmarks.population import DAY, DAYS, START, fill, new_engine

_PHASES = 7
_EPOCH_CAP = 20_000
_BUDGET = 10_000
_TIMES = 3
_MOST_SETTLING = 10


def sweep(engine: Engine, at: int) -> tuple[float, int]:
    """A whole sweep at time `at` (ms): CPU seconds, memberships that moved."""
    one_in = max(1, -(-len(engine.table) // _PHASES // _EPOCH_CAP))
    start, place, moved = time.thread_time(), 0, 0
    while place < len(engine.table):
        stretch = engine.sweep(at, place, at // DAY % _PHASES, _PHASES, one_in, _BUDGET)
        place, moved = stretch.end, moved + len(stretch.decisions)
        engine.forget()
    return time.thread_time() - start, moved


def main() -> None:
    """Prints CPU seconds a million customers."""
    customers = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    engine = new_engine()
    fill(engine, customers)
    start = time.thread_time()
    engine.table.order()
    sorting = time.thread_time() - start
    at = START + (DAYS + 1) * DAY
    for _ in range(_MOST_SETTLING):
        _, moved = sweep(engine, at)
        if not moved:
            break
    still = [sweep(engine, at) for _ in range(_TIMES)]
    later = [sweep(engine, at + (day + 1) * DAY) for day in range(_TIMES)]
    million = 1e6 / customers
    row = {
        "customers": customers,
        "sweep_seconds_per_million": round(statistics.median(s for s, _ in still) * million, 3),
        "sweep_moved": max(moved for _, moved in still),
        "sweep_moving_seconds_per_million": round(statistics.median(s for s, _ in later) * million, 3),
        "sweep_moving_moved": round(statistics.median(moved for _, moved in later) * million),
        "sweep_sort_seconds_per_million": round(sorting * million, 3),
    }
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
