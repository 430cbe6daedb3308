"""`make bench`: what an event costs the worker beside the same loop without its work, latency, and bytes a customer.

All in one run on real Kafka, round after round, as ratios: these machines are shared. Prints a table and writes
build/bench.json. The yardstick (`bare_loop.py`) and the latency harness are looked for in SHOAL_PEERS, or ../shared/bench.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from streams.embedded.control import start_broker
from tests.benchmarks.load import fill, make_topics
from tests.benchmarks.machine import machine

Figures = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
EVENTS = 1_200_000
CUSTOMERS = 50_000
RATE, SECONDS = 5_000, 12


def main() -> None:
    """Runs everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--skip", nargs="*", default=[], choices=["latency", "memory"])
    asked = parser.parse_args()
    peers = _peers()
    # A broker that is here for a while has both of Java's compilers.
    os.environ.setdefault("KAFKA_JVM_PERFORMANCE_OPTS", "-XX:+UseSerialGC")
    with start_broker("kafka", progress=_say) as broker:
        at = broker.bootstrap_servers
        make_topics(at, ["bench.events"])
        _say(f"writing {asked.events:,} events of {CUSTOMERS:,} customers")
        fill(at, "bench.events", asked.events, CUSTOMERS)
        commands = {"worker": [sys.executable, "-m", "tests.benchmarks.worker_process", at, str(asked.events)]}
        if peers is not None:
            loop = [sys.executable, str(peers / "peers" / "python" / "bare_loop.py"), at, str(asked.events)]
            commands = {"floor": [*loop, "--floor"], "bare_loop": loop, **commands}
        rows = _rounds(commands, asked.rounds, peers)
        latency = _latency(at, peers) if peers is not None and "latency" not in asked.skip else {}
    memory = {} if "memory" in asked.skip else _last_json([sys.executable, "-m", "tests.benchmarks.memory"], ROOT)
    _report(rows, latency, memory, asked.rounds)


def _peers() -> Path | None:
    """The yardstick's folder, copied into build/, or None with a word of why."""
    source = Path(os.environ.get("SHOAL_PEERS", ROOT.parent / "shared" / "bench"))
    if not (source / "peers" / "python" / "bare_loop.py").is_file():
        _say(f"no bare_loop.py in {source}: measuring the worker alone (set SHOAL_PEERS to the folder that holds peers/)")
        return None
    copy = BUILD / "peers"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("target", "__pycache__"))
    for path in (copy, *copy.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)
    return copy


def _rounds(commands: dict[str, list[str]], rounds: int, peers: Path | None) -> dict[str, list[Figures]]:
    seen: dict[str, list[Figures]] = {name: [] for name in commands}
    for k in range(rounds):
        for name, command in commands.items():
            _say(f"round {k + 1} of {rounds}: {name}")
            cwd = ROOT if name == "worker" or peers is None else peers / "peers" / "python"
            seen[name].append(_last_json(command, cwd))
    return seen


def _latency(at: str, peers: Path) -> Figures:
    """Event to visible change at RATE, exactly-once, in ms: the bare loop's and the worker's, on a warm broker."""
    worker = [sys.executable, "-m", "tests.benchmarks.worker_process", at, "--follow", "--topic", "{topic}", "--out", "{out}"]
    loop = [sys.executable, str(peers / "peers" / "python" / "bare_loop.py"), at, "--follow", "--commit-ms", "20"]
    loop += ["--topic", "{topic}", "--out", "{out}"]
    path = os.pathsep.join(map(str, (peers, peers / "peers" / "python", ROOT)))
    figures: Figures = {}
    for name, command in (("warming up", worker), ("bare_loop", loop), ("worker", worker)):
        _say(f"latency at {RATE:,} events a second for {SECONDS} s: {name}")
        harness = [sys.executable, str(peers / "latency.py"), at, str(RATE), str(SECONDS), "--", *command]
        p50, _, p99, _ = _last_json(harness, ROOT, {"SETTLE": "10", "PYTHONPATH": path})["p50_p90_p99_p999_ms"]
        prefix = "" if name == "worker" else "bare_loop_"
        figures |= {f"{prefix}latency_p50_ms": p50, f"{prefix}latency_p99_ms": p99}
    return figures


def _last_json(command: list[str], cwd: Path, more: dict[str, str] | None = None) -> Figures:
    """The last JSON line that a command prints. Raises RuntimeError with its last words."""
    run = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=900, env={**os.environ, **(more or {})})
    lines = [line for line in run.stdout.splitlines() if line.startswith("{")]
    if run.returncode or not lines:
        raise RuntimeError(f"{' '.join(command)} ended with {run.returncode}: {run.stderr.strip()[-800:]}")
    found: Figures = json.loads(lines[-1])
    return found


def _report(rows: dict[str, list[Figures]], latency: Figures, memory: Figures, rounds: int) -> None:
    cost = {name: statistics.median(row["cpu_us_per_event"] for row in found) for name, found in rows.items()}
    figures: dict[str, object] = {f"{name}_us": value for name, value in cost.items()}
    if "bare_loop" in cost:
        pairs = zip(rows["worker"], rows["bare_loop"], strict=True)
        ratios = [worker["cpu_us_per_event"] / loop["cpu_us_per_event"] for worker, loop in pairs]
        figures["ratio_to_bare_loop"] = round(statistics.median(ratios), 2)
    figures |= latency
    if memory:
        figures["bytes_per_customer"] = memory["bytes_per_customer"]
    print(f"\n{'what':28s} {'us CPU/event':>12s} {'events/s':>10s} {'changes':>9s} {'RSS MB':>7s}")
    for name, found in rows.items():
        each = {key: statistics.median(row.get(key, 0) for row in found) for key in ("events_per_s", "changes", "peak_rss_mb")}
        print(f"{name:28s} {cost[name]:12.2f} {each['events_per_s']:10.0f} {each['changes']:9.0f} {each['peak_rss_mb']:7.0f}")
    for name, value in figures.items():
        if not name.endswith("_us"):
            print(f"{name:28s} {value:>12}")
    BUILD.mkdir(exist_ok=True)
    out = BUILD / "bench.json"
    out.write_text(json.dumps({**figures, "rounds": rounds, "machine": machine()}, indent=1) + "\n", encoding="utf-8")
    _say(f"written to {out.relative_to(ROOT)}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
