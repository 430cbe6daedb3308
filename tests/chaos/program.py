"""How the programs that do harm speak and end."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

from streams.embedded import MissingPrerequisite
from streams.errors import ShoalError


def say(text: str) -> None:
    """A line, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def ended(name: str, body: Callable[[], int]) -> int:
    """A program's exit status: its body's; 3 where something that it needs is missing, 2 where it cannot go on, told.

    Processes and brokers that it has started end with it, also at SIGTERM.
    """
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        return body()
    except MissingPrerequisite as missing:
        say(f"{name}: {missing}")
        return 3
    except ShoalError as error:
        say(f"{name}: {error}")
        return 2
