"""The topics that a worker reads and writes, by their full names."""

from __future__ import annotations

from typing import NamedTuple

from streams.settings import Settings


class Topics(NamedTuple):
    """Full names."""

    events: str
    commands: str
    state: str
    segments: str
    changes: str
    samples: str
    journal: str
    dead: str
    models: str


def topics_of(settings: Settings) -> Topics:
    """The topics of a deployment."""
    names = ("events", "commands", "state", "segments", "segment-changes", "samples", "journal", "events.dlq", "models")
    return Topics(*map(settings.topic, names))
