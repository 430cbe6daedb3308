"""`shoal demo` as a person runs it: headless to its figures, ended by signals, and brought down by a child that dies."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer
from rich.console import Console
from typer.testing import CliRunner, Result

from streams.broker.confluent import KafkaBroker
from streams.cli.main import app
from streams.contracts.changes import Change, CustomerSegments, Scores
from streams.live.customer import look_up
from streams.live.panel import profile_panel
from streams.scoring.library import Library
from streams.settings import Settings, load_settings
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


@dataclass(frozen=True)
class Played:
    """What a headless demo left behind."""

    settings: Settings
    figures: dict[str, Any]
    picture: Path

    def shoal(self, *arguments: str) -> Result:
        given = [*arguments, "-b", self.settings.bootstrap_servers, "--prefix", self.settings.prefix]
        return CliRunner().invoke(app, given)


@pytest.fixture(scope="module")
def played(embedded: str, orders: Path, tmp_path_factory: pytest.TempPathFactory) -> Played:
    picture = tmp_path_factory.mktemp("picture") / "demo.svg"
    settings = load_settings(bootstrap_servers=embedded, prefix=f"played{os.getpid()}.")
    figures = figures_of("-b", embedded, "--prefix", settings.prefix, "--file", orders, "--picture", picture)
    return Played(settings, figures, picture)


def test_a_headless_demo_ends_with_its_figures(played: Played) -> None:
    figures = played.figures
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
    assert played.shoal("digest").stdout.strip() == figures["state_digest"]


def test_the_picture_shows_the_last_frame(played: Played) -> None:
    text = played.picture.read_text().replace("&#160;", " ")
    assert ">lifecycle" in text
    assert re.search(rf">{CUSTOMERS}<.*> customers<", text)
    assert "orders.csv: done" in text


def test_tail_tells_every_change_once(played: Played) -> None:
    told = played.shoal("tail", "--until-end", "--json")
    changes = [msgspec.json.decode(line, type=Change) for line in told.stdout.splitlines()]
    assert len({change.id for change in changes}) == len(changes) == played.figures["changes"]
    lifecycle = played.shoal("tail", "--until-end", "-s", "lifecycle").stdout.splitlines()
    assert len(lifecycle) == played.figures["changes_by_segmentation"]["lifecycle"]
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d  lifecycle  customer c\d+: ", line) for line in lifecycle)
    assert sum(", because " in line for line in lifecycle) > len(lifecycle) / 2


def test_a_customer_is_found_with_features_and_evidence(played: Played) -> None:
    told = played.shoal("tail", "--until-end", "--json", "--customer", "c7")
    changes = [msgspec.json.decode(line, type=Change) for line in told.stdout.splitlines()]
    newest = {change.segmentation: change for change in changes}
    held = {name: change.current for name, change in newest.items() if change.current is not None and name != "micro"}
    segments = CustomerSegments("c7", "2024-02-01T00:00:00.000Z", held, [], changes[-1].scores, {}, None, "")
    profile = look_up(played.settings, segments)
    assert profile.figures is not None
    assert profile.figures.features["orders"] == ORDERS
    assert profile.figures.features["spend_total"] == ORDERS * 27.0
    assert profile.evidence == {name: newest[name] for name in held}
    paper = Console(width=120, file=io.StringIO())
    paper.print(profile_panel(profile, 120))
    assert isinstance(paper.file, io.StringIO)
    drawn = paper.file.getvalue()
    assert all(name in drawn for name in ("customer c7", "lifecycle", held["lifecycle"].name, "spend_total", "average_order"))


def test_nobody_is_found_where_nobody_is(played: Played) -> None:
    nobody = CustomerSegments("nobody", "2024-02-01T00:00:00.000Z", {}, [], Scores(), {}, None, "")
    assert look_up(played.settings, nobody).figures is None


def test_the_doctor_finds_it_well_but_for_what_is_not_running(played: Played) -> None:
    told = played.shoal("doctor", "--set", "http_port=1")
    assert told.exit_code == 0, told.stdout
    levels = {line.split()[1]: line.split()[0] for line in told.stdout.splitlines() if not line.startswith(" ")}
    assert levels["topics"] == levels["models"] == levels["settings"] == levels["clock"] == "ok"
    assert levels["broker"] == levels["workers"] == levels["views"] == "warn"
    assert "shows records of aborted transactions" in told.stdout
    assert "start `shoal work`" in told.stdout


def test_models_are_listed_and_only_one_that_is_there_can_be_promoted(played: Played) -> None:
    told = played.shoal("models", "list")
    assert told.exit_code == 0, told.stderr
    assert "trained through" in told.stdout
    assert told.stdout.rstrip().endswith("no champion yet, and no candidate: the rules decide alone")
    refused = played.shoal("models", "promote", "churn", "0000")
    assert refused.exit_code == 2
    assert "hash 0000: no snapshot begins so" in refused.stderr


def test_definitions_come_into_force_with_who_put_them_there(played: Played) -> None:
    told = played.shoal("definitions", "apply", "retail", "--by", "ada")
    assert told.exit_code == 0, told.stderr
    reader = KafkaBroker(played.settings).reader("test")
    library = Library(reader, played.settings.topic("models"))
    library.open()
    reader.close()
    in_force = library.active_definitions
    assert in_force is not None
    assert in_force[:12] in told.stdout
    assert library.program(in_force) is not None
    assert library.refused == 0


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
