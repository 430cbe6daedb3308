"""`shoal` as a process prepared by a test: with another clock, or with something that strikes at a point of its code.

    CHAOS_ARMS='{"point": "offsets sent", "passage": 3}' python -m tests.chaos.armed work --slot 0

What strikes is said on stderr, as a line of the log, as is the digest of each partition that a worker holds when it ends.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Literal
from unittest import mock

import msgspec

from streams.cli.main import main as shoal
from streams.clock import Clock, ScaledClock, WallClock
from streams.embedded import broker_status
from streams.errors import Aborted
from streams.scoring import main as scoring
from streams.scoring.digest import digest, entries_of
from streams.scoring.worker import Worker
from tests.chaos.breaking import ON_KAFKA, struck
from tests.chaos.points import GIVING_UP, arm

ENVIRONMENT = "CHAOS_ARMS"
STRUCK, RESTS = "struck at", "rests at"
BROKE = "broke"
Act = Literal["die", "die soon", "stall", "abort", "kill the broker"]


class Arms(msgspec.Struct, frozen=True):
    """What a process is given. Without `point` nothing strikes; without `speed` the clock is the machine's, `ahead_ms` ahead.

    passage: of the point, from 1. seconds: of a stall, or until it dies soon. broker: the folder of one that may be killed.
    control: a guarantee that is broken (`tests.chaos.breaking`).
    start_ms, anchor_ms: of a clock that is `speed` times as fast (`streams.clock.ScaledClock`).
    """

    point: str = ""
    passage: int = 1
    act: Act = "die"
    seconds: float = 0.0
    broker: str = ""
    control: str = ""
    ahead_ms: int = 0
    speed: float = 0.0
    start_ms: int = 0
    anchor_ms: int = 0


class _AheadClock(WallClock):
    """The machine's clock, wrong."""

    def __init__(self, ahead_ms: int) -> None:
        self._ahead = ahead_ms

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return super().now_ms() + self._ahead


def clock_of(arms: Arms) -> Clock:
    """The clock that a worker is handed."""
    return ScaledClock(arms.start_ms, arms.speed, arms.anchor_ms) if arms.speed else _AheadClock(arms.ahead_ms)


def _say(process: str, text: str) -> None:
    """At once, also when the process is dead in a moment."""
    now = time.time()
    moment = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03d}Z"
    os.write(2, msgspec.json.encode({"at": moment, "process": process, "message": text}) + b"\n")


def _strike(arms: Arms, process: str) -> None:
    _say(process, f"{STRUCK} {arms.point}: {arms.act}")
    me = os.getpid()
    if arms.act == "die":
        os.kill(me, signal.SIGKILL)
    elif arms.act == "die soon":
        threading.Timer(arms.seconds, os.kill, (me, signal.SIGKILL)).start()
    elif arms.act == "stall":
        time.sleep(arms.seconds)
    elif arms.act == "abort":
        raise Aborted("injected")
    elif (running := broker_status(Path(arms.broker))) is not None:
        running.kill()


def _rest(process: str, worker: Worker) -> None:
    """What is in memory, before it goes."""
    for number, slot in sorted(worker.slots.items()):
        if slot.running:
            _say(process, f"partition {number} {RESTS} {digest(entries_of([slot.partition]))}")


def main() -> None:
    """`shoal` with its arms; they concern workers alone. SIGUSR1 has it say where each of its threads is."""
    faulthandler.register(signal.SIGUSR1)
    arms = msgspec.json.decode(os.environ.get(ENVIRONMENT, "{}"), type=Arms)
    if "--slot" in sys.argv:
        process = "work-" + sys.argv[sys.argv.index("--slot") + 1]
        close = Worker.close

        def ending(worker: Worker) -> None:
            _rest(process, worker)
            close(worker)

        mock.patch.object(Worker, "close", ending).start()
        mock.patch.object(scoring, "WallClock", partial(clock_of, arms)).start()
        if arms.control:
            struck.tell = lambda name, count: _say(process, f"{BROKE} {count} times: {name}")
            ON_KAFKA[arms.control](ExitStack(), arms.control)
        if arms.point == GIVING_UP:
            # No transaction need fail in a short life: one does.
            arm("rows written", 3, partial(_strike, msgspec.structs.replace(arms, point="rows written", act="abort"), process))
        if arms.point:
            arm(arms.point, arms.passage, partial(_strike, arms, process))
    shoal()


if __name__ == "__main__":
    main()
