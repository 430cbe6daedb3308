"""A worker's process as a limit sees it: its looks, its memory, its log; waited for, and stopped."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import msgspec

from streams.errors import ShoalError
from streams.settings import Settings
from tests.benchmarks.machine import resident
from tests.benchmarks.yardstick import ROOT
from tests.chaos.crew import Crew, last_words
from tests.limits.looks import CLOCK, COUNTS, LOOKS, Look

_LOOK_S = 0.05
_MB = 1 << 20
_ENDS_WITHIN_S = 60.0
_READY_WITHIN_S = 120.0
_look = msgspec.json.Decoder(Look).decode


@dataclass
class Member:
    """One life of a worker. memory: (s since 1970, MB), seen from outside."""

    process: subprocess.Popen[bytes]
    said: Path
    log: Path
    looks: list[Look] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    _read: int = 0

    def see(self) -> None:
        """Takes in what is new. Raises ShoalError with the last words of one that has ended."""
        if self.process.poll() is not None:
            raise ShoalError(f"the worker ended by itself ({self.process.returncode}): {last_words(self.log)}")
        self._take()
        self.memory.append((time.time(), resident(self.process.pid) / _MB))

    def _take(self) -> None:
        with self.said.open("rb") as file:
            file.seek(self._read)
            whole, end, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + len(end)
        self.looks += map(_look, whole.splitlines())

    def until(self, what: Callable[[Look], bool], within_s: float, otherwise: str) -> Look:
        """The first look from now on of which something is true. Raises ShoalError when there is none within so long."""
        deadline = time.monotonic() + within_s
        place = max(0, len(self.looks) - 1)
        while True:
            self.see()
            for look in self.looks[place:]:
                if what(look):
                    return look
            place = len(self.looks)
            if time.monotonic() > deadline:
                last = self.looks[-1] if self.looks else "it never said how it stands"
                raise ShoalError(f"{otherwise} within {within_s:.0f} s: {last}")
            time.sleep(_LOOK_S)

    def ready(self, partitions: int, within_s: float = _READY_WITHIN_S) -> Look:
        """When all partitions run."""
        return self.until(lambda look: len(look.applied) == partitions, within_s, f"not all {partitions} partitions run")

    def rest(self, seconds: float) -> None:
        """Looks on for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.see()
            time.sleep(_LOOK_S)

    def stop(self) -> None:
        """SIGTERM. Raises ShoalError if it ends badly, or not."""
        self.see()
        self.process.terminate()
        if code := self.process.wait(_ENDS_WITHIN_S):
            raise ShoalError(f"the worker ended with {code} after SIGTERM: {last_words(self.log)}")
        self._take()

    def told(self, words: str) -> int:
        """How many lines of its log have these words."""
        return sum(words in line for line in self.log.read_text(errors="replace").splitlines())


@contextmanager
def worker(
    settings: Settings, folder: Path, *, servers: str | None = None, clock: tuple[int, int] | None = None, counts: bool = False
) -> Iterator[Member]:
    """Starts one; it is killed at the end if it still runs.

    servers: by which it reaches the broker, instead of the settings'. clock: start and anchor (ms) of one of its own. counts:
    whether it counts what its transactions hold, for which it pays some CPU.
    """
    number = len(list(folder.glob("*.log")))
    said, log = folder / f"{number}.looks", folder / f"{number}.log"
    said.touch()
    environment = {**os.environ, **Crew(settings, folder, Random()).environment(), LOOKS: str(said)}
    if servers is not None:
        environment["SHOAL_BOOTSTRAP_SERVERS"] = servers
    if clock is not None:
        environment[CLOCK] = f"{clock[0]},{clock[1]}"
    if counts:
        environment[COUNTS] = "1"
    command = [sys.executable, "-m", "tests.limits.watched", "work", "--slot", "0", "--log-format", "json"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        yield Member(process, said, log)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
