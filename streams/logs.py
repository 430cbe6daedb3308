"""How processes log: one line an occurrence on stderr, for people or as JSON for machines."""

import logging
import re
import sys
import time
from collections.abc import Callable
from typing import Literal

import msgspec

LogFormat = Literal["text", "json"]
LogLevel = Literal["info", "debug"]

_FIGURES = re.compile(r"\d+")
_KINDS = 1_000

# Chatty at INFO, and nothing there that an operator acts on.
_QUIET = ("faust", "mode", "aiokafka", "asyncio", "numba")


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One occurrence as JSON: `at` RFC 3339 in UTC with milliseconds, `error` the traceback if there is one."""

    at: str
    level: str
    process: str
    logger: str
    message: str
    error: str | None = None


def start_logging(process: str, log_format: LogFormat = "text", level: LogLevel = "info") -> None:
    """Sends what this process logs to stderr, with its name in each line. Called once, by a process that is not a view."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(process) if log_format == "json" else TextLines(process))
    handler.addFilter(Repeats(time.monotonic))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else logging.WARNING)


class Repeats(logging.Filter):
    """Lets one line of its kind through in so many seconds: a client that cannot connect tells so 20 times a second.

    Lines are of one kind when they differ in figures only. Our own messages, below warning, always pass.
    """

    def __init__(self, monotonic: Callable[[], float], seconds: float = 10.0) -> None:
        super().__init__()
        self._monotonic, self._seconds = monotonic, seconds
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is to be written."""
        if record.levelno < logging.WARNING:
            return True
        kind = _FIGURES.sub("0", record.getMessage())
        now = self._monotonic()
        if now - self._last.get(kind, -self._seconds) < self._seconds:
            return False
        if len(self._last) >= _KINDS:
            self._last.clear()
        self._last[kind] = now
        return True


class TextLines(logging.Formatter):
    """`12:00:01.250 work-0 info: restored partition 3`"""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """The line, and the traceback below it if there is one."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        line = f"{clock}.{int(record.msecs):03d} {self._process} {record.levelname.lower()}: {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonLines(logging.Formatter):
    """Each occurrence a JSON object, see `Line`."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """The object."""
        at = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"
        error = self.formatException(record.exc_info) if record.exc_info else None
        line = Line(at, record.levelname.lower(), self._process, record.name, record.getMessage(), error)
        return msgspec.json.encode(line).decode()
