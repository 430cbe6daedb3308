"""Where the time goes: the worker as `worker_process` runs it, with its parts timed; prints a JSON line.

python -m tests.benchmarks.profile BOOTSTRAP [EVENTS] [--topic T]

CPU of the main thread by part (`time.thread_time`), and of librdkafka's threads (/proc, on Linux alone), us an event.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import models.engine
from models.engine import Engine
from models.table import Table
from streams.broker.confluent_intake import Intake
from streams.broker.confluent_producer import TransactionalProducer
from streams.scoring.decode import Decode
from streams.scoring.partition import Partition
from streams.scoring.worker import Worker
from tests.benchmarks.worker_process import arguments, run

_TASKS = Path("/proc/self/task")
_RENDER = "render"
# Where each part begins. What is written at a commit is the part's that writes it, so produce counts below render alone.
_PARTS: tuple[tuple[object, str, str, str | None], ...] = (
    (Intake, "poll", "fetch", None),
    (Decode, "run", "decode", None),
    (Table, "locate", "look-up", None),
    (models.engine, "run_events", "kernel", None),
    (Engine, "_decisions", "explain", None),
    (Partition, "publish", _RENDER, None),
    (TransactionalProducer, "produce_all", "produce", _RENDER),
    (Partition, "flush", "rows", None),
    (Partition, "_write_memberships", "memberships", None),
    (Worker, "_commit", "commit", None),
)


class Stopwatch:
    """CPU seconds of this thread by part. Of a part within a part the time counts for the inner one alone."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._inner: list[float] = []

    def put_around(self, owner: Any, name: str, part: str, under: str | None) -> None:
        """Times calls of `owner`'s function `name`; with `under`, those alone that come directly from that part."""
        function: Callable[..., Any] = getattr(owner, name)

        def timed(*arguments: Any, **named: Any) -> Any:
            if under is not None and (not self._open or self._open[-1] != under):
                return function(*arguments, **named)
            self._open.append(part)
            self._inner.append(0.0)
            start = time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                took = time.thread_time() - start
                self._open.pop()
                self.spent[part] += took - self._inner.pop()
                if self._inner:
                    self._inner[-1] += took

        setattr(owner, name, timed)


def threads() -> dict[str, float]:
    """CPU seconds of librdkafka's threads so far, by their kind; nothing where /proc is not Linux's."""
    spent: defaultdict[str, float] = defaultdict(float)
    for task in _TASKS.iterdir() if _TASKS.is_dir() else ():
        try:
            name, _, rest = (task / "stat").read_text(encoding="utf-8").partition("(")[2].rpartition(")")
        except OSError:  # the thread has ended
            continue
        if name.startswith("rdk:"):
            fields = rest.split()
            spent[name.rstrip("-0123456789")] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return dict(spent)


def main() -> None:
    """Runs the worker and prints where its time went."""
    asked, watch = arguments(), Stopwatch()
    for owner, name, part, under in _PARTS:
        watch.put_around(owner, name, part, under)
    marks: list[tuple[dict[str, float], dict[str, float]]] = []

    def mark() -> None:
        marks.append(({**watch.spent, "": time.thread_time()}, threads()))

    row = run(asked, mark)
    (parts_before, threads_before), (parts_after, threads_after) = marks
    each = 1e6 / row["measured"]
    parts = {part: (parts_after.get(part, 0.0) - parts_before.get(part, 0.0)) * each for part in ("", *(p[2] for p in _PARTS))}
    main_thread = parts.pop("")
    parts["rest"] = main_thread - sum(parts.values())
    row["parts"] = {part: round(us, 3) for part, us in parts.items()}
    row["threads"] = {name: round((s - threads_before.get(name, 0.0)) * each, 3) for name, s in sorted(threads_after.items())}
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
