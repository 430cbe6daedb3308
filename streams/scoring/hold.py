"""Tables of revoked partitions, kept for a while: an eager rebalance often gives them straight back."""

from __future__ import annotations

from dataclasses import dataclass

from streams.clock import Clock
from streams.scoring.partition import Partition

_MAX_AGE_SECONDS = 3600.0
"""Half of the changelog's delete.retention.ms at most; older ones could bring erased customers back."""
_MAX_ROWS = 5_000_000


@dataclass(frozen=True, slots=True)
class Held:
    """A table that equals its changelog up to offset `changelog_at`."""

    partition: Partition
    changelog_at: int
    since: float


class Shelf:
    """Held tables by partition."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[int, Held] = {}

    def put(self, partition: Partition, changelog_at: int) -> None:
        """Keeps a table; the oldest go when there are too many rows."""
        self._held[partition.number] = Held(partition, changelog_at, self._clock.monotonic())
        while sum(len(held.partition.engine.table) for held in self._held.values()) > _MAX_ROWS:
            oldest = min(self._held.values(), key=lambda held: held.since)
            del self._held[oldest.partition.number]

    def take(self, number: int, log_start: int) -> Held | None:
        """Gives a table back, unless it is too old or its changelog offset is below the log's start."""
        held = self._held.pop(number, None)
        if held is None or self._clock.monotonic() - held.since > _MAX_AGE_SECONDS or held.changelog_at < log_start:
            return None
        return held

    def clear(self) -> None:
        """Drops all of them."""
        self._held.clear()
