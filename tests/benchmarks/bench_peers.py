"""`make bench-peers`: what an event costs Shoal's worker beside frameworks that do a part of its work, and how late its changes
are beside theirs, in one run on real Kafka.

The programs and `compare.py`, which runs them, are the yardstick's (SHOAL_PEERS, or ../shared/bench). What they need is
built under build/peers-work. Prints a table; writes build/bench_peers.json and docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import statistics
import subprocess
import sys
import venv
from pathlib import Path
from typing import NamedTuple

from streams.embedded.control import start_broker
from tests.benchmarks import latency, page
from tests.benchmarks.load import fill, make_topics
from tests.benchmarks.machine import both_compilers, occasion
from tests.benchmarks.yardstick import BUILD, ROOT, Figures, say, write_json, yardstick

# compare.py has its programs read up to so many.
EVENTS = 1_200_000
CUSTOMERS = 50_000
SHOAL = "Shoal"
BARE_LOOP = "bare loop, exactly-once"
WORK = BUILD / "peers-work"
_EACH = ("cpu_us_per_event", "events_per_s", "peak_rss_mb", "changes")
_BUILT_WITHIN = 900.0


class Peer(NamedTuple):
    """A program of compare.py by its name there, what it needs built, and what Shoal may cost as a multiple of it."""

    name: str
    kind: str
    limit: float | None = None


PEERS = (
    Peer("floor: consume + decode", "loop"),
    Peer(BARE_LOOP, "loop", 1.6),
    Peer("Kafka Streams, RocksDB, exactly-once", "java", 0.8),
    Peer("Kafka Streams, memory, exactly-once", "java"),
    Peer("Flink, heap, local checkpoints", "java", 1.5),
    Peer("Quix + numba, exactly-once", "quix", 1 / 3),
    Peer("Bytewax + numba, at-least-once", "bytewax"),
    Peer("Faust + numpy, at-least-once", "faust"),
    Peer("Faust + river, at-least-once", "faust", 1 / 30),
)


def main() -> None:
    """Runs everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[], help="words in the names of peers, instead of all with a limit")
    parser.add_argument("--no-latency", action="store_true")
    parser.add_argument("--all", action="store_true", help="those without a limit too")
    asked = parser.parse_args()
    copy = yardstick()
    if copy is None or not (copy / "compare.py").is_file():
        raise SystemExit("there is nothing to compare with: set SHOAL_PEERS to the folder that holds compare.py and peers/")
    words = [word.lower() for word in asked.only]
    among = [peer for peer in PEERS if asked.all or words or peer.limit is not None]
    wanted = [peer for peer in among if not words or any(word in peer.name.lower() for word in words)]
    shutil.copytree(copy, WORK, dirs_exist_ok=True)
    left_out: dict[str, str] = {}
    faults = {kind: _build(kind) for kind in dict.fromkeys(peer.kind for peer in wanted)}
    for peer in wanted:
        if fault := faults[peer.kind]:
            _leave_out(left_out, peer.name, f"cannot be built ({fault})")
    both_compilers()
    figures: Figures = {"events": EVENTS, "customers": CUSTOMERS, "rounds": asked.rounds, **occasion()}
    with start_broker("kafka", progress=say) as broker:
        rounds = _rounds(broker.bootstrap_servers, copy / "compare.py", wanted, asked.rounds, left_out)
        if not asked.no_latency:
            names = [peer.name for peer in wanted if peer.name not in left_out]
            figures |= {"latency_rate": latency.RATE, "latency": _latency(broker.bootstrap_servers, copy, names, asked.rounds)}
    if not any(SHOAL in rows for rows in rounds):
        raise SystemExit(f"Shoal's own worker ran through in none of the rounds: {left_out}")
    _report({**summary(rounds, {peer.name: peer.limit for peer in wanted}), "left_out": left_out, **figures})


def _latency(at: str, peers: Path, names: list[str], rounds: int) -> dict[str, Figures]:
    """Shoal's, and that of those who were built and can say which event has made a change."""
    others = {BARE_LOOP: latency.bare_loop(at, peers), **latency.java(at, WORK)}
    return latency.measure(
        at, {SHOAL: latency.worker(at), **{name: others[name] for name in names if name in others}}, peers, rounds
    )


def _rounds(at: str, compare: Path, wanted: list[Peer], rounds: int, left_out: dict[str, str]) -> list[dict[str, Figures]]:
    """The figures of each round; a peer that does not run through is left out from there on."""
    make_topics(at, ["bench.events"])
    say(f"writing {EVENTS:,} events of {CUSTOMERS:,} customers")
    fill(at, "bench.events", EVENTS, CUSTOMERS)
    seen: list[dict[str, Figures]] = []
    for k in range(rounds):
        names = [peer.name for peer in wanted if peer.name not in left_out]
        if not names:
            raise SystemExit("none of the peers can be run here")
        rows, faults = _round(compare, at, names, f"round {k + 1} of {rounds}")
        seen.append(rows)
        for name, fault in faults.items():
            told = f"{name} in round {k + 1}" if name == SHOAL else name  # of Shoal the other rounds still count
            _leave_out(left_out, told, f"did not run through ({fault})")
    return seen


def _leave_out(left_out: dict[str, str], name: str, why: str) -> None:
    left_out[name] = why
    say(f"left out: {name} {why}.")


