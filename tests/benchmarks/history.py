"""The figures of every `make bench` on this machine, a line of JSON each, and how the newest compare with those before."""

from __future__ import annotations

import json
from pathlib import Path

from tests.benchmarks.yardstick import BUILD, Figures

_SAME = ("cpu", "cores", "memory_gib")
_GIVEN = ("rounds", "events", "customers", "load", "latency_rate")
HISTORY = BUILD / "bench-history.jsonl"


def numbers(figures: Figures) -> dict[str, float]:
    """The plain figures among what a run found."""
    return {name: value for name, value in figures.items() if isinstance(value, int | float) and name not in _GIVEN}


def before(figures: Figures, history: Path = HISTORY) -> Figures | None:
    """The newest line of this machine and number of events, or None. What a run left out is as the run before had it."""
    found: Figures | None = None
    for line in history.read_text(encoding="utf-8").splitlines() if history.is_file() else ():
        seen: Figures = json.loads(line)
        if seen["events"] == figures["events"] and all(seen["machine"][name] == figures["machine"][name] for name in _SAME):
            found = {**seen, "figures": {**(found or {"figures": {}})["figures"], **seen["figures"]}}
    return found


def append(figures: Figures, history: Path = HISTORY) -> None:
    """Adds a line."""
    history.parent.mkdir(exist_ok=True)
    kept = {name: figures[name] for name in ("date", "commit", "machine", "load", "events", "rounds")}
    with history.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**kept, "figures": numbers(figures)}) + "\n")


def change(now: float, then: float | None) -> str:
    """In percent, or nothing to compare with."""
    return "" if then is None or not then else f"{(now / then - 1) * 100:+.0f} %"
