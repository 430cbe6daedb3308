"""Where a limit takes place: a Kafka of its own, and on it a deployment's topics under one prefix after another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.embedded.control import start_broker
from streams.settings import Settings, load_settings
from streams.topics import create_topics
from tests.benchmarks.worker_process import publish_champions

PARTITIONS = 4
CUSTOMERS = 50_000


@dataclass(frozen=True, slots=True)
class Place:
    """servers: the broker's address. folder: for logs."""

    servers: str
    folder: Path

    def deployment(self, name: str, *, champions: bool = True, **given: Any) -> Settings:
        """The settings of a deployment whose topics are there, empty but for champions."""
        options = {"bootstrap_servers": self.servers, "prefix": f"{name}.", "clock": "wall", "partitions": PARTITIONS, **given}
        settings = load_settings(**options)
        create_topics(settings)
        if champions:
            publish_champions(settings, 0)
        return settings

    def logs(self, name: str) -> Path:
        """A folder for the logs of one deployment's workers."""
        folder = self.folder / name
        folder.mkdir()
        return folder


@contextmanager
def place(folder: Path) -> Iterator[Place]:
    """Starts a broker for one limit, and stops it at the end."""
    with start_broker("kafka") as broker:
        yield Place(broker.bootstrap_servers, folder)


def sized(number: int, scale: float, step: int = 1_000) -> int:
    """A size at a scale: a multiple of `step`, and at least that."""
    return max(step, round(number * scale / step) * step)
