"""One worker over a topic, whole and exactly-once, with every family's champion: prints its cost as a JSON line.

python -m tests.benchmarks.worker_process BOOTSTRAP [EVENTS] [--topic T] [--out T] [--follow] [--period-ms N]

CPU of this process (user and system, all threads) an event after a tenth of the events. With --follow it runs until SIGTERM,
and new champions come in while it does.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import time
import uuid
from collections.abc import Callable

from confluent_kafka import Producer
from prometheus_client import CollectorRegistry

from models.definitions import compile_definitions
from streams.broker.confluent import KafkaBroker
from streams.broker.protocol import Broker
from streams.clock import WallClock
from streams.metrics import Metrics
from streams.presets import load_definitions, load_taxonomy
from streams.scoring.main import Stop, settle_memory
from streams.scoring.topics import Topics, topics_of
from streams.scoring.worker import Worker
from streams.settings import Settings, load_settings
from tests.benchmarks.champions import records
from tests.benchmarks.load import make_topics
from tests.benchmarks.yardstick import Figures

_PARTITIONS = 4
_NEWS_AFTER_S = 16.0
"""When who follows is well under way."""


def usage() -> tuple[float, float]:
    """Wall and CPU seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), used.ru_utime + used.ru_stime


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bootstrap")
    parser.add_argument("events", type=int, nargs="?", default=1_200_000)
    parser.add_argument("--topic", default="bench.events")
    parser.add_argument("--out")
    parser.add_argument("--follow", action="store_true")
    parser.add_argument("--period-ms", type=int, help="between two sweeps; a day, if it is not given")
    return parser.parse_args()


def publish_champions(settings: Settings, epoch: int) -> None:
    """Puts champions of every family where the worker finds them."""
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers})
    for key, value in records(epoch, settings.partitions):
        producer.produce(topics_of(settings).models, value, key, partition=0)
    producer.flush(10)


def make_outputs(settings: Settings, topics: Topics) -> None:
    """The topics of `settings` that are the worker's own, with champions to decide. `topics`: which of them it uses."""
    own = topics_of(settings)
    make_topics(settings.bootstrap_servers, sorted(set(topics) & set(own) - {own.events, own.models}), settings.partitions)
    make_topics(settings.bootstrap_servers, [own.models], 1)
    publish_champions(settings, 0)


def new_worker(settings: Settings, topics: Topics, broker: Broker, slot: int = 0) -> tuple[Worker, Metrics]:
    """A worker of the retail presets that has not begun."""
    metrics = Metrics(CollectorRegistry())
    program = compile_definitions(load_definitions("retail"))
    return Worker(settings, broker, WallClock(), load_taxonomy("retail"), program, metrics, slot, topics=topics), metrics


def prepared(asked: argparse.Namespace) -> tuple[Worker, Metrics, Settings]:
    """A worker on topics of its own but for its input, with champions to decide."""
    prefix = f"bench.{uuid.uuid4().hex[:6]}."
    settings = load_settings(
        bootstrap_servers=asked.bootstrap, prefix=prefix, clock="wall", partitions=_PARTITIONS, period_ms=asked.period_ms
    )
    own = topics_of(settings)
    topics = own._replace(events=asked.topic, changes=asked.out or own.changes)
    make_outputs(settings, topics)
    return *new_worker(settings, topics, KafkaBroker(settings)), settings


def run(asked: argparse.Namespace, mark: Callable[[], object] = usage) -> Figures:
    """Runs the worker; gives its figures. `mark` is called where the measured stretch begins and where it ends."""
    worker, metrics, settings = prepared(asked)
    stop = Stop()
    worker.start()
    settle_memory()
    warm, start, done = asked.events // 10, usage(), 0
    warmed = 0
    news = time.monotonic() + _NEWS_AFTER_S if asked.follow else math.inf
    while not stop() and (asked.follow or done < asked.events):
        worker.step()
        if time.monotonic() > news:
            news = math.inf
            publish_champions(settings, 1)
        done = sum(slot.partition.events_at for slot in worker.slots.values())
        if not warmed and done >= warm:
            mark()
            warmed, start = done, usage()
    end = usage()
    mark()
    cursors = [slot.partition.cursor for slot in worker.slots.values()]
    worker.close()
    measured = max(1, done - warmed)
    changes = sum(
        sample.value for metric in metrics.changes.collect() for sample in metric.samples if sample.name.endswith("_total")
    )
    return {
        "contender": "Shoal worker", "events": done, "measured": measured,
        "cpu_us_per_event": round((end[1] - start[1]) / measured * 1e6, 2),
        "events_per_s": round(measured / (end[0] - start[0])), "changes": int(changes),
        "sweeps": sum(cursor.swept >= 0 for cursor in cursors), "adoptions": sum(cursor.epoch > 0 for cursor in cursors),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }  # fmt: skip


def main() -> None:
    """Runs the worker and prints its figures."""
    asked = arguments()
    row = run(asked)
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
