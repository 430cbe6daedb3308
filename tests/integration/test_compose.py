"""The container set-up: compose file, image, Prometheus and Grafana agree with the code and with each other.

Containers cannot be taken for granted where tests run: each command of ours runs natively, with its own environment.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import yaml
from confluent_kafka import Producer
from packaging.specifiers import SpecifierSet
from prometheus_client import CollectorRegistry

from streams.embedded import jars
from streams.metrics import Metrics
from streams.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
OURS = ("topics", "workers", "learner", "views")


@cache
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return loaded


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = compose()["services"][name]
    return found


def metrics_ports(name: str) -> list[int]:
    """One for each process of a service."""
    command, first = service(name)["command"], int(service(name)["environment"]["SHOAL_METRICS_PORT"])
    processes = int(command[command.index("--processes") + 1]) if "--processes" in command else 1
    return [first + process for process in range(processes)]


def expressions() -> list[str]:
    """Every query of the alerts and of the dashboard."""
    alerts = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text(encoding="utf-8"))
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/shoal.json").read_text(encoding="utf-8"))
    return [rule["expr"] for group in alerts["groups"] for rule in group["rules"]] + [
        target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])
    ]


def exported() -> dict[str, set[str]]:
    """The labels of every series that a process exports, by the series' name."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    labels = {metric._name: set(metric._labelnames) for metric in vars(metrics).values() if hasattr(metric, "_labelnames")}
    labels["shoal_unknown_names"] = {"name"}
    endings = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_count", "_sum"]}
    return {
        family.name + ending: labels.get(family.name, set()) for family in registry.collect() for ending in endings[family.type]
    }


def test_ours_run_the_image_that_the_dockerfile_builds() -> None:
    for name in OURS:
        assert service(name)["build"] == {"context": ".", "dockerfile": "deploy/Dockerfile"}
    assert set(compose()["services"]) == {*OURS, "kafka", "prometheus", "grafana"}


