"""docs/performance.md, made out of build/bench.json and build/bench_peers.json, whichever are there.

python -m tests.benchmarks.page: writes it anew. The same files make the same page.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Sequence

from tests.benchmarks.yardstick import BUILD, ROOT, Figures

PAGE = ROOT / "docs" / "performance.md"
_HEAD = """\
# Performance

Written by `make bench` and `make bench-peers` from what they measured; change the programs, not the page. The machine is small
and shared: what compares two programs is a ratio of one run, in which they took turns, and small differences are noise."""
_OTHERS = """\
## Beside others

The others do one part of the work: decode, decayed counters, a nearest kind, one probability, a change where the kind moves.
Shoal runs whole. Those that are slow read fewer events; CPU counts after a tenth of them. The limits are the project's own."""
_HOW = """\
- CPU is user and system time of the whole process, all its threads, the broker's not counted, between a tenth of the events and
  all of them. Figures are medians of the rounds.
- A ratio is of two programs of the same round; of the rounds' ratios the median counts.
- The broker is one node on the same machine; a topic has 4 partitions, events are JSON of some 430 bytes, and few customers
  send many of them. The topic of several workers has 8; of each worker CPU counts from a tenth of its own events to the commit
  of the last.
- Sweep and growth are CPU of the engine's thread alone, without a broker."""
_NAMES = {
    "floor": "floor: consume and decode, nothing else",
    "bare_loop": "bare loop: a small part of the work, exactly-once",
    "worker": "Shoal's worker, everything on, exactly-once",
}
_PARTS = {
    "fetch": "taking records from librdkafka",
    "decode": "JSON to columns, dead letters",
    "look-up": "the row of each customer id",
    "kernel": "deduplicate, apply, features, scores, decide",
    "explain": "the reasons of each change",
    "render": "changes as JSON, their hash chain, headers",
    "produce": "changes into the transaction",
    "rows": "rows packed and written to the changelog at commit",
    "memberships": "memberships as JSON, written at commit",
    "commit": "offsets, the commit itself, metrics; undo forgotten",
    "rest": "the loop: sorting by partition, pace, throttle, models",
    "rdk:broker": "librdkafka's threads that talk to the broker",
    "rdk:main": "librdkafka's main threads",
}


def write() -> None:
    """Writes the page."""
    PAGE.write_text(render(_read("bench.json"), _read("bench_peers.json")), encoding="utf-8")


def render(bench: Figures, peers: Figures) -> str:
    """The page. Either may be empty."""
    sections = [_HEAD]
    if bench:
        sections += [_cost(bench), _latency(bench), _memory(bench), _workers(bench), _profile(bench)]
    if peers:
        sections.append(_peers(peers))
    sections.append(_measured(bench, peers))
    return "\n\n".join(section for section in sections if section) + "\n"


def _cost(bench: Figures) -> str:
    rows = [
        (
            _NAMES.get(name, name),
            f"{found['cpu_us_per_event']:.1f}",
            _whole(found["events_per_s"]),
            _whole(found["changes"]),
            _whole(found["peak_rss_mb"]),
        )
        for name, found in bench["contenders"].items()
    ]
    text = "## What an event costs\n\n" + _table(("", "CPU us an event", "events a second", "changes", "RSS, MB"), rows)
    if "ratio_to_bare_loop" in bench:
        text += "\n\n" + _prose(
            f"The worker costs {bench['ratio_to_bare_loop']:.2f} times the bare loop, the fastest plain Python loop that we "
            "could write: one table, one compiled kernel, one transaction; no deduplication, no definitions, one kind of segment "
            "where the worker keeps seven. A customer's first events move most memberships, and each change is written with its "
            "reasons."
        )
    return text


