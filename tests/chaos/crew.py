"""Workers and a learner as processes of their own: started, killed, stopped, each with its log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import msgspec

from streams.errors import ShoalError
from streams.settings import Settings

LEARNER = "learn"
_ROOT = Path(__file__).parents[2]
_FENCED = ("must end", "has taken over")
_ENDS_WITHIN_S = 40.0


class Line(msgspec.Struct):
    """A line of a process's log."""

    at: str = ""
    process: str = ""
    message: str = ""


_line = msgspec.json.Decoder(Line).decode


@dataclass(slots=True)
class Process:
    """One life of a worker or the learner."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.popen.poll() is None


@dataclass(slots=True)
class Crew:
    """The processes of a run. Their logs, a file for each life, are in `folder`."""

    settings: Settings
    folder: Path
    rng: Random
    program: tuple[str, ...] = ("streams.cli.main",)
    alive: dict[str, Process] = field(default_factory=dict)
    lives: list[Process] = field(default_factory=list)
    kills: int = 0
    learner_kills: int = 0
    fenced: int = 0

    def environment(self) -> dict[str, str]:
        """The settings as SHOAL_* variables."""
        given = self.settings.model_dump(exclude={"kafka"}, exclude_unset=True)
        return {f"SHOAL_{name.upper()}": str(value) for name, value in given.items()}

    def start(self, name: str) -> None:
        """`learn`, or `work-SLOT`. Every process has a hash seed of its own."""
        command = ["learn"] if name == LEARNER else ["work", "--slot", name.removeprefix("work-")]
        log = self.folder / f"{name}.{sum(life.name == name for life in self.lives)}.log"
        environment = {**os.environ, **self.environment(), "PYTHONHASHSEED": str(self.rng.randrange(2**32))}
        with log.open("wb") as out:
            popen = subprocess.Popen(
                [sys.executable, "-m", *self.program, *command, "--log-format", "json"],
                cwd=_ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        self.alive[name] = process = Process(name, popen, log)
        self.lives.append(process)

    def kill(self, name: str) -> None:
        """kill -9."""
        process = self.alive.pop(name)
        if not process.running:
            raise ShoalError(f"{name} had ended before it was killed: {last_words(process.log)}")
        process.popen.kill()
        process.popen.wait()
        if name == LEARNER:
            self.learner_kills += 1
        else:
            self.kills += 1

    def freeze(self, name: str, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after so long."""
        process = self.alive[name]
        process.popen.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        process.popen.send_signal(signal.SIGCONT)

    def stop(self, *names: str) -> None:
        """SIGTERM: they finish their transactions, if they have come so far. Raises ShoalError if one ends badly, or not."""
        processes = [self.alive.pop(name) for name in names]
        for process in processes:
            process.popen.terminate()
        for process in processes:
            try:
                code = process.popen.wait(_ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.popen.kill()
                process.popen.wait()
                raise ShoalError(f"{process.name} did not end within {_ENDS_WITHIN_S:.0f} s of SIGTERM") from None
            unborn = code == -signal.SIGTERM and not process.log.stat().st_size
            if code and not unborn:
                raise ShoalError(f"{process.name} ended with {code} after SIGTERM: {last_words(process.log)}")

    def look(self) -> None:
        """Starts again who was fenced, as an operator's supervisor would. Raises ShoalError if one ended otherwise."""
        for name, process in list(self.alive.items()):
            if process.running:
                continue
            words = last_words(process.log)
            if not any(sign in words for sign in _FENCED):
                raise ShoalError(f"{name} ended by itself ({process.popen.returncode}): {words}")
            self.fenced += 1
            self.start(name)

    def end(self) -> None:
        """Whatever still runs ends now."""
        for process in self.alive.values():
            process.popen.kill()
            process.popen.wait()
        self.alive.clear()

    def moved(self) -> int:
        """How often a partition went on in another worker than before."""
        owners: dict[str, str] = {}
        moves = 0
        for line in sorted(self._said(), key=lambda line: line.at):
            words = line.message.split()
            if words[:1] == ["partition"] and words[2:3] == ["runs"]:
                moves += owners.get(words[1], line.process) != line.process
                owners[words[1]] = line.process
        return moves

    def restored(self) -> int:
        """How often a partition was taken up."""
        return sum(" runs from offset " in line.message for line in self._said())

    def _said(self) -> Iterator[Line]:
        for process in self.lives:
            for text in process.log.read_bytes().splitlines():
                if text.startswith(b"{") and text.endswith(b"}"):
                    yield _line(text)


def last_words(log: Path) -> str:
    """The end of a log."""
    return " | ".join(log.read_text(errors="replace").splitlines()[-3:])[-600:] or "(nothing)"
