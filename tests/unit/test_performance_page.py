"""The page of figures says what the benchmarks wrote, and nothing that they did not; the history compares like with like."""

from __future__ import annotations

import copy
from pathlib import Path

from tests.benchmarks import history
from tests.benchmarks.bench_peers import summary
from tests.benchmarks.page import render
from tests.benchmarks.yardstick import Figures

OCCASION: Figures = {
    "date": "2026-01-02 03:04 UTC",
    "commit": "abc1234",
    "broker": "Apache Kafka 4.1.1",
    "machine": {"cpu": "Some CPU", "cores": 2, "memory_gib": 24, "python": "3.11.7", "system": "Linux 6"},
    "events": 1_200_000,
    "customers": 50_000,
    "rounds": 3,
    "load": 0.25,
}
BENCH: Figures = {
    **OCCASION,
    "contenders": {
        "bare_loop": {"cpu_us_per_event": 4.31, "events_per_s": 150_000, "changes": 10, "peak_rss_mb": 300},
        "worker": {"cpu_us_per_event": 7.62, "events_per_s": 120_000, "changes": 20, "peak_rss_mb": 400},
    },
    "worker_us": 7.62,
    "ratio_to_bare_loop": 1.77,
    "profile": {
        "us_per_event": 8.0,
        "times_unprofiled": 1.05,
        "parts": {"decode": 2.0, "kernel": 3.0},
        "threads": {"rdk:broker": 1.0},
    },
    "latency_rate": 5000,
    "latency_p50_ms": 88.0,
    "latency_p99_ms": 270.0,
    "bare_loop_latency_p50_ms": 49.0,
    "bare_loop_latency_p99_ms": 174.0,
    "bytes_per_customer": 933,
    "restore_seconds_per_million": 4.25,
    "restore_cpu_seconds_per_million": 5.0,
    "sweep_seconds_per_million": 1.5,
    "sweep_moving_seconds_per_million": 1.75,
    "sweep_moving_moved": 12_345,
    "growth_5m_over_10k": 1.9,
    "growth_us": {"10000": 2.0, "5000000": 3.8},
    "growth_5m_over_10k_zipf": 1.2,
    "growth_in_huge_pages": 0.97,
    "growth_us_zipf": {"10000": 2.0, "5000000": 2.4},
    "growth_learner": 0.63,
    "learner": {
        "60000": {"seconds": 2.0, "samples": 17_143, "one_in": 1},
        "600000": {"seconds": 1.26, "samples": 10_714, "one_in": 16},
    },
    "growth_4_workers": 1.08,
    "workers": {
        "us": {"1": 7.0, "4": 7.56},
        "records": {"1": [1_200_000], "4": [300_000, 290_000, 310_000, 300_000]},
        "ratios": [1.07, 1.08, 1.2],
        "limit": 1.15,
    },
}


def round_of(shoal: float | None, loop: float, flink: float | None = None) -> dict[str, Figures]:
    costs = ({} if shoal is None else {"Shoal": shoal}) | {"loop": loop} | ({} if flink is None else {"Flink": flink})
    return {
        name: {"cpu_us_per_event": us, "events_per_s": 1e6 / us, "peak_rss_mb": 100, "changes": 5} for name, us in costs.items()
    }


PEERS: Figures = {
    **OCCASION,
    **summary(
        [round_of(8, 4, 10), round_of(9, 6, 10), round_of(8, 5), round_of(None, 5)], {"loop": 1.5, "Flink": 1.5, "Quix": 1 / 3}
    ),
    "latency_rate": 5000,
    "latency": {"Shoal": {"p50_ms": 70.0, "p99_ms": 126.0, "runs": [126.0, 131.0]}},
    "left_out": {"Quix": "cannot be built (somewhere says no)", "Flink": "did not run through (it fell)"},
}


def line_with(page: str, start: str) -> str:
    (found,) = [line for line in page.splitlines() if line.startswith(start)]
    return found


