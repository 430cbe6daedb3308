"""What a limit comes to: a line of figures, and the laws that were broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Verdict:
    """said: figures and what was checked, in parts. wrong: sentences; none when all laws hold."""

    said: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def say(self, part: str) -> None:
        """Adds to the line."""
        self.said.append(part)

    def law(self, holds: bool, otherwise: str) -> None:
        """Something must hold; `otherwise` says what is the case if it does not."""
        if not holds:
            self.wrong.append(otherwise)

    def at_most(self, what: str, value: float, limit: float, unit: str = "") -> None:
        """A figure must not be above its limit."""
        self.law(value <= limit, f"{what}: {value:,.2f}{unit}, {limit:,.2f}{unit} is the limit")

    def equal(self, what: str, got: int, expected: int) -> None:
        """A count must be what it should be."""
        self.law(got == expected, f"{what}: {got:,} instead of {expected:,}")

    def __str__(self) -> str:
        return "; ".join(self.said)


Limit = Callable[[float, Path], Verdict]
"""Measures at a scale, 1 being the size that the limit is about, with a folder for logs."""
