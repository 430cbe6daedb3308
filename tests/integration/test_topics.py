"""Making and checking topics on both kinds of broker."""

import time

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType  # type: ignore[attr-defined]

from streams.admin import partition_counts
from streams.errors import TopicError
from streams.settings import Settings, load_settings
from streams.topics import TOPICS, check_topics, create_topics, require_topics


def settings_for(broker: str, prefix: str, partitions: int = 4) -> Settings:
    return load_settings(bootstrap_servers=broker, prefix=prefix, partitions=partitions)


def make(broker: str, name: str, partitions: int, **config: str) -> None:
    topic = NewTopic(name, partitions, 1, config={key.replace("_", "."): value for key, value in config.items()})
    client = AdminClient({"bootstrap.servers": broker})
    client.create_topics([topic])[name].result(10)


def remove(broker: str, name: str) -> None:
    """Returns when the broker does not list it any more."""
    client = AdminClient({"bootstrap.servers": broker})
    client.delete_topics([name])[name].result(10)
    deadline = time.monotonic() + 10
    while name in client.list_topics(timeout=5).topics and time.monotonic() < deadline:
        time.sleep(0.05)


def test_all_topics_are_made_once_and_found_good(broker: str, prefix: str) -> None:
    settings = settings_for(broker, prefix, partitions=3)
    assert create_topics(settings) == [prefix + topic.name for topic in TOPICS]
    assert create_topics(settings) == []
    assert check_topics(settings) == []
    require_topics(settings)
    counts = partition_counts(settings)
    assert {topic.name: counts[prefix + topic.name] for topic in TOPICS} == {
        topic.name: 1 if topic.name == "models" else 3 for topic in TOPICS
    }


def test_every_missing_topic_is_named_with_what_to_do(broker: str, prefix: str) -> None:
    settings = settings_for(broker, prefix)
    faults = check_topics(settings)
    assert faults == [f"topic {prefix}{topic.name} is missing: run `shoal topics create`" for topic in TOPICS]
    with pytest.raises(TopicError, match=r"none of the topics is there, .*: run `shoal topics create`"):
        require_topics(settings)


def test_what_is_wrong_is_raised_with_every_fault(broker: str, prefix: str) -> None:
    make(broker, f"{prefix}models", 2, cleanup_policy="compact")
    settings = settings_for(broker, prefix, partitions=2)
    with pytest.raises(TopicError) as raised:
        require_topics(settings)
    faults = check_topics(settings)
    assert len(faults) == len(TOPICS)
    assert all(fault in str(raised.value) for fault in faults)


def test_other_partitions_than_the_settings_say_are_told_and_nothing_is_made(broker: str, prefix: str) -> None:
    make(broker, f"{prefix}events", 2)
    settings = settings_for(broker, prefix, partitions=4)
    with pytest.raises(TopicError, match=r"events has 2 partitions and the settings say 4: set partitions = 2"):
        create_topics(settings)
    assert [name for name in partition_counts(settings) if name.startswith(prefix)] == [f"{prefix}events"]


def test_a_state_topic_with_other_partitions_than_events_is_told(broker: str, prefix: str) -> None:
    make(broker, f"{prefix}state", 3, cleanup_policy="compact")
    settings = settings_for(broker, prefix, partitions=2)
    create_topics(settings)
    (fault,) = check_topics(settings)
    assert fault.startswith(f"topic {prefix}state has 3 partitions and {prefix}events has 2, where both must have the same")


def test_models_with_two_partitions_are_told(broker: str, prefix: str) -> None:
    make(broker, f"{prefix}models", 2, cleanup_policy="compact")
    settings = settings_for(broker, prefix, partitions=2)
    create_topics(settings)
    assert [fault.partition(":")[0] for fault in check_topics(settings)] == [f"topic {prefix}models has 2 partitions and needs 1"]


def test_a_wrong_cleanup_policy_is_told_in_either_direction(broker: str, prefix: str) -> None:
    make(broker, f"{prefix}segments", 2)
    make(broker, f"{prefix}journal", 2, cleanup_policy="compact")
    settings = settings_for(broker, prefix, partitions=2)
    create_topics(settings)
    found = sorted(fault.partition(":")[0] for fault in check_topics(settings))
    assert found == [
        f"topic {prefix}journal has cleanup.policy=compact and needs delete",
        f"topic {prefix}segments has cleanup.policy=delete and needs compact",
    ]


def test_one_that_was_removed_is_made_again(broker: str, prefix: str) -> None:
    settings = settings_for(broker, prefix, partitions=2)
    create_topics(settings)
    remove(broker, f"{prefix}samples")
    assert create_topics(settings) == [f"{prefix}samples"]
    assert check_topics(settings) == []


def test_kafka_keeps_the_configuration(kafka: str, prefix: str) -> None:
    settings = settings_for(kafka, prefix)
    create_topics(settings)
    client = AdminClient({"bootstrap.servers": kafka})
    resources = [ConfigResource(ResourceType.TOPIC, prefix + topic.name) for topic in TOPICS]
    answers = client.describe_configs(resources)
    for resource, topic in zip(resources, TOPICS, strict=True):
        kept = {name: entry.value for name, entry in answers[resource].result(10).items()}
        wanted = {**topic.required_config(), **topic.tuning}
        assert {name: kept[name] for name in wanted} == wanted
