"""What a demo is fed with."""

from dataclasses import dataclass
from pathlib import Path

from streams.replay import ReplayReport, replay_file, replay_online_retail
from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class Input:
    """A file, a simulated shop of so many customers, or (neither) Online Retail."""

    file: Path | None = None
    customers: int | None = None
    seed: int = 1

    def describe(self) -> str:
        """What it is, for people."""
        if self.file is not None:
            return self.file.name
        if self.customers is not None:
            return f"{self.customers:,} simulated customers"
        return "a year of a real shop (Online Retail)"

    def write(self, settings: Settings) -> ReplayReport:
        """Writes all of it as fast as the broker takes it. Raises ShoalError."""
        if self.file is not None:
            return replay_file(settings, self.file)
        if self.customers is not None:
            from streams.simulator import simulate

            return simulate(settings, self.customers, seed=self.seed)
        return replay_online_retail(settings)
