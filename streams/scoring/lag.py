"""How far a worker is behind the ends of its inputs."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from streams.broker.protocol import Connection
from streams.errors import BrokerError
from streams.scoring.meter import Meter
from streams.scoring.partition import Partition

log = logging.getLogger(__name__)

_SECONDS = 5.0
"""How often each input is asked how far it reaches, one at a time: four in a row took 10 ms."""


class Lag:
    """Asks the broker about one partition at a time, in turn."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._at, self._turn = 0.0, 0

    def look(self, now: float, connection: Connection, running: Sequence[Partition]) -> None:
        """Asks about the next one, if it is time (now: monotonic seconds). While the broker is away the lag stays what it was."""
        if not running or now - self._at <= _SECONDS / len(running):
            return
        self._at = now
        self._turn += 1
        partition = running[self._turn % len(running)]
        try:
            _, end = connection.watermarks(partition.events_tp)
        except BrokerError as error:
            log.debug("the lag of partition %d is unknown: %s", partition.number, error)
            return
        self._meter.lag(partition.number, end - partition.events_at)
