"""From an event's append to its change, as a reader of committed records sees it: Shoal's worker, and others beside it.

The harness is the yardstick's (`latency.py`): it sends events at a steady rate and starts the contender itself. While the
worker is measured it sweeps its customers and takes new champions, as it does in the field.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.benchmarks.yardstick import ROOT, Figures, say

RATE, SECONDS = 5_000, 12
PERIOD_MS = 5_000
"""Between two sweeps of the worker."""
_SETTLE_S = 10
_LONGEST_S = 180.0
_JAVA = {"Kafka Streams, RocksDB, exactly-once": "kafka-streams --store rocksdb", "Flink, heap, local checkpoints": "flink"}


def worker(at: str) -> list[str]:
    """Shoal's."""
    options = ["--follow", "--period-ms", str(PERIOD_MS), "--topic", "{topic}", "--out", "{out}"]
    return [sys.executable, "-m", "tests.benchmarks.worker_process", at, *options]


def bare_loop(at: str, peers: Path) -> list[str]:
    """The plain loop, which commits as often as its broker lets it."""
    loop = str(peers / "peers" / "python" / "bare_loop.py")
    return [sys.executable, loop, at, "--follow", "--commit-ms", "20", "--topic", "{topic}", "--out", "{out}"]


def java(at: str, work: Path) -> dict[str, list[str]]:
    """Those that are built in `work`, with commits as far apart as their yardstick has them: 100 ms."""
    run, at_ends = str(work / "peers" / "java" / "run.sh"), ["--topic", "{topic}", "--out", "{out}"]
    return {name: [run, *command.split(), "--bootstrap", at, "--follow", *at_ends] for name, command in _JAVA.items()}


def measure(at: str, contenders: Mapping[str, list[str]], peers: Path, rounds: int) -> dict[str, Figures]:
    """Medians over rounds of p50_ms and p99_ms of each. Before them the first one warms the broker up."""
    seen: dict[str, list[Figures]] = {name: [] for name in contenders}
    first = next(iter(contenders))
    for number, name in [(0, first), *((k + 1, name) for k in range(rounds) for name in contenders)]:
        told = f"round {number} of {rounds}" if number else "warming up"
        say(f"latency at {RATE:,} events a second for {SECONDS} s: {told}: {name}")
        found = _once(at, contenders[name], peers, name)
        if number:
            seen[name].append(found)
    return {
        name: {key: statistics.median(row[key] for row in rows) for key in ("p50_ms", "p99_ms")}
        | {"runs": [row["p99_ms"] for row in rows]}
        for name, rows in seen.items()
    }


def _once(at: str, command: list[str], peers: Path, name: str) -> Figures:
    harness = [sys.executable, str(peers / "latency.py"), at, str(RATE), str(SECONDS), "--", *command]
    path = os.pathsep.join(map(str, (peers, peers / "peers" / "python", ROOT)))
    environment = {**os.environ, "SETTLE": str(_SETTLE_S), "PYTHONPATH": path}
    try:
        run = subprocess.run(harness, cwd=ROOT, capture_output=True, text=True, timeout=_LONGEST_S, env=environment)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{name} was not done after {_LONGEST_S:.0f} s") from error
    rows = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    measured = [row["p50_p90_p99_p999_ms"] for row in rows if "p50_p90_p99_p999_ms" in row]
    if run.returncode or not measured:
        raise RuntimeError(f"{name} ended with {run.returncode}: {run.stderr.strip()[-800:]}")
    if not measured[-1]:
        raise RuntimeError(f"no change of {name} was seen within {SECONDS} s and a little")
    for row in rows:  # what the worker says of itself
        if not row.get("sweeps", 1) or not row.get("adoptions", 1):
            raise RuntimeError(f"{name} was measured without a sweep, or without new champions: {row}")
    p50, _, p99, _ = measured[-1]
    return {"p50_ms": p50, "p99_ms": p99}
