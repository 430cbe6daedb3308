"""What a check found."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """ok; warn: it works, but look; fail: it does not."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: what was looked at, what was seen and, unless it is well, what to do."""

    level: Level
    what: str
    seen: str
    todo: str = ""


Findings = Iterator[Finding]


def ok(what: str, seen: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, what, seen)


def warn(what: str, seen: str, todo: str) -> Finding:
    """It works, but somebody should look."""
    return Finding(Level.WARN, what, seen, todo)


def fail(what: str, seen: str, todo: str) -> Finding:
    """It does not work."""
    return Finding(Level.FAIL, what, seen, todo)
