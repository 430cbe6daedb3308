"""Hands the worker's plain counts over to the metrics, once a commit."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from streams.broker.protocol import Message
from streams.metrics import Metrics
from streams.scoring.library import Library
from streams.scoring.partition import Counts, Partition

_FLAPS_OVER = 2_000


def arrived(queue: deque[Message]) -> list[int]:
    """When some of the waiting records were appended, ms: the first, the middle and the last of them."""
    n = len(queue)
    return [queue[k].timestamp()[1] for k in ((0, n // 2, n - 1) if n > 2 else range(n))]


class Meter:
    """Measures the loop. Durations are of the machine's own clock, whatever clock drives the sweeps."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._arrivals: list[int] = []
        self._started = False
        self._recent_changes = self._recent_flaps = 0

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Around one partition's turn."""
        if not self._started:
            self._started = True
            self._metrics.startup_cpu_seconds.set(time.process_time())
        start = time.perf_counter()
        yield
        self._metrics.batch_seconds.observe(time.perf_counter() - start)

    @contextmanager
    def commit(self) -> Iterator[None]:
        """Around a commit."""
        start = time.perf_counter()
        yield
        self._metrics.commit_seconds.observe(time.perf_counter() - start)

    def took(self, arrivals: Sequence[int]) -> None:
        """Records appended at these times are in the open transaction."""
        self._arrivals.extend(arrivals)

    def committed(self, now_ms: int, partitions: Sequence[Partition], library: Library) -> None:
        """Everything counted since the last commit is durable."""
        m = self._metrics
        if self._arrivals:
            waited = (time.time_ns() // 1_000_000 - np.array(self._arrivals, np.float64)) / 1000.0
            m.end_to_end_seconds.observe_all(np.maximum(waited, 0.0))
            self._arrivals.clear()
        for partition in partitions:
            counts, partition.counts = partition.counts, Counts()
            self._count(counts)
        m.customers.set(sum(len(partition.engine.table) for partition in partitions))
        m.snapshots_refused.inc(library.refused)
        m.definitions_refused.inc(library.refused_definitions)
        library.refused = library.refused_definitions = 0
        swept = max((partition.cursor.swept for partition in partitions), default=-1)
        if swept >= 0:
            m.event_time_seconds.set(swept / 1000)
        for partition in partitions[:1]:
            for family, version in partition.engine.champions.versions.items():
                m.model_version.labels(family).set(version)

    def _count(self, counts: Counts) -> None:
        m = self._metrics
        m.events.inc(counts.applied)
        m.duplicates.inc(counts.duplicates)
        m.late.inc(counts.late)
        m.future.inc(counts.future)
        m.no_message_id.inc(counts.no_message_id)
        m.samples.inc(counts.samples)
        m.sweep_rows.inc(counts.swept_rows)
        for seconds in counts.sweep_seconds:
            m.sweep_seconds.observe(seconds)
        m.flaps.inc(counts.flaps)
        for kind, count in counts.dead.items():
            m.dead_letters.labels(kind).inc(count)
        for segmentation, count in counts.changes.items():
            m.changes.labels(segmentation).inc(count)
        if counts.unknown:
            m.unknown_names.add(counts.unknown)
        self._recent_changes += sum(counts.changes.values())
        self._recent_flaps += counts.flaps
        if self._recent_changes > _FLAPS_OVER:
            m.flap_ratio.set(self._recent_flaps / self._recent_changes)
            self._recent_changes = self._recent_flaps = 0

    def aborted(self) -> None:
        """A transaction was given up."""
        self._arrivals.clear()
        self._metrics.transactions_aborted.inc()

    def lag(self, partition: int, records: int) -> None:
        """So many records of `events` are not read yet."""
        self._metrics.consumer_lag.labels(str(partition)).set(max(0, records))

    def restored(self, seconds: float) -> None:
        """A partition is whole again after so long."""
        self._metrics.restore_seconds.observe(seconds)

    def rebalanced(self) -> None:
        """Partitions were assigned."""
        self._metrics.rebalances.inc()

    def owns(self, partitions: int) -> None:
        """So many partitions are ours."""
        self._metrics.partitions_assigned.set(partitions)

    def restoring(self, ratio: float) -> None:
        """How far restore has come."""
        self._metrics.restore_progress_ratio.set(ratio)
