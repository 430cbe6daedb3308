"""Every metric that Shoal exports, declared once, and the small HTTP server for /metrics, /healthz and /readyz.

The hot path stays clear of this: a worker counts in plain integers and hands the sums over once a batch.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
from numpy.typing import NDArray
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from streams.errors import SettingsError

Ready = Callable[[], tuple[bool, str]]
"""Whether the process can do its work now, and if not, a sentence that says why."""

END_TO_END_BUCKETS = (
    0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.35, 0.5, 0.75,
    1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 300.0, 600.0,
)  # fmt: skip
"""Seconds, 5 ms to 10 minutes; quantiles are read between them, so they lie close where the promise lies."""

_WORK_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_LONG_BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_NAMES_KEPT = 20
_OTHER_NAMES = "(others)"


class Metrics:
    """The metrics of one process, in its own registry. A process leaves alone what it does not do.

    No label ever holds a customer's id: `partition`, `segmentation`, `family`, `score` and `reason` are small sets, and
    `name` is bounded.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, comment: str, *labels: str) -> Counter:
            return Counter(f"shoal_{name}", comment, labels, registry=registry)

        def gauge(name: str, comment: str, *labels: str) -> Gauge:
            return Gauge(f"shoal_{name}", comment, labels, registry=registry)

        def histogram(name: str, comment: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"shoal_{name}", comment, buckets=buckets, registry=registry)

        self.registry = registry

        # what came in
        self.events = counter("events", "Behaviour events applied to a customer")
        self.duplicates = counter("duplicates", "Events dropped: the customer's last message ids hold theirs")
        self.late = counter("late", "Events older than the customer's last one, applied with their own decay")
        self.future = counter("future", "Events dated ahead of the clock beyond the tolerance, clamped to it")
        self.no_message_id = counter("no_message_id", "Events without a messageId, which cannot be deduplicated")
        self.dead_letters = counter("dead_letters", "Events that could not be used, by reason", "reason")
        self.unknown_names = NameCounter(
            counter("unknown_names", "Events whose name the taxonomy does not know; the top names only", "name")
        )
        self.consumer_lag = gauge("consumer_lag", "Records of events not yet read, by partition", "partition")
        self.event_time_seconds = gauge("event_time_seconds", "Time that the input has reached, seconds since 1970")

        # what went out
        self.changes = counter("changes", "Memberships that moved, by segmentation", "segmentation")
        self.flaps = counter("flaps", "Memberships that moved back to where they came from")
        self.flap_ratio = gauge("flap_ratio", "Share of changes that were flaps, lately")
        self.customers = gauge("customers", "Customers in the tables of this process")
        self.samples = counter("samples", "Samples written for the learner")

        # how it goes
        self.batch_seconds = histogram("batch_seconds", "Time to decode and apply a batch", _WORK_BUCKETS)
        self.commit_seconds = histogram("commit_seconds", "Time to commit a transaction", _WORK_BUCKETS)
        self.transactions_aborted = counter("transactions_aborted", "Transactions given up; their input is read again")
        self.end_to_end_seconds = BulkHistogram(
            "shoal_end_to_end_seconds",
            "Time from an event's arrival in its topic to the commit that shows its effects",
            END_TO_END_BUCKETS,
        )
        registry.register(self.end_to_end_seconds)
        self.restore_progress_ratio = gauge("restore_progress_ratio", "How much of the state is restored, 0 to 1")
        # A process without state, or with all of it, has nothing left to restore.
        self.restore_progress_ratio.set(1.0)
        self.restore_seconds = histogram("restore_seconds", "Time to restore a partition's state", _LONG_BUCKETS)
        self.sweep_seconds = histogram("sweep_seconds", "Time of a sweep over a partition", _LONG_BUCKETS)
        self.sweep_rows = counter("sweep_rows", "Customers that sweeps looked at")
        self.partitions_assigned = gauge("partitions_assigned", "Partitions of events that this process owns")
        self.rebalances = counter("rebalances", "Times that partitions were assigned or taken away")
        self.startup_cpu_seconds = gauge("startup_cpu_seconds", "CPU spent before the first batch")

        # what it knows
        self.model_version = gauge("model_version", "Version of the champion", "family")
        self.model_score = gauge("model_score", "Running test score of the champion", "family", "score")
        self.model_drift = gauge("model_drift", "1 while drift is seen in the family's losses, else 0", "family")
        self.snapshots_refused = counter("snapshots_refused", "Snapshots or manifests that could not be used")
        self.definitions_refused = counter("definitions_refused", "Definitions that could not be used")

        # the learner
        self.learner_epoch_seconds = histogram("learner_epoch_seconds", "Time to learn an epoch", _LONG_BUCKETS)
        self.learner_samples = counter("learner_samples", "Samples learnt")
        self.learner_samples_rejected = counter("learner_samples_rejected", "Samples refused: not finite, or malformed")

        if Path("/proc/self/stat").is_file():
            ProcessCollector(registry=registry)
        else:
            registry.register(_ProcessCpu())