def _build(kind: str) -> str:
    """Builds what programs of a kind need, where it is not there yet; gives in a word why it cannot be, or nothing."""
    if kind == "java":
        if missing := [tool for tool in ("java", "mvn") if shutil.which(tool) is None]:
            return f"no {' and no '.join(missing)} here"
        java = WORK / "peers" / "java"
        if (java / "target" / "peers.jar").is_file():  # run.sh builds again what has changed since
            return ""
        say("building the Java peers with Maven")
        return _fault(["mvn", "-q", "-B", "-Dstyle.color=never", "-f", str(java / "pom.xml"), "package"])
    # Where compare.py looks for it.
    home = WORK / f"venv-{kind}"
    python = home / "bin" / "python"
    if python.exists():
        return ""
    say(f"installing what the {kind} peers need")
    fault = "interrupted"
    try:
        venv.create(home, with_pip=True)
        wants = WORK / "peers" / "python" / f"requirements-{kind}.txt"
        fault = _fault([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(wants)])
    finally:
        if fault:
            shutil.rmtree(home, ignore_errors=True)
    return fault


def _fault(command: list[str]) -> str:
    """The first error that a command tells of, or nothing."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=_BUILT_WITHIN)
    except subprocess.TimeoutExpired:
        return f"not done after {_BUILT_WITHIN:.0f} s"
    if not run.returncode:
        return ""
    lines = (run.stdout + run.stderr).strip().splitlines() or [f"status {run.returncode}"]
    return next((line for line in lines if "ERROR" in line), lines[-1])[:300]


def _round(compare: Path, at: str, names: list[str], told: str) -> tuple[dict[str, Figures], dict[str, str]]:
    """One round of compare.py: the figures of those that ran through, and what those said that did not."""
    out = WORK / "round.json"
    out.unlink(missing_ok=True)
    shoal = f"{shlex.quote(sys.executable)} -m tests.benchmarks.worker_process {{bootstrap}} {EVENTS} --topic {{topic}}"
    command = [sys.executable, str(compare), at, "--work", str(WORK), "--rounds", "1", "--json", str(out)]
    command += ["--only", *names, "--add", f"{SHOAL}={shoal}"]
    running, said = "", dict[str, list[str]]()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("round 1/1: "):
                running = line.partition(": ")[2].strip()
                said[running] = []
                say(f"{told}: {running}")
            elif running and line.strip():
                said[running].append(line.strip())
    if process.returncode:
        # It waits for a quarter of an hour, then ends itself, and what the others did is lost.
        return {}, {running: (said.get(running) or ["no word"])[-1]}
    rows: dict[str, Figures] = json.loads(out.read_text(encoding="utf-8"))
    return rows, {name: _last_words(lines) for name, lines in said.items() if name not in rows}


def _last_words(lines: list[str]) -> str:
    return next((line for line in reversed(lines) if not line.startswith("at ")), "no word")[:300]


def summary(rounds: list[dict[str, Figures]], limits: dict[str, float | None]) -> Figures:
    """Medians of each over the rounds; of Shoal to each, the median of the rounds' ratios."""
    contenders: Figures = {}
    ratios: Figures = {}
    for name in (*limits, SHOAL):
        rows = [found[name] for found in rounds if name in found]
        if not rows:
            continue
        runs = [round(row["cpu_us_per_event"], 2) for row in rows]
        contenders[name] = {key: statistics.median(row[key] for row in rows) for key in _EACH} | {"runs": runs}
        both = [found for found in rounds if name in found and SHOAL in found]
        if name != SHOAL and both:
            shoal = [found[SHOAL]["cpu_us_per_event"] / found[name]["cpu_us_per_event"] for found in both]
            ratios[name] = {"ratio": round(statistics.median(shoal), 4), "runs": [round(ratio, 4) for ratio in shoal]}
            if (limit := limits[name]) is not None:
                ratios[name] |= {"limit": round(limit, 4), "within": statistics.median(shoal) <= limit}
    return {"contenders": contenders, "ratios": ratios}


def _report(figures: Figures) -> None:
    head = ("contender", "us CPU/event", "min..max", "events/s", "RSS MB", "changes", "Shoal to it", "limit")
    print("\n{:38s} {:>12s} {:>17s} {:>9s} {:>7s} {:>8s} {:>11s} {:>6s}".format(*head))
    for name, found in figures["contenders"].items():
        ratio, runs = figures["ratios"].get(name, {}), found["runs"]
        compared = f"{ratio['ratio']:11.3f}" if ratio else ""
        if "limit" in ratio:
            compared += f" {ratio['limit']:6.3f}  {'within' if ratio['within'] else 'over'}"
        cost, speed, memory, changes = (found[key] for key in _EACH)
        span = f"{min(runs):.2f}..{max(runs):.2f}"
        print(f"{name:38s} {cost:12.2f} {span:>17s} {speed:9.0f} {memory:7.0f} {changes:8.0f} {compared}".rstrip())
    if "latency" in figures:
        print(f"\n{'event to visible change, ms':38s} {'median':>12s} {'99th of 100':>17s}  (all rounds)")
    for name, found in figures.get("latency", {}).items():
        print(f"{name:38s} {found['p50_ms']:12.0f} {found['p99_ms']:17.0f}  {found['runs']}")
    for name, why in figures["left_out"].items():
        print(f"left out: {name} {why}.")
    write_json("bench_peers.json", figures)
    page.write()


if __name__ == "__main__":
    main()
