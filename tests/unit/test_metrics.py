"""The metrics: their names, what a scrape reads, readiness, and that no input can add series without bound."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from streams.errors import SettingsError
from streams.metrics import Metrics, MetricsServer, NameCounter


@dataclass
class Readiness:
    ready: bool = False
    why: str = "restoring partition 3"

    def __call__(self) -> tuple[bool, str]:
        return self.ready, "" if self.ready else self.why


@dataclass
class Served:
    metrics: Metrics
    readiness: Readiness
    server: MetricsServer = field(init=False)

    def __post_init__(self) -> None:
        self.server = MetricsServer(self.metrics.registry, "127.0.0.1", 0, self.readiness)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.server.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def samples(self) -> dict[str, float]:
        _, text = self.get("/metrics")
        return {
            sample.name + "".join(f"|{value}" for value in sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served(Metrics(CollectorRegistry()), Readiness())
    yield served
    served.server.close()


def test_a_scrape_reads_what_was_counted(served: Served) -> None:
    served.metrics.events.inc(7)
    served.metrics.changes.labels("lifecycle").inc(2)
    served.metrics.dead_letters.labels("not JSON").inc()
    served.metrics.model_version.labels("churn").set(12)
    samples = served.samples()
    assert samples["shoal_events_total"] == 7
    assert samples["shoal_changes_total|lifecycle"] == 2
    assert samples["shoal_dead_letters_total|not JSON"] == 1
    assert samples["shoal_model_version|churn"] == 12
    assert samples["process_cpu_seconds_total"] > 0


def test_a_process_is_healthy_before_it_is_ready(served: Served) -> None:
    assert served.get("/healthz") == (200, "ok\n")
    assert served.get("/readyz") == (503, "restoring partition 3\n")
    served.readiness.ready = True
    assert served.get("/readyz") == (200, "ready\n")
    assert served.get("/elsewhere")[0] == 404


def test_two_processes_worth_of_metrics_live_side_by_side() -> None:
    one, two = Metrics(CollectorRegistry()), Metrics(CollectorRegistry())
    one.events.inc()
    assert two.registry.get_sample_value("shoal_events_total") == 0


def test_every_metric_has_shoals_prefix_and_a_comment() -> None:
    families = [family for family in Metrics(CollectorRegistry()).registry.collect() if family.name[:7] != "process"]
    assert len(families) > 30
    assert [family.name for family in families if not family.name.startswith("shoal_")] == []
    assert [family.name for family in families if len(family.documentation) < 10] == []


def test_latencies_taken_one_by_one_and_in_bulk_are_the_same() -> None:
    seconds = np.array([0.0, 0.005, 0.0051, 0.2, 29.9, 30.0, 31.0, 0.2])
    one, all_at_once = Metrics(CollectorRegistry()), Metrics(CollectorRegistry())
    for value in seconds:
        one.end_to_end_seconds.observe(float(value))
    all_at_once.end_to_end_seconds.observe_all(seconds)

    def buckets(metrics: Metrics) -> dict[str, float]:
        (family,) = metrics.end_to_end_seconds.collect()
        return {s.labels["le"]: s.value for s in family.samples if "le" in s.labels}

    assert buckets(one) == buckets(all_at_once)
    assert buckets(one)["0.005"] == 2
    assert buckets(one)["0.2"] == 5
    assert buckets(one)["30"] == 7
    assert buckets(one)["+Inf"] == 8
    total = all_at_once.registry.get_sample_value("shoal_end_to_end_seconds_sum")
    assert total == pytest.approx(seconds.sum())


def test_unknown_names_are_bounded() -> None:
    metrics = Metrics(CollectorRegistry())
    names = NameCounter(metrics.unknown_names._counter, kept=3)
    names.add({"Rare": 1, "Often": 9, "Sometimes": 4, "Seldom": 2})
    names.add({f"Hostile {i}": 1 for i in range(1_000)} | {"Often": 1})

    def count(name: str) -> float | None:
        return metrics.registry.get_sample_value("shoal_unknown_names_total", {"name": name})

    assert count("Often") == 10
    assert count("Sometimes") == 4
    assert count("Seldom") == 2
    assert count("Rare") is None
    assert count("(others)") == 1_001


def test_a_taken_port_is_a_sentence(served: Served) -> None:
    with pytest.raises(SettingsError, match=r"metrics_port \d+: .*choose another port, or 0 for a free one"):
        MetricsServer(CollectorRegistry(), "127.0.0.1", served.server.port, Readiness())