def _latency(bench: Figures) -> str:
    if "latency_p50_ms" not in bench:
        return ""
    rows = [
        ("bare loop", _whole(bench["bare_loop_latency_p50_ms"]), _whole(bench["bare_loop_latency_p99_ms"])),
        ("Shoal's worker", _whole(bench["latency_p50_ms"]), _whole(bench["latency_p99_ms"])),
    ]
    rate = f" at {_whole(bench['latency_rate'])} events a second" if "latency_rate" in bench else ""
    said = _prose(
        f"From an event's append to its change, as a reader of committed records sees it, in ms,{rate}. Broker, load and reader "
        "run on the same cores. The worker sweeps its customers every 5 s meanwhile, and takes new champions."
    )
    return f"## Latency\n\n{said}\n\n" + _table(("", "median", "99th of 100"), rows)


def _memory(bench: Figures) -> str:
    rows: list[tuple[str, str]] = []
    if "bytes_per_customer" in bench:
        rows.append(("memory a customer, at a million, samples of 30 days kept", f"{_whole(bench['bytes_per_customer'])} bytes"))
    if "restore_seconds_per_million" in bench:
        cpu = f" ({bench['restore_cpu_seconds_per_million']:.1f} of CPU)"
        rows.append(
            (
                "restore of a million customers from the changelog, 4 partitions, one record each",
                f"{bench['restore_seconds_per_million']:.1f} s{cpu}",
            )
        )
    if "sweep_seconds_per_million" in bench:
        moved = _whole(bench["sweep_moving_moved"])
        rows.append(("sweep of a million customers, nobody moves", f"{bench['sweep_seconds_per_million']:.2f} s of CPU"))
        rows.append(
            (
                f"sweep of a million customers, {moved} memberships move",
                f"{bench['sweep_moving_seconds_per_million']:.2f} s of CPU",
            )
        )
    huge = f"; {bench['growth_in_huge_pages']:.0%} of the memory in huge pages" if "growth_in_huge_pages" in bench else ""
    for name, us, law in (("", "growth_us", "drawn evenly"), ("_zipf", "growth_us_zipf", "drawn by Zipf's law")):
        for size, ratio in _growth(bench, name):
            few, many = bench[us].values()
            rows.append(
                (
                    f"an event in the engine, {size} million customers beside 10,000, {law}",
                    f"{ratio:.2f} times ({few:.2f}, {many:.2f} us{huge})",
                )
            )
    if "growth_learner" in bench:
        (few, then), (many, now) = bench["learner"].items()
        what = f"an epoch of the learner, {_whole(int(many))} customers beside {_whole(int(few))}"
        asked = f"{_whole(now['samples'])} samples, one customer in {now['one_in']}, beside {_whole(then['samples'])}"
        rows.append((what, f"{bench['growth_learner']:.2f} times ({asked})"))
    if not rows:
        return ""
    return "## Many customers\n\n" + _table(("", ""), rows)


def _growth(bench: Figures, law: str) -> Iterable[tuple[str, float]]:
    for name, value in bench.items():
        if found := re.fullmatch(rf"growth_(\d+)m_over_10k{law}", name):
            yield found[1], value


def _workers(bench: Figures) -> str:
    if "workers" not in bench:
        return ""
    found = bench["workers"]
    (one, alone), (many, us) = found["us"].items()
    took, growth = found["records"][many], bench[f"growth_{many}_workers"]
    rows = [
        ("one worker", f"{alone:.2f}", _whole(*found["records"][one]), "", ""),
        (f"{many} workers", f"{us:.2f}", f"{_whole(min(took))} to {_whole(max(took))}", f"{growth:.2f}", _within(growth, found)),
    ]
    said = _prose(
        "On one topic, which is full before anybody reads; all workers hold their partitions, at rest, before any begins. CPU is "
        "that of all of them together: they share the cores with each other and the broker, so how fast they are says nothing."
    )
    head = ("", "CPU us an event", "records that each took", "of one worker's", "limit")
    return f"## Several workers\n\n{said}\n\n{_table(head, rows)}"


