"""Workers and a learner as processes of their own: started, killed, stopped, each with its log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import msgspec

from streams.errors import ShoalError
from streams.settings import Settings
from tests.chaos.armed import BROKE, ENVIRONMENT, RESTS, STRUCK, Arms
from tests.chaos.ground import Ground

LEARNER = "learn"
_ROOT = Path(__file__).parents[2]
_FENCED = ("must end", "has taken over")
_A_SENTENCE = 2
"""Exit status of a process that could not go on and said why."""
_ENDS_WITHIN_S = 40.0
_TELLS_WITHIN_S = 1.0


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
    """The processes of a run. Their logs, a file for each life, are in `folder`.

    usual: what each worker's life is armed with; next_arms: instead, for the lives that begin next. ground: if it is there,
    the first worker and all others come to the broker by different ways. forgiving: who ends with a sentence is started
    again, for the broker was out of reach.
    """

    settings: Settings
    folder: Path
    rng: Random
    usual: Arms = field(default_factory=Arms)
    next_arms: list[Arms] = field(default_factory=list)
    ground: Ground | None = None
    forgiving: bool = False
    alive: dict[str, Process] = field(default_factory=dict)
    rivals: list[Process] = field(default_factory=list)
    lives: list[Process] = field(default_factory=list)
    kills: int = 0
    learner_kills: int = 0
    fenced: int = 0
    gave_up: int = 0

    def environment(self) -> dict[str, str]:
        """The settings as SHOAL_* variables."""
        given = self.settings.model_dump(exclude={"kafka"}, exclude_unset=True)
        variables = {f"SHOAL_{name.upper()}": str(value) for name, value in given.items()}
        if self.settings.kafka:
            variables["SHOAL_KAFKA"] = msgspec.json.encode(self.settings.kafka).decode()
        return variables

    def start(self, name: str) -> None:
        """`learn`, or `work-SLOT`. Every process has a hash seed of its own."""
        command = ["learn"] if name == LEARNER else ["work", "--slot", name.removeprefix("work-")]
        log = self.folder / f"{name}.{sum(life.name == name for life in self.lives)}.log"
        environment = {**os.environ, **self.environment(), "PYTHONHASHSEED": str(self.rng.randrange(2**32))}
        if self.ground is not None:
            environment["SHOAL_BOOTSTRAP_SERVERS"] = self.ground.servers("A" if name == "work-0" else "B")
        if name != LEARNER:
            arms = self.next_arms.pop(0) if self.next_arms else self.usual
            if self.ground is not None:
                arms = msgspec.structs.replace(arms, broker=str(self.ground.folder))
            environment[ENVIRONMENT] = msgspec.json.encode(arms).decode()
        with log.open("wb") as out:
            popen = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.armed", *command, "--log-format", "json"],
                cwd=_ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        self.alive[name] = process = Process(name, popen, log)
        self.lives.append(process)

    def rival(self) -> None:
        """A second learner beside the first, started by mistake."""
        self.rivals.append(self.alive.pop(LEARNER))
        self.start(LEARNER)

    def kill(self, name: str) -> None:
        """kill -9. Raises ShoalError if it had ended by itself, but for what `look` would forgive."""
        self.look()
        process = self.alive.pop(name)
        process.popen.kill()
        process.popen.wait()
        if name == LEARNER:
            self.learner_kills += 1
        else:
            self.kills += 1

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
            if code and not unborn and not self._may_end(process):
                raise ShoalError(f"{process.name} ended with {code} after SIGTERM: {last_words(process.log)}")

    def look(self) -> None:
        """Starts again who ended for a reason, as an operator's supervisor would. Raises ShoalError if one ended otherwise."""
        for rival in [one for one in self.rivals if not one.running]:
            self.rivals.remove(rival)
            if not self._may_end(rival):
                raise ShoalError(f"the other learner ended by itself ({rival.popen.returncode}): {last_words(rival.log)}")
        for name, process in list(self.alive.items()):
            if process.running:
                continue
            if not self._may_end(process):
                raise ShoalError(f"{name} ended by itself ({process.popen.returncode}): {last_words(process.log)}")
            if name == LEARNER and self.rivals:
                self.alive[name] = self.rivals.pop()
            else:
                self.start(name)

    def _may_end(self, process: Process) -> bool:
        """Whether it was struck, fenced, or could not reach the broker and said so; counted."""
        words, code = last_words(process.log), process.popen.returncode
        if code == -signal.SIGKILL and f'"{STRUCK} ' in process.log.read_text(errors="replace"):
            self.kills += 1
        elif any(sign in words for sign in _FENCED):
            self.fenced += 1
        elif self.forgiving and code == _A_SENTENCE and "Traceback" not in words:
            self.gave_up += 1
        else:
            return False
        return True

    def tell(self) -> None:
        """Has whoever still runs write into its log where it is, for a person who asks why a run did not end."""
        for process in self.alive.values():
            if process.log.stat().st_size:  # one that has not come so far would die of it
                process.popen.send_signal(signal.SIGUSR1)
        time.sleep(_TELLS_WITHIN_S)

    def end(self) -> None:
        """Whatever still runs ends now."""
        for process in (*self.alive.values(), *self.rivals):
            process.popen.kill()
            process.popen.wait()
        self.alive.clear()
        self.rivals.clear()

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

    def struck(self) -> Counter[str]:
        """The points at which something struck, with what it was."""
        return Counter(line.message.removeprefix(f"{STRUCK} ") for line in self._said() if line.message.startswith(STRUCK))

    def rest(self) -> dict[int, str]:
        """Stops all; the digest of each partition that one of them held in memory then."""
        logs = [process.log for process in self.alive.values()]
        self.stop(*self.alive)
        said = sorted((line.at, line.message) for log in logs for line in _lines(log) if f" {RESTS} " in line.message)
        return {int(word[1]): word[-1] for word in (message.split() for _, message in said)}

    def _said(self) -> Iterator[Line]:
        for process in self.lives:
            yield from _lines(process.log)


def broke(folder: Path) -> int:
    """How often a guarantee that was switched off was missing, at least; of the run whose logs are in a folder."""
    said = [
        [line.message.split() for line in _lines(log) if line.message.startswith(f"{BROKE} ")] for log in folder.glob("*.log")
    ]
    return sum(max((int(words[1]) for words in lines), default=0) for lines in said)


def _lines(log: Path) -> Iterator[Line]:
    for text in log.read_bytes().splitlines():
        if text.startswith(b"{") and text.endswith(b"}"):
            yield _line(text)


def last_words(log: Path) -> str:
    """The end of a log."""
    return " | ".join(log.read_text(errors="replace").splitlines()[-3:])[-600:] or "(nothing)"
