"""`shoal learn`: the learner as a process, with its metrics, ended by SIGTERM or Ctrl-C after what is under way."""

from __future__ import annotations

import logging
import signal
from types import FrameType

from prometheus_client import CollectorRegistry

from streams.broker.confluent import KafkaBroker, wait_for_broker
from streams.clock import WallClock
from streams.errors import BrokerError, Fenced
from streams.learning.shell import run_learner
from streams.metrics import Metrics, MetricsServer
from streams.settings import Settings

_LOG = logging.getLogger("shoal.learner")
_BROKER_WITHIN_S = 300.0


def main(settings: Settings) -> int:
    """Runs until a signal comes; 0. Raises ShoalError, whose sentence the command line shows."""
    asked: list[int] = []

    def ask(signum: int, _: FrameType | None) -> None:
        asked.append(signum)

    before = {signum: signal.signal(signum, ask) for signum in (signal.SIGTERM, signal.SIGINT)}
    metrics = Metrics(CollectorRegistry())
    ready: list[bool] = []
    server = MetricsServer(
        metrics.registry,
        settings.metrics_host,
        settings.metrics_port,
        lambda: (bool(ready), "" if ready else "waiting for the broker"),
    )
    try:
        _LOG.info("metrics at http://%s:%d/metrics", settings.metrics_host, server.port)
        while not asked:
            _learn(settings, asked, metrics, ready)
        _LOG.info("ended: what was begun is published")
    finally:
        server.close()
        for signum, handler in before.items():
            signal.signal(signum, handler)
    return 0


def _learn(settings: Settings, asked: list[int], metrics: Metrics, ready: list[bool]) -> None:
    """Until asked to end, or the broker is lost: then the last manifest in `models` says where to go on."""
    wait_for_broker(settings, _BROKER_WITHIN_S, _LOG.warning)
    try:
        ready.append(True)
        run_learner(settings, KafkaBroker(settings), WallClock(), lambda: bool(asked), metrics)
    except Fenced:
        raise
    except BrokerError as error:
        _LOG.warning("%s. Going on from the last manifest", error)
    finally:
        ready.clear()