def _profile(bench: Figures) -> str:
    if "profile" not in bench:
        return ""
    profile = bench["profile"]
    spent: dict[str, float] = profile["parts"] | profile["threads"]
    whole = profile["us_per_event"]
    rows = [(part, f"{us:.2f}", f"{us / whole * 100:.0f} %", _PARTS.get(part, "")) for part, us in spent.items()]
    left = whole - sum(spent.values())
    rows.append(
        ("other", f"{left:.2f}", f"{left / whole * 100:.0f} %", "other threads, and what clocks of two kinds disagree about")
    )
    rows.append(("all", f"{whole:.2f}", "100 %", ""))
    text = "## Where the time goes\n\nCPU of the worker's main thread by part, then of librdkafka's threads.\n\n"
    text += _table(("part", "us an event", "share", "what it is"), rows)
    return f"{text}\n\n" + _prose(
        f"Measuring costs something itself: with the parts timed an event costs {profile['times_unprofiled']:.2f} times what it "
        "costs without, by turns in the same run."
    )


def _peers(peers: Figures) -> str:
    rows = []
    for name, found in peers["contenders"].items():
        ratio, runs = peers["ratios"].get(name, {}), found["runs"]
        limit = f"{_figure(ratio['limit'])}, {'within' if ratio['within'] else 'over'}" if "limit" in ratio else ""
        rows.append(
            (
                name,
                f"{found['cpu_us_per_event']:.1f} ({min(runs):.1f} to {max(runs):.1f})",
                _whole(found["events_per_s"]),
                _whole(found["changes"]),
                _whole(found["peak_rss_mb"]),
                _figure(ratio["ratio"]) if ratio else "",
                limit,
            )
        )
    head = ("", "CPU us an event (all rounds)", "events a second", "changes", "RSS, MB", "Shoal costs", "limit")
    text = f"{_OTHERS}\n\n{_table(head, rows)}"
    if peers["left_out"]:
        text += "\n\n" + "\n".join(f"- Left out: {name}, which {_told(why)} here." for name, why in peers["left_out"].items())
    return text + _peers_latency(peers)


def _peers_latency(peers: Figures) -> str:
    if "latency" not in peers:
        return ""
    said = _prose(
        f"From an event's append to its change, in ms, at {_whole(peers['latency_rate'])} events a second, by turns. The bare "
        "loop and Shoal commit as often as the broker lets them, those in Java every 100 ms, their programs' default."
    )
    rows = [
        (name, _whole(found["p50_ms"]), f"{_whole(found['p99_ms'])} ({', '.join(map(_whole, found['runs']))})")
        for name, found in peers["latency"].items()
    ]
    return f"\n\n{said}\n\n" + _table(("", "median", "99th of 100 (all rounds)"), rows)


def _within(value: float, found: Figures) -> str:
    return f"{_figure(found['limit'])}, {'within' if value <= found['limit'] else 'over'}"


def _told(why: str) -> str:
    """Without the reason, which is the machine's own."""
    return why.partition(" (")[0]


def _measured(bench: Figures, peers: Figures) -> str:
    lines = [_occasion(name, found) for name, found in (("make bench", bench), ("make bench-peers", peers)) if found]
    return "## How it was measured\n\n" + "\n".join([*lines, _HOW])


def _occasion(name: str, found: Figures) -> str:
    m = found["machine"]
    load = f"{_whole(found['events'])} events of {_whole(found['customers'])} customers, rounds: {found['rounds']}"
    machine = f"{m['cpu']}, {m['cores']} cores, {m['memory_gib']} GiB, {m['system']}, Python {m['python']}"
    busy = f"load of the machine before it began {found['load']:.1f}"
    said = f"- `{name}`, {found['date']}, commit {found['commit']}: {load}; {found['broker']}; {machine}; {busy}."
    return _prose(said, "  ")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    aligned = ["---", *("---:" if _is_figure(name) else "---" for name in head[1:])]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, aligned, *rows))


def _prose(text: str, indent: str = "") -> str:
    return textwrap.fill(text, 125, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _is_figure(name: str) -> bool:
    return name not in ("what it is", "limit")


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _figure(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def _read(name: str) -> Figures:
    path = BUILD / name
    found: Figures = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found if {"contenders", "load"} <= found.keys() else {}  # one of an older version tells too little


if __name__ == "__main__":
    write()