class NameCounter:
    """Counts by name as long as there are few names; the rest together, so that a hostile input adds no series."""

    def __init__(self, counter: Counter, kept: int = _NAMES_KEPT) -> None:
        self._counter, self._kept = counter, kept
        self._seen: set[str] = set()

    def add(self, counts: Mapping[str, int]) -> None:
        """Adds a batch's counts; the more frequent names get the free places."""
        for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            if name not in self._seen and len(self._seen) < self._kept:
                self._seen.add(name)
            self._counter.labels(name if name in self._seen else _OTHER_NAMES).inc(count)


class BulkHistogram(Collector):
    """A histogram that takes a batch of observations at the price of one numpy call."""

    def __init__(self, name: str, comment: str, buckets: tuple[float, ...]) -> None:
        self._name, self._comment = name, comment
        self._bounds = np.array(buckets, np.float64)
        self._counts = np.zeros(len(buckets) + 1, np.int64)
        self._sum = 0.0

    def observe(self, seconds: float, count: int = 1) -> None:
        """`count` observations of the same duration."""
        self._counts[bisect_left(self._bounds, seconds)] += count
        self._sum += seconds * count

    def observe_all(self, seconds: NDArray[np.float64]) -> None:
        """Observations of shape (n,), in seconds."""
        places = np.searchsorted(self._bounds, seconds, side="left")
        self._counts += np.bincount(places, minlength=len(self._counts))
        self._sum += float(seconds.sum())

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """What Prometheus reads: cumulative counts up to each bound."""
        bounds = [*(f"{bound:g}" for bound in self._bounds), "+Inf"]
        cumulative = np.cumsum(self._counts).tolist()
        yield HistogramMetricFamily(
            self._name, self._comment, buckets=list(zip(bounds, cumulative, strict=True)), sum_value=self._sum
        )


class _ProcessCpu(Collector):
    """`process_cpu_seconds_total` on systems without /proc, where prometheus_client has none."""

    def collect(self) -> Iterable[CounterMetricFamily]:
        yield CounterMetricFamily(
            "process_cpu_seconds", "Total user and system CPU time spent in seconds", value=time.process_time()
        )


class MetricsServer:
    """Serves /metrics, /healthz (the process lives) and /readyz (it can do its work) from a thread of its own."""

    def __init__(self, registry: CollectorRegistry, host: str, port: int, ready: Ready) -> None:
        try:
            self._server = ThreadingHTTPServer((host, port), _handler(registry, ready))
        except OSError as error:
            raise SettingsError(
                f"metrics_host {host}, metrics_port {port}",
                [f"{error.strerror or error}: choose another port, or 0 for a free one"],
            ) from error
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, args=(0.1,), name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Frees the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve_metrics(registry: CollectorRegistry, host: str, port: int, ready: Ready) -> int:
    """Starts serving for as long as the process lives; returns the port, which with `port` 0 is a free one.

    Raises SettingsError when the port is taken.
    """
    return MetricsServer(registry, host, port, ready).port


def _handler(registry: CollectorRegistry, ready: Ready) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(200, generate_latest(registry), CONTENT_TYPE_LATEST)
            elif path == "/healthz":
                self._answer(200, b"ok\n")
            elif path == "/readyz":
                is_ready, why = ready()
                self._answer(200 if is_ready else 503, f"{why or 'ready'}\n".encode())
            else:
                self._answer(404, b"there are /metrics, /healthz and /readyz\n")

        def _answer(self, status: int, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            """Scrapes are no news."""

    return Handler
