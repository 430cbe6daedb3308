"""`shoal work`: one scoring process, or several side by side."""

from __future__ import annotations

import gc
import logging
import signal
import subprocess
import sys
import time
from types import FrameType

from prometheus_client import CollectorRegistry

from models.definitions import compile_definitions
from streams.broker.confluent import KafkaBroker, wait_for_broker
from streams.clock import Clock, WallClock
from streams.errors import ShoalError
from streams.metrics import Metrics, serve_metrics
from streams.presets import load_definitions, load_taxonomy
from streams.scoring.worker import Worker
from streams.settings import Settings
from streams.topics import require_topics

log = logging.getLogger(__name__)


class Stop:
    """True once SIGTERM or SIGINT has come."""

    def __init__(self) -> None:
        self._asked = False
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGINT, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked = True

    def __call__(self) -> bool:
        return self._asked


def settle_memory() -> None:
    """Has the collector leave alone what is there for good, and look rarely: the loop makes no cycles (15 % less CPU)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)


def work(settings: Settings, slot: int, clock: Clock) -> int:
    """Runs one worker until SIGTERM; gives the exit code."""
    stop = Stop()
    wait_for_broker(settings, 60.0, log.warning)
    require_topics(settings)
    taxonomy = load_taxonomy(settings.taxonomy)
    program = compile_definitions(load_definitions(settings.definitions))
    metrics = Metrics(CollectorRegistry())
    worker = Worker(settings, KafkaBroker(settings), clock, taxonomy, program, metrics, slot)

    def ready() -> tuple[bool, str]:
        waiting = [number for number, held in worker.slots.items() if not held.running]
        return (False, f"restoring partitions {waiting}") if waiting else (True, "")

    port = serve_metrics(
        metrics.registry, settings.metrics_host, settings.metrics_port + slot if settings.metrics_port else 0, ready
    )
    log.info("worker %d: metrics at http://%s:%d/metrics", slot, settings.metrics_host, port)
    settle_memory()
    worker.run(stop)
    return 0


def main(settings: Settings, *, processes: int = 1, slot: int = 0, clock: Clock | None = None) -> int:
    """`processes` workers with slots `slot`, `slot` + 1, ...: each slot may live once at a time over all machines.

    Should this process be killed, they end too (`streams.cli.leash`).
    """
    if processes == 1:
        return work(settings, slot, clock or WallClock())
    command = [sys.executable, "-m", "streams.cli.leash", "work", *sys.argv[2:], "--processes", "1", "--slot"]
    children = [subprocess.Popen([*command, str(slot + k)], stdin=subprocess.PIPE) for k in range(processes)]
    stop = Stop()
    try:
        while not stop() and all(child.poll() is None for child in children):
            time.sleep(0.2)
    finally:
        for child in children:
            child.terminate()
        codes = [child.wait() for child in children]
    failed = [code for code in codes if code not in (0, -signal.SIGTERM)]
    if failed:
        raise ShoalError(
            f"{len(failed)} of {processes} workers ended with an error (exit codes {codes}); see their messages above"
        )
    return 0