def test_the_environment_names_settings_that_exist() -> None:
    known = {f"SHOAL_{name.upper()}" for name in Settings.model_fields}
    for name in OURS:
        assert set(service(name)["environment"]) <= known
        assert service(name)["environment"]["SHOAL_BOOTSTRAP_SERVERS"] == "kafka:19092"
    advertised = service("kafka")["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert "PLAINTEXT://kafka:19092" in advertised


def test_the_environment_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OURS:
        with monkeypatch.context() as patch:
            for variable, value in service(name)["environment"].items():
                patch.setenv(variable, value)
            assert load_settings().metrics_host == "0.0.0.0"


def test_nothing_is_open_to_other_machines() -> None:
    published = [port for each in compose()["services"].values() for port in each.get("ports", [])]
    assert len(published) == 4
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_topics_are_made_before_anything_works_on_them() -> None:
    assert service("topics")["depends_on"]["kafka"]["condition"] == "service_healthy"
    for name in ("workers", "learner", "views"):
        assert service(name)["depends_on"]["topics"]["condition"] == "service_completed_successfully"


def test_health_is_asked_where_the_metrics_are() -> None:
    for name in ("workers", "learner", "views"):
        assert f"127.0.0.1:{metrics_ports(name)[0]}/readyz" in service(name)["healthcheck"]["test"][-1]


def test_prometheus_scrapes_every_process() -> None:
    jobs = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    scraped = {job["job_name"]: [target for group in job["static_configs"] for target in group["targets"]] for job in jobs}
    assert scraped == {name: [f"{name}:{port}" for port in metrics_ports(name)] for name in ("workers", "learner", "views")}


def test_what_is_mounted_is_there() -> None:
    mounts = [volume for each in compose()["services"].values() for volume in each.get("volumes", [])]
    assert mounts
    for source in (volume.split(":")[0] for volume in mounts):
        assert (ROOT / source).is_dir() if source.startswith(".") else source in compose()["volumes"]
    dashboard = service("grafana")["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (ROOT / "deploy/grafana/dashboards" / Path(dashboard).name).is_file()


def test_the_broker_is_the_one_that_the_tests_run_on() -> None:
    assert service("kafka")["image"] == f"apache/kafka:{jars.kafka_version()}"


@pytest.mark.parametrize("expression", expressions())
def test_alerts_and_dashboard_ask_for_metrics_and_labels_that_are_exported(expression: str) -> None:
    series = exported()
    asked = set(re.findall(r"\b(?:shoal|process)_\w+", expression))
    assert asked <= set(series), "not declared in streams/metrics.py"
    assert asked or "up{" in expression
    grouped = {label for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in re.findall(r"\w+", group)}
    assert grouped <= {"instance", "job", "le"}.union(*(series[name] for name in asked))
    assert expression.count("(") == expression.count(")")


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    alerts = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text(encoding="utf-8"))
    rules = [rule for group in alerts["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert set(rule["annotations"]) == {"summary", "action"}


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/shoal.json").read_text(encoding="utf-8"))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_the_image_is_built_from_files_that_are_there_and_let_through() -> None:
    dockerfile = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
    copied = {
        source for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, flags=re.MULTILINE) for source in line.split()[:-1]
    }
    let_through = re.findall(r"^!(.+)$", (ROOT / "deploy/Dockerfile.dockerignore").read_text(), flags=re.MULTILINE)
    assert copied == set(let_through)
    assert {source for source in copied if not (ROOT / source).exists()} == set()
    (python,) = set(re.findall(r"^FROM python:([\d.]+)", dockerfile, flags=re.MULTILINE))
    wanted = re.search(r'^requires-python = "(.+)"$', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)
    assert wanted
    assert SpecifierSet(wanted[1]).contains(python)
    assert re.search(r"^USER shoal$", dockerfile, flags=re.MULTILINE)


def native(environment: Mapping[str, str], servers: str, prefix: str, ports: Mapping[str, int]) -> dict[str, str]:
    """A service's environment without containers: this broker, this address, free ports, topics of its own."""
    here = {"kafka:19092": servers, "0.0.0.0": "127.0.0.1", **{old: str(new) for old, new in ports.items()}}
    said = {name: here.get(value, value) for name, value in environment.items()}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SHOAL_")}
    return {**inherited, **said, "SHOAL_PREFIX": prefix}


def free_ports(count: int) -> int:
    """The first of so many free ports in a row."""
    for first in range(21_000, 31_000, count):
        with ExitStack() as held:
            try:
                for port in range(first, first + count):
                    held.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
        return first
    raise AssertionError("no free ports")


@contextmanager
def running(name: str, environment: dict[str, str], folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    command = [str(Path(sys.executable).with_name("shoal")), *service(name)["command"]]
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def answer(url: str) -> Any | None:
    """The JSON, or the text, that is served there; None while it is not."""
    try:
        with urlopen(url, timeout=5) as said:
            body = said.read()
    except (URLError, OSError):
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()


def eventually(url: str, within: float, process: "subprocess.Popen[bytes]", log: Path) -> Any:
    """The answer, once the process gives one."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline and process.poll() is None:
        if (said := answer(url)) is not None:
            return said
        time.sleep(0.2)
    pytest.fail(f"{url} did not answer (exit code {process.poll()}):\n{log.read_text()[-3000:]}")


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_every_command_of_ours_runs_natively_with_its_own_environment(kafka: str, prefix: str, tmp_path: Path) -> None:
    base = free_ports(6)
    ports = {"9464": base, "9474": base + 2, "9484": base + 3, "8080": base + 4}
    served = {"workers": [base, base + 1], "learner": [base + 2], "views": [base + 3]}
    environment = {name: native(service(name)["environment"], kafka, prefix, ports) for name in OURS}
    with running("topics", environment["topics"], tmp_path) as topics:
        assert topics.wait(60) == 0, (tmp_path / "topics.log").read_text()

    with ExitStack() as stack:
        started = {name: stack.enter_context(running(name, environment[name], tmp_path)) for name in served}

        def ask(name: str, port: int, path: str) -> Any:
            return eventually(f"http://127.0.0.1:{port}{path}", 90, started[name], tmp_path / f"{name}.log")

        for name, places in served.items():
            for port in places:
                ask(name, port, "/readyz")
                assert "shoal_events_total" in ask(name, port, "/metrics")

        producer = Producer({"bootstrap.servers": kafka})
        producer.produce(f"{prefix}events", key=b"c1", value=json.dumps(event("c1")).encode())
        assert producer.flush(30) == 0
        shown = ask("views", ports["8080"], "/v1/customers/c1")
        assert "lifecycle" in json.dumps(shown)

        for process in started.values():
            process.send_signal(signal.SIGTERM)
        grace = {name: int(service(name).get("stop_grace_period", "10s").removesuffix("s")) for name in started}
        ended = {name: process.wait(grace[name]) for name, process in started.items()}
    assert ended == dict.fromkeys(started, 0), "each ends in good order"


def event(customer: str) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "Product Viewed",
        "messageId": "m1",
        "userId": customer,
        "timestamp": datetime.now(UTC).isoformat(),
        "properties": {"category": "shoes", "price": 12.5},
    }
