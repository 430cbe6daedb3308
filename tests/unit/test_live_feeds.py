"""What is picked out of the changes for the screen, and what is read off /metrics."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from streams.live.feeds import varied
from streams.live.scrape import add_buckets, is_ready, parse, quantile, scrape
from streams.metrics import Metrics, MetricsServer
from tests.unit.live_changes import change


def test_the_newest_changes_are_of_different_customers_and_segmentations() -> None:
    newest_first = [
        change("Quiet", "About to buy", segmentation="intent", customer="1"),
        change("Active", "At risk", segmentation="primary", customer="1"),
        change("Active", "At risk", segmentation="lifecycle", customer="1"),
        change("Quiet", "About to buy", segmentation="intent", customer="2"),
        change("Quiet", "About to buy", segmentation="intent", customer="3"),
        change(None, "Active", segmentation="lifecycle", customer="4"),
        change("Low", "High", segmentation="value", customer="5"),
    ]
    shown = varied(newest_first, 3)
    assert [(each.segmentation, each.customer_id) for each in shown] == [("intent", "1"), ("lifecycle", "1"), ("value", "5")]


def test_few_changes_are_all_shown_but_primary_repeats_another() -> None:
    changes = [change(None, "Active", customer="1"), change("Active", "At risk", segmentation="primary", customer="1")]
    assert varied(changes, 10) == changes[:1]


def test_a_scrape_reads_what_the_process_counted() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.events.inc(12)
    metrics.dead_letters.labels("key").inc(2)
    metrics.dead_letters.labels("not_json").inc(3)
    metrics.end_to_end_seconds.observe(0.012, 90)
    metrics.end_to_end_seconds.observe(0.9, 10)
    found = parse(generate_latest(metrics.registry).decode())
    assert found.value("shoal_events_total") == 12
    assert found.value("nothing") is None
    assert found.total("shoal_dead_letters_total") == 5
    buckets = found.buckets("shoal_end_to_end_seconds")
    assert buckets[-1] == (float("inf"), 100.0)
    assert quantile(buckets, 0.5) == pytest.approx(0.010 + 0.005 * 50 / 90)
    assert quantile(buckets, 0.99) == pytest.approx(0.75 + 0.25 * 9 / 10)


def test_histograms_of_several_workers_add_up() -> None:
    one, two = ((1.0, 3.0), (float("inf"), 4.0)), ((1.0, 5.0), (float("inf"), 5.0))
    assert add_buckets([one, two]) == ((1.0, 8.0), (float("inf"), 9.0))


def test_quantiles_without_observations_and_beyond_the_last_bound() -> None:
    assert quantile((), 0.5) is None
    assert quantile(((1.0, 0.0), (float("inf"), 0.0)), 0.5) is None
    assert quantile(((1.0, 1.0), (float("inf"), 4.0)), 0.99) == 1.0


def test_a_process_that_is_not_there_is_not_ready_and_has_no_metrics() -> None:
    server = MetricsServer(CollectorRegistry(), "127.0.0.1", 0, lambda: (True, ""))
    assert is_ready(server.port)
    assert scrape(server.port) is not None
    server.close()
    assert not is_ready(server.port)
    assert scrape(server.port) is None
