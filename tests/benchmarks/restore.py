"""How long a worker that starts anew takes for a million customers' rows, from their changelog on Kafka.

python -m tests.benchmarks.restore BOOTSTRAP [CUSTOMERS]: prints a JSON line. The rows are written by the partitions' own
`flush` in transactions, and read by the worker's own `Restorer`, all partitions at once; then both sides are compared.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
import uuid

import numpy as np

from models.kernel.tables import U8
from streams.broker.confluent import KafkaBroker
from streams.clock import WallClock
from streams.presets import load_taxonomy
from streams.scoring.decode import Decode
from streams.scoring.partition import Partition, Sink
from streams.scoring.restore import Restorer
from streams.scoring.topics import topics_of
from streams.scoring.transaction import Transaction
from streams.settings import Settings, load_settings
from tests.benchmarks.load import make_topics
from tests.benchmarks.population import STRETCH, new_engine, settle

_PARTITIONS = 4
_TIMES = 3
_POLL_SECONDS = 0.005


def new_partition(settings: Settings, number: int, sink: Sink, *, decided: bool = True) -> Partition:
    """Empty, with champions to decide unless `decided` says that there are none yet."""
    taxonomy, engine = load_taxonomy("retail"), new_engine()
    decode = Decode(taxonomy, max_bytes=settings.max_event_bytes, max_amount=settings.max_amount)
    partition = Partition(number, topics_of(settings), engine.program, taxonomy, decode, sink, settings.future_tolerance_ms)
    if decided:
        partition.engine.adopt(champions=engine.champions)
    return partition


def fingerprint(partition: Partition) -> U8:
    """The same for the same rows, in whatever order they stand: how many, and their words xored."""
    n = len(partition.engine.table)
    return np.append(np.bitwise_xor.reduce(partition.engine.table.rows.u8[:n], axis=0), np.uint64(n))


def write(settings: Settings, broker: KafkaBroker, customers: int, *, decided: bool = True) -> list[U8]:
    """Writes the rows of so many customers, by champions or without; gives each partition's fingerprint."""
    connection = broker.connection(settings.group_name(), f"{settings.prefix}writer")
    transaction = Transaction(WallClock(), settings)
    transaction.belongs_to(connection)
    share, prints = customers // settings.partitions, []
    for number in range(settings.partitions):
        partition = new_partition(settings, number, transaction, decided=decided)
        for first in range(number * share, (number + 1) * share, STRETCH):
            settle(partition.engine, first, min(first + STRETCH, (number + 1) * share))
            partition.flush()
            transaction.commit({})
            partition.forget()
        prints.append(fingerprint(partition))
    connection.close()
    return prints


def restore(settings: Settings, broker: KafkaBroker, prints: list[U8]) -> tuple[float, float]:
    """Restores all partitions: wall and CPU seconds, all threads. Raises RuntimeError if rows differ from those written."""
    partitions = [new_partition(settings, number, Transaction(WallClock(), settings)) for number in range(_PARTITIONS)]
    restorer = Restorer(broker.reader(f"{settings.prefix}restore"))
    wall, cpu = time.perf_counter(), time.process_time()
    for partition in partitions:
        restorer.begin(partition, None)
    while restorer.busy:
        restorer.step(_POLL_SECONDS)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    restorer.close()
    if any((fingerprint(partition) != written).any() for partition, written in zip(partitions, prints, strict=True)):
        raise RuntimeError("the rows restored are not those that were written")
    return wall, cpu


def main() -> None:
    """Prints seconds a million customers."""
    bootstrap, customers = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    prefix = f"bench.{uuid.uuid4().hex[:6]}."
    settings = load_settings(bootstrap_servers=bootstrap, prefix=prefix, clock="wall", partitions=_PARTITIONS)
    make_topics(bootstrap, [topics_of(settings).state], _PARTITIONS)
    broker = KafkaBroker(settings)
    start = time.perf_counter()
    prints = write(settings, broker, customers)
    written = time.perf_counter() - start
    rounds = [restore(settings, broker, prints) for _ in range(_TIMES)]
    million = 1e6 / sum(int(p[-1]) for p in prints)
    row = {
        "customers": customers,
        "restore_seconds_per_million": round(statistics.median(wall for wall, _ in rounds) * million, 2),
        "restore_cpu_seconds_per_million": round(statistics.median(cpu for _, cpu in rounds) * million, 2),
        "restore_rounds": [round(wall * million, 2) for wall, _ in rounds],
        "restore_written_seconds": round(written, 1),
    }
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
