"""`shoal demo` as a person runs it: headless to its figures, ended by signals, and brought down by a child that dies."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from streams.settings import load_settings
from streams.topics import create_topics

FIELDS = [
    "events", "customers", "changes", "changes_by_segmentation", "dead_letters", "duplicates", "wall_seconds",
    "cpu_us_per_event", "latency_ms", "champion", "scores", "segments", "state_digest",
]  # fmt: skip
MEASURED = ("wall_seconds", "cpu_us_per_event", "latency_ms")
CUSTOMERS, ORDERS = 40, 6


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small shop's orders: customer n orders every 1 to 4 days. One line comes twice, under the same id."""
    path = tmp_path_factory.mktemp("orders") / "orders.csv"
    start = datetime(2024, 1, 1, 9, tzinfo=UTC)
    rows = [
        (start + timedelta(days=number * (1 + customer % 4), minutes=customer), customer, f"{customer}-{number}")
        for customer in range(CUSTOMERS)
        for number in range(ORDERS)
    ]
    rows.append(rows[-1])
    lines = [f"{at.isoformat()},c{customer},{20 + customer},{identity}" for at, customer, identity in sorted(rows)]
    path.write_text("timestamp,customer_id,amount,message_id\n" + "\n".join(lines) + "\n")
    return path


pytestmark = pytest.mark.slow


@contextmanager
def demo(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A demo that runs; ended at the end, whatever happened."""
    command = [sys.executable, "-m", "streams.cli.main", "demo", "--headless", "--set", "http_port=0"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SHOAL_")}
    with subprocess.Popen(
        [*command, *map(str, arguments)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def figures_of(*arguments: str | Path) -> dict[str, Any]:
    with demo(*arguments) as process:
        output, told = process.communicate(timeout=110)
    assert process.returncode == 0, told
    figures: dict[str, Any] = json.loads(output)
    return figures


def children_of(pid: int) -> dict[str, int]:
    """Pids of the demo's processes by the name of their command."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    return {row[2].split("leash ")[1].split()[0]: int(row[0]) for row in rows if int(row[1]) == pid and "leash " in row[2]}


def wait_for_children(process: subprocess.Popen[str], within: float = 60.0) -> dict[str, int]:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if len(found := children_of(process.pid)) == 3:
            return found
        time.sleep(0.1)
    pytest.fail("the processes of the demo did not start")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def logs_of(told: str) -> Path:
    found = re.search(r"logs are in (\S+)", told)
    assert found, told
    return Path(found[1])


def test_a_headless_demo_ends_with_its_figures(embedded: str, prefix: str, orders: Path, tmp_path: Path) -> None:
    picture = tmp_path / "demo.svg"
    figures = figures_of("-b", embedded, "--prefix", prefix, "--file", orders, "--picture", picture)
    assert list(figures) == FIELDS
    assert figures["events"] == CUSTOMERS * ORDERS + 1
    assert figures["customers"] == CUSTOMERS
    assert figures["duplicates"] == 1
    assert figures["dead_letters"] == 0
    assert figures["changes"] == sum(figures["changes_by_segmentation"].values()) > CUSTOMERS
    assert sum(figures["segments"]["lifecycle"].values()) == CUSTOMERS
    assert figures["cpu_us_per_event"] > 0
    assert figures["latency_ms"]["p99"] >= figures["latency_ms"]["p50"] > 0
    assert set(figures["scores"]) == {"churn", "purchase"}
    assert set(figures["scores"]["churn"]) == {"auc", "log_loss", "n"}
    assert re.fullmatch(r"[0-9a-f]{64}", figures["state_digest"])
    assert "lifecycle" in picture.read_text()


@pytest.mark.timeout(240)
def test_workers_and_brokers_change_speed_alone(embedded: str, kafka: str, prefix: str, orders: Path) -> None:
    one = figures_of("-b", embedded, "--prefix", prefix, "--file", orders)
    two = figures_of("-b", kafka, "--prefix", prefix, "--file", orders, "--workers", "2")
    for name in MEASURED:
        del one[name], two[name]
    assert one == two


def test_topics_that_hold_events_are_left_alone(embedded: str, prefix: str, orders: Path) -> None:
    create_topics(load_settings(bootstrap_servers=embedded, prefix=prefix))
    producer = Producer({"bootstrap.servers": embedded})
    producer.produce(f"{prefix}events", b"{}", b"somebody")
    assert producer.flush(10) == 0
    with demo("-b", embedded, "--prefix", prefix, "--file", orders) as process:
        _, told = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"shoal: {prefix}events holds events already: give the demo a prefix of its own" in told


def test_a_signal_ends_everything_in_order(orders: Path) -> None:
    with demo("--broker", "embedded", "--file", orders) as process:
        children = wait_for_children(process)
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert set(children) == {"work", "learn", "serve"}
    assert not any(map(alive, children.values()))
    logs = logs_of(told)
    assert {path.name for path in logs.glob("*.log")} == {"work-0.log", "learn.log", "serve.log"}
    assert "Traceback" not in told
    assert not subprocess.run(["pgrep", "-f", str(logs)], capture_output=True, text=True, check=False).stdout


def test_a_killed_demo_takes_its_processes_with_it(embedded: str, prefix: str, orders: Path) -> None:
    with demo("-b", embedded, "--prefix", prefix, "--file", orders) as process:
        children = wait_for_children(process)
        process.kill()
        process.communicate()
    deadline = time.monotonic() + 40
    while any(map(alive, children.values())) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [name for name, pid in children.items() if alive(pid)] == []


def test_a_child_that_dies_ends_the_demo_with_its_last_words(embedded: str, prefix: str, orders: Path) -> None:
    with demo("-b", embedded, "--prefix", prefix, "--file", orders) as process:
        children = wait_for_children(process)
        os.kill(children["learn"], signal.SIGKILL)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "shoal: learn ended with status -9; its log" in told
    assert not any(map(alive, children.values()))
