"""`make bench`: what an event costs the worker beside the same loop without its work, and where that goes; latency, memory,
restore, sweep, and how the cost grows with the customers and with the workers, the learner's too.

All in one run on real Kafka, round after round, as ratios: these machines are shared. Prints a table, with the change since
the run before; writes build/bench.json and docs/performance.md.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

from streams.embedded.control import start_broker
from tests.benchmarks import history, latency, page
from tests.benchmarks.load import CUSTOMERS, EVENTS, fill, make_topics
from tests.benchmarks.machine import both_compilers, occasion
from tests.benchmarks.yardstick import Figures, last_json, say, write_json, yardstick

_SKIPPED = ("latency", "memory", "profile", "restore", "sweep", "growth", "learner", "workers")
_EACH = ("cpu_us_per_event", "events_per_s", "changes", "peak_rss_mb")
_PROFILED = "worker_profiled"


def main() -> None:
    """Runs everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--skip", nargs="*", default=[], choices=_SKIPPED)
    asked = parser.parse_args()
    peers = yardstick()
    figures: Figures = {"events": asked.events, "customers": CUSTOMERS, "rounds": asked.rounds, **occasion()}

    failed: list[str] = []

    def unless_skipped(name: str, measure: Callable[[], Figures]) -> None:
        """What fails is told, and costs the run none of its other figures."""
        if name in asked.skip:
            return
        say(f"measuring: {name}")
        try:
            figures.update(measure())
        except RuntimeError as error:
            failed.append(name)
            say(f"{name} could not be measured: {error}")

    both_compilers()
    with start_broker("kafka", progress=say) as broker:
        at = broker.bootstrap_servers
        make_topics(at, ["bench.events"])
        say(f"writing {asked.events:,} events of {CUSTOMERS:,} customers")
        fill(at, "bench.events", asked.events, CUSTOMERS)
        figures |= _cost(_rounds(_commands(at, asked.events, peers, "profile" in asked.skip), asked.rounds))
        if peers is not None:
            found = peers
            unless_skipped("latency", lambda: _latency(at, found))
        unless_skipped("restore", lambda: _program("restore", at))
        unless_skipped("workers", lambda: _program("workers", at, "--events", str(asked.events), "--rounds", str(asked.rounds)))
    unless_skipped("memory", lambda: {"bytes_per_customer": _program("memory")["bytes_per_customer"]})
    unless_skipped("sweep", lambda: _program("sweep"))
    unless_skipped("growth", lambda: _program("growth"))
    unless_skipped("learner", lambda: _program("learner"))
    _report(figures)
    if failed:
        raise SystemExit(f"not measured, see above: {', '.join(failed)}")


def _program(name: str, *arguments: str) -> Figures:
    """What one of the programs here prints."""
    found = last_json([sys.executable, "-m", f"tests.benchmarks.{name}", *arguments])
    found.pop("customers")
    return found


def _commands(at: str, events: int, peers: Path | None, unprofiled: bool) -> dict[str, list[str]]:
    worker = {"worker": [sys.executable, "-m", "tests.benchmarks.worker_process", at, str(events)]}
    if not unprofiled:
        worker[_PROFILED] = [sys.executable, "-m", "tests.benchmarks.profile", at, str(events)]
    if peers is None:
        return worker
    loop = [sys.executable, str(peers / "peers" / "python" / "bare_loop.py"), at, str(events)]
    return {"floor": [*loop, "--floor"], "bare_loop": loop, **worker}


def _rounds(commands: dict[str, list[str]], rounds: int) -> dict[str, list[Figures]]:
    seen: dict[str, list[Figures]] = {name: [] for name in commands}
    for k in range(rounds):
        for name, command in commands.items():
            say(f"round {k + 1} of {rounds}: {name}")
            seen[name].append(last_json(command))
    return seen


def _cost(rows: dict[str, list[Figures]]) -> Figures:
    """Medians of each; the ratio to the bare loop, round by round; where the worker's time went."""
    profiled = rows.pop(_PROFILED, [])
    each = {name: {key: statistics.median(row.get(key, 0) for row in found) for key in _EACH} for name, found in rows.items()}
    figures: Figures = {f"{name}_us": found["cpu_us_per_event"] for name, found in each.items()}
    if "bare_loop" in rows:
        figures["ratio_to_bare_loop"] = _ratio(rows["worker"], rows["bare_loop"])
    figures["contenders"] = each
    if profiled:
        figures["profile"] = {
            "us_per_event": statistics.median(row["cpu_us_per_event"] for row in profiled),
            "times_unprofiled": _ratio(profiled, rows["worker"]),
            "parts": _medians([row["parts"] for row in profiled]),
            "threads": _medians([row["threads"] for row in profiled]),
        }
    return figures


def _ratio(rows: list[Figures], others: list[Figures]) -> float:
    ratios: list[float] = [row["cpu_us_per_event"] / other["cpu_us_per_event"] for row, other in zip(rows, others, strict=True)]
    return round(statistics.median(ratios), 2)


def _medians(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(row.get(name, 0.0) for row in rows), 3) for name in rows[0]}


def _latency(at: str, peers: Path) -> Figures:
    """The worker's and the bare loop's, in ms, on a warm broker."""
    contenders = {"worker": latency.worker(at), "bare_loop": latency.bare_loop(at, peers)}
    found = latency.measure(at, contenders, peers, rounds=1)
    figures: Figures = {"latency_rate": latency.RATE}
    for name, prefix in (("bare_loop", "bare_loop_"), ("worker", "")):
        figures |= {f"{prefix}latency_{key}": found[name][key] for key in ("p50_ms", "p99_ms")}
    return figures


def _report(figures: Figures) -> None:
    print(f"\n{'what':36s} {'us CPU/event':>12s} {'events/s':>10s} {'changes':>9s} {'RSS MB':>7s}")
    for name, found in figures["contenders"].items():
        cost, speed, changes, memory = (found[key] for key in _EACH)
        print(f"{name:36s} {cost:12.2f} {speed:10.0f} {changes:9.0f} {memory:7.0f}")
    if "profile" in figures:
        spent = figures["profile"]["parts"] | figures["profile"]["threads"]
        print("\nus an event: " + ", ".join(f"{part} {us:.2f}" for part, us in spent.items()))
    seen = history.before(figures)
    then = {} if seen is None else seen["figures"]
    print(
        f"\n{'figure':36s} {'now':>12s}"
        + ("" if seen is None else f" {'before':>12s} {'change':>8s}  ({seen['commit']}, {seen['date']})")
    )
    for name, value in history.numbers(figures).items():
        print(f"{name:36s} {value:12} {then.get(name, ''):>12} {history.change(value, then.get(name)):>8s}".rstrip())
    write_json("bench.json", figures)
    history.append(figures)
    page.write()


if __name__ == "__main__":
    main()
