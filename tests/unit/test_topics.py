"""The declared topics, and what is said when the broker or its options are wrong."""

import pytest

from streams.admin import admin
from streams.errors import BrokerError, SettingsError
from streams.settings import load_settings
from streams.topics import TOPICS, check_topics, create_topics

BESIDE_EVENTS = {"events", "commands", "state", "segments", "segment-changes", "samples", "journal", "events.dlq"}


def test_what_a_worker_reads_and_writes_has_the_partitions_of_events() -> None:
    settings = load_settings(partitions=7)
    assert {topic.name for topic in TOPICS if topic.count(settings) == 7} == BESIDE_EVENTS
    assert [topic.name for topic in TOPICS if topic.count(settings) == 1] == ["models"]


def test_what_is_looked_up_by_key_is_compacted_and_the_rest_is_kept_for_a_time() -> None:
    policies = {topic.name: topic.required_config() for topic in TOPICS}
    assert {name for name, config in policies.items() if config["cleanup.policy"] == "compact"} == {
        "state",
        "segments",
        "models",
    }
    kept = {name: int(config["retention.ms"]) for name, config in policies.items() if "retention.ms" in config}
    day = 86_400_000
    assert kept == {
        "events": -1,
        "journal": -1,
        "commands": 30 * day,
        "segment-changes": 30 * day,
        "samples": 7 * day,
        "events.dlq": 14 * day,
    }


def test_a_changelog_is_cleaned_early_so_that_a_restore_reads_little() -> None:
    (state,) = (topic for topic in TOPICS if topic.name == "state")
    assert set(state.tuning) == {
        "segment.bytes",
        "min.cleanable.dirty.ratio",
        "max.compaction.lag.ms",
        "delete.retention.ms",
    }


@pytest.mark.parametrize("ask", [check_topics, create_topics])
def test_a_missing_broker_is_a_sentence_with_its_address(
    ask: object, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("streams.admin.ANSWER_WITHIN", 0.3)
    assert callable(ask)
    with pytest.raises(BrokerError, match=r"no Kafka broker answers at 127\.0\.0\.1:1 .*`shoal broker start`"):
        ask(load_settings(bootstrap_servers="127.0.0.1:1"))
    assert capfd.readouterr() == ("", "")


def test_options_that_librdkafka_does_not_know_are_named() -> None:
    with pytest.raises(SettingsError, match=r'kafka: No such configuration property: "sasl.pasword"'):
        admin(load_settings(kafka={"sasl.pasword": "x"}))
