"""A filter for the log: a library that says the same ten times a second is heard twice a minute."""

from __future__ import annotations

import logging
from collections.abc import Callable


class Seldom(logging.Filter):
    """Lets each message of the loggers below `name` pass once in `every` seconds of `clock`; all others always."""

    def __init__(self, name: str, every: float, clock: Callable[[], float]) -> None:
        super().__init__()
        self._below, self._every, self._clock = name, every, clock
        self._passed: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is heard. Messages are the same when their text without the arguments is."""
        if record.name != self._below and not record.name.startswith(f"{self._below}."):
            return True
        now, said = self._clock(), str(record.msg)
        if now - self._passed.get(said, now - self._every) < self._every:
            return False
        self._passed[said] = now
        return True