def test_every_figure_stands_on_the_page() -> None:
    page = render(BENCH, {})
    assert line_with(page, "| Shoal's worker, everything on") == (
        "| Shoal's worker, everything on, exactly-once | 7.6 | 120,000 | 20 | 400 |"
    )
    assert "The worker costs 1.77 times the bare loop" in page
    assert line_with(page, "| Shoal's worker | 88") == "| Shoal's worker | 88 | 270 |"
    for told in ("933 bytes", "4.2 s (5.0 of CPU)", "12,345 memberships move | 1.75 s", "at 5,000 events a second"):
        assert told in page
    assert "5 million customers beside 10,000, drawn evenly | 1.90 times (2.00, 3.80 us; 97% of the memory in huge pages)" in page
    assert (
        "5 million customers beside 10,000, drawn by Zipf's law | 1.20 times (2.00, 2.40 us; 97% of the memory in huge pages)"
        in page
    )
    assert "600,000 customers beside 60,000 | 0.63 times (10,714 samples, one customer in 16, beside 17,143)" in page
    assert "`make bench`, 2026-01-02 03:04 UTC, commit abc1234: 1,200,000 events of 50,000 customers, rounds: 3" in " ".join(
        page.split()
    )


def test_four_workers_stand_beside_one_and_the_limit() -> None:
    page = render(BENCH, {})
    assert line_with(page, "| one worker |") == "| one worker | 7.00 | 1,200,000 |  |  |"
    assert line_with(page, "| 4 workers |") == "| 4 workers | 7.56 | 290,000 to 310,000 | 1.08 | 1.15, within |"
    assert line_with(render({**BENCH, "growth_4_workers": 1.16}, {}), "| 4 workers |").endswith("| 1.16 | 1.15, over |")
    assert history.numbers(BENCH)["growth_4_workers"] == 1.08


def test_the_parts_and_what_is_left_make_the_whole() -> None:
    page = render(BENCH, {})
    assert line_with(page, "| kernel |").startswith("| kernel | 3.00 | 38 % |")
    assert line_with(page, "| other |").startswith("| other | 2.00 | 25 % |")
    assert line_with(page, "| all |").startswith("| all | 8.00 | 100 % |")
    assert "costs 1.05 times" in page


def test_ratios_are_medians_of_the_rounds_in_which_both_ran() -> None:
    assert PEERS["ratios"]["loop"] == {"ratio": 1.6, "runs": [2.0, 1.5, 1.6], "limit": 1.5, "within": False}
    assert PEERS["ratios"]["Flink"]["runs"] == [0.8, 0.9]
    page = render({}, PEERS)
    assert line_with(page, "| loop |") == "| loop | 5.0 (4.0 to 6.0) | 200,000 | 5 | 100 | 1.60 | 1.50, over |"
    assert line_with(page, "| Flink |").endswith("| 0.85 | 1.50, within |")
    assert line_with(page, "| Shoal | 8").endswith("|  |  |")


def test_the_latency_of_peers_stands_beside_ours_where_it_was_measured() -> None:
    assert line_with(render({}, PEERS), "| Shoal | 70") == "| Shoal | 70 | 126 (126, 131) |"
    assert "an event's append" not in render({}, {name: found for name, found in PEERS.items() if name != "latency"})


def test_a_peer_that_is_missing_is_told_without_the_words_of_this_machine() -> None:
    page = render({}, PEERS)
    assert line_with(page, "- Left out: Quix") == "- Left out: Quix, which cannot be built here."
    assert "somewhere" not in page


def test_the_same_figures_make_the_same_page() -> None:
    assert render(BENCH, PEERS) == render(copy.deepcopy(BENCH), copy.deepcopy(PEERS))


def test_what_was_skipped_is_not_on_the_page() -> None:
    cost = ("contenders", "worker_us")
    page = render({name: value for name, value in BENCH.items() if name in OCCASION or name in cost}, {})
    for section in ("Latency", "Many customers", "Several workers", "Where the time goes", "Beside others"):
        assert f"## {section}" not in page
    assert "## How it was measured" in page
    assert "## What an event costs" not in render({}, {})


def test_the_history_compares_with_the_newest_line_of_the_same_machine(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    assert history.before(BENCH, file) is None
    history.append({**BENCH, "worker_us": 9.0}, file)
    history.append({**OCCASION, "worker_us": 8.0}, file)
    elsewhere = {**OCCASION, "machine": {**OCCASION["machine"], "cores": 64}, "worker_us": 1.0}
    history.append(elsewhere, file)
    found = history.before(BENCH, file)
    assert found is not None
    assert found["figures"]["worker_us"] == 8.0
    assert found["figures"]["bytes_per_customer"] == 933  # the newest run had left it out
    assert history.change(7.6, found["figures"]["worker_us"]) == "-5 %"
    assert history.change(7.6, None) == ""
