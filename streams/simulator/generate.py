"""Generates the shop's events day by day, and tells the truth about its customers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from streams.replay.errors import ReplayError
from streams.replay.event import ReplayEvent, iso_ms
from streams.simulator.day import days
from streams.simulator.encode import CallEncoder
from streams.simulator.personas import swapped
from streams.simulator.population import Config, churned_ms, populate

SimEvent = ReplayEvent
"""A simulated record is one as a replay writes it."""


class Truth(msgspec.Struct, frozen=True):
    """What a customer really is. `churned_at`: when it fell silent for good, RFC 3339; null while it is there.

    `persona_after`: whose habits it has from the drift on; null without one.
    """

    customer: str
    persona: str
    churned_at: str | None
    persona_after: str | None = None


def generate_events(config: Config) -> Iterator[Sequence[SimEvent]]:
    """The events of each day, in order of time over all days: the same bytes for the same configuration."""
    encoder = CallEncoder(config, populate(config))
    for number, events in days(config):
        yield encoder.encode(number, events)


def truth(config: Config) -> Iterator[Truth]:
    """One line a customer, in the order of their numbers."""
    population = populate(config)
    names = [persona.name for persona in config.personas]
    swap = swapped(len(names))
    drifts = config.drift_at is not None and config.drift_at < config.days
    never = np.iinfo(np.int64).max
    churned = churned_ms(config, population).tolist()
    for name, persona, at in zip(population.ids, population.persona.tolist(), churned, strict=True):
        after = names[swap[persona]] if drifts else None
        yield Truth(name, names[persona], iso_ms(at) if at != never else None, after)


def write_truth(config: Config, path: Path) -> int:
    """Writes it as JSON lines; gives how many. Raises ReplayError when the file cannot be written."""
    count = 0
    try:
        with path.open("wb") as file:
            for line in truth(config):
                file.write(msgspec.json.encode(line) + b"\n")
                count += 1
    except OSError as error:
        raise ReplayError(f"the truth cannot be written to {path}: {error.strerror}") from error
    return count
