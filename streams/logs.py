"""How processes log: one line an occurrence on stderr, for people or as JSON for machines."""

import logging
import sys
import time
from typing import Literal

import msgspec

LogFormat = Literal["text", "json"]
LogLevel = Literal["info", "debug"]

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
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else logging.WARNING)


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
