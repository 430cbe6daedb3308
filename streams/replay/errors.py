"""What can be wrong with a file to replay; all are `ReplayError`."""

from __future__ import annotations

from pathlib import Path

from streams.errors import ShoalError


class ReplayError(ShoalError):
    """A file, a mapping or a stream of events that cannot be replayed."""


class RowError(ReplayError):
    """One row that is no event: `fault` says which column and what to do."""

    def __init__(self, path: Path, line: int, fault: str) -> None:
        self.line = line
        self.fault = fault
        super().__init__(f"{path}, line {line}: {fault}")


class BadRows:
    """What to do with rows that are no events: raise at the first, or count them and keep the first few."""

    KEPT = 5

    def __init__(self, *, skip: bool = False) -> None:
        self._skip = skip
        self.count = 0
        self.first: list[str] = []

    def take(self, error: RowError) -> None:
        """Counts the row, or raises its error with the way out."""
        if not self._skip:
            raise ReplayError(f"{error}; or pass --skip-bad to leave such rows out and count them") from error
        self.count += 1
        if len(self.first) < self.KEPT:
            self.first.append(str(error))
