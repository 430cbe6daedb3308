"""Compiles the kernel once and leaves it in numba's cache: `python -m streams.scoring.warm`, a part of `make setup`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

import models
from models.definitions import compile_definitions
from models.engine import Engine
from models.identity import hash_all
from models.kernel.tables import Events
from streams.broker.memory import MemoryMessage
from streams.broker.protocol import TP
from streams.presets import load_definitions, load_taxonomy
from streams.scoring.decode import Decode
from streams.scoring.publish import Publisher, Trigger

_COMPILED = ("text.py", "fragments.py", "render.py", "json_text.py", "vocabulary.py", "scan.py")
_EVENT = b'{"type":"track","event":"Order Completed","userId":"someone","timestamp":"2024-03-01T12:00:00.123Z"}'


def warm() -> float:
    """Runs every entry of the kernel once; gives the seconds it took."""
    start = time.perf_counter()
    engine = Engine(compile_definitions(load_definitions("retail")))
    taxonomy = load_taxonomy("retail")
    Decode(taxonomy, max_bytes=1000, max_amount=1.0).run([MemoryMessage(TP("events", 0), 0, b"someone", _EVENT, None, 0)])
    rows = engine.table.locate([b"someone"])
    one, zero = np.ones(1, np.uint8), np.zeros(1)
    events = Events(rows, np.ones(1, np.int64), np.zeros(1, np.int64), one, zero, zero, one, one, one, hash_all([b"m"]))
    publisher = Publisher(engine, taxonomy)
    for decisions in engine.apply(events, np.empty(1, np.uint8)):
        list(publisher.changes(decisions, Trigger("event", "events", 0), np.zeros(len(decisions), np.int64)))
    list(publisher.memberships(np.zeros(1, np.int64), np.zeros((1, 3)), np.ones(1, np.int64)))
    engine.sweep(1, 0, 0, 1, 1, 1)
    return time.perf_counter() - start


def forget_stale() -> None:
    """Drops compiled code that is older than any source: numba looks at one file only, not at what it calls."""
    root = Path(models.__file__).parent
    here = Path(__file__).parent
    sources = [
        *root.glob("*.py"),
        *(root / "kernel").glob("*.py"),
        *(root / "definitions").glob("*.py"),
        *(here / name for name in _COMPILED),
    ]
    newest = max(path.stat().st_mtime for path in sources)
    for path in (*root.rglob("*.nb[ic]"), *here.rglob("*.nb[ic]")):
        if path.stat().st_mtime < newest:
            path.unlink()


if __name__ == "__main__":
    forget_stale()
    seconds = warm()
    sys.stdout.write(f"kernel ready after {seconds:.1f} s\n")
