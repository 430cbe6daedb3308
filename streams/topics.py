"""Shoal's topics: declared in one place, made by `shoal topics create`, checked before anything uses them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Literal

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import ConfigResource, NewTopic, ResourceType  # type: ignore[attr-defined]  # not marked as exported

from streams.admin import ANSWER_WITHIN, Admin, admin, partition_counts
from streams.errors import TopicError
from streams.settings import DAY_MS, Settings

_FOREVER = -1
_LONG = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as Shoal needs it.

    `partitions`: "events" (as many as `events` has, so that one worker owns the same number of each) or a number.
    `retention_ms`: for cleanup policy delete; -1 keeps for ever. `tuning`: what a broker may refuse without harm.
    """

    name: str
    partitions: Literal["events"] | int
    cleanup: Literal["delete", "compact"]
    key: str
    holds: str
    retention_ms: int = _FOREVER
    tuning: Mapping[str, str] = field(default_factory=dict)

    def count(self, settings: Settings) -> int:
        """How many partitions it has under these settings."""
        return settings.partitions if self.partitions == "events" else self.partitions

    def required_config(self) -> dict[str, str]:
        """What Shoal's guarantees stand on."""
        if self.cleanup == "compact":
            return {"cleanup.policy": "compact"}
        return {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms)}


# A restore reads whatever is not compacted yet, above all the newest segment: small segments that are cleaned early
# keep it short. The lag bounds how long an erased customer's bytes survive; a worker that held a table while away must
# still find the tombstones, which `delete.retention.ms` keeps.
_CHANGELOG = {
    "segment.bytes": str(64 << 20),
    "min.cleanable.dirty.ratio": "0.2",
    "max.compaction.lag.ms": str(DAY_MS),
    "delete.retention.ms": str(DAY_MS),
}

TOPICS: tuple[Topic, ...] = (
    Topic(
        "events",
        "events",
        "delete",
        key="customer id",
        holds="behaviour events as Segment's spec defines them, and ticks",
        # Kept for ever: the audit recomputes decisions from here. Replayed history may be dated ahead.
        tuning={"message.timestamp.after.max.ms": str(_LONG)},
    ),
    Topic(
        "commands",
        "events",
        "delete",
        key="customer id",
        holds="what changes a customer from outside the stream, and ticks",
        retention_ms=30 * DAY_MS,
        # Retention counts from the arrival: a tick of a replayed year is old on the day it is written.
        tuning={"message.timestamp.type": "LogAppendTime"},
    ),
    Topic(
        "state",
        "events",
        "compact",
        key="r|id row, p|id|t0 pending sample, c|name cursor",
        holds="the workers' changelog: everything Shoal knows of a customer",
        tuning=_CHANGELOG,
    ),
    Topic(
        "segments",
        "events",
        "compact",
        key="customer id",
        holds="a customer's memberships of now, written when one changes",
        tuning=_CHANGELOG,
    ),
    Topic(
        "segment-changes",
        "events",
        "delete",
        key="customer id",
        holds="one membership that moved, with its evidence",
        retention_ms=30 * DAY_MS,
    ),
    Topic(
        "samples",
        "events",
        "delete",
        key="customer id, or mark",
        holds="what the learner learns from, and the ends of epochs",
        retention_ms=7 * DAY_MS,
    ),
    Topic(
        "journal",
        "events",
        "delete",
        key="partition",
        holds="what took effect where: snapshots, definitions, sweeps",
    ),
    Topic(
        "events.dlq",
        "events",
        "delete",
        key="as the event's",
        holds="events that could not be used: the bytes, with reason and source in headers",
        retention_ms=14 * DAY_MS,
    ),
    Topic(
        "models",
        1,
        "compact",
        key="snapshot|hash, manifest|epoch, approval|family, learner, definitions|hash, status|definitions",
        holds="snapshots, manifests, definitions and taxonomy",
        tuning={"min.cleanable.dirty.ratio": "0.5"},
    ),
)


def create_topics(settings: Settings) -> list[str]:
    """Makes the topics that are missing and returns their full names; those that are there stay as they are.

    Raises TopicError when `events` is there with other partitions than the settings say, or the broker refuses a topic;
    BrokerError when none answers.
    """
    client = admin(settings)
    there = partition_counts(settings, client)
    events = settings.topic("events")
    if there.get(events, settings.partitions) != settings.partitions:
        raise TopicError(_count_fault(events, there[events], settings.partitions))
    missing = [topic for topic in TOPICS if settings.topic(topic.name) not in there]
    refused = _create(client, settings, missing, tuned=True)
    _raise_unless_config(refused, settings)
    # An older or a managed broker may not know a tuning: the topic is good without.
    refused = _create(client, settings, [topic for topic, _ in refused], tuned=False)
    if refused:
        faults = [f"{settings.topic(topic.name)}: {error.str()}" for topic, error in refused]
        raise TopicError("the broker refused to make topics: " + "; ".join(faults))
    made = [settings.topic(topic.name) for topic in missing]
    _wait_until_known(client, settings, made)
    return made


def check_topics(settings: Settings) -> list[str]:
    """What is wrong with the topics, each fault a sentence that ends in what to do; empty when all is well.

    Raises BrokerError when no broker answers.
    """
    client = admin(settings)
    there = partition_counts(settings, client)
    faults = []
    events = settings.topic("events")
    beside = there.get(events, settings.partitions)
    for topic in TOPICS:
        name = settings.topic(topic.name)
        if name not in there:
            faults.append(_missing(name))
        elif topic.name == "events":
            if there[name] != settings.partitions:
                faults.append(_count_fault(name, there[name], settings.partitions))
        elif topic.partitions == "events" and there[name] != beside:
            faults.append(
                f"topic {name} has {there[name]} partitions and {events} has {beside}, where both must have the same: "
                "remove it and run `shoal topics create`, or take another prefix"
            )
        elif topic.partitions != "events" and there[name] != topic.partitions:
            faults.append(
                f"topic {name} has {there[name]} partitions and needs {topic.partitions}: "
                "remove it and run `shoal topics create`, or take another prefix"
            )
    present = [topic for topic in TOPICS if settings.topic(topic.name) in there]
    return faults + _policy_faults(client, settings, present)


def require_topics(settings: Settings) -> None:
    """Returns when all topics are as they must be. Raises TopicError with every fault, BrokerError without a broker."""
    faults = check_topics(settings)
    missing = [settings.topic(topic.name) for topic in TOPICS if _missing(settings.topic(topic.name)) in faults]
    if len(missing) == len(TOPICS):
        raise TopicError(f"none of the topics is there, from {missing[0]} to {missing[-1]}: run `shoal topics create`")
    if faults:
        raise TopicError("; ".join(faults))


def _missing(name: str) -> str:
    return f"topic {name} is missing: run `shoal topics create`"


def _count_fault(events: str, found: int, wanted: int) -> str:
    return (
        f"topic {events} has {found} partitions and the settings say {wanted}: set partitions = {found} "
        f"(SHOAL_PARTITIONS={found}), or take another prefix"
    )


def _create(client: Admin, settings: Settings, topics: list[Topic], *, tuned: bool) -> list[tuple[Topic, KafkaError]]:
    """Asks for the topics; returns those that were refused."""
    if not topics:
        return []
    asked = [
        NewTopic(
            settings.topic(topic.name),
            topic.count(settings),
            settings.replication,
            config={**topic.required_config(), **(topic.tuning if tuned else {})},
        )
        for topic in topics
    ]
    answers = client.create_topics(asked, request_timeout=ANSWER_WITHIN)
    refused = []
    for topic in topics:
        try:
            answers[settings.topic(topic.name)].result()
        except KafkaException as error:
            # Somebody else was faster: just as well.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                refused.append((topic, error.args[0]))
    return refused


def _raise_unless_config(refused: list[tuple[Topic, KafkaError]], settings: Settings) -> None:
    """Only a topic that was refused for its configuration is worth a second try."""
    config = (KafkaError.INVALID_CONFIG, KafkaError.POLICY_VIOLATION)
    faults = [f"{settings.topic(topic.name)}: {error.str()}" for topic, error in refused if error.code() not in config]
    if faults:
        raise TopicError("the broker refused to make topics: " + "; ".join(faults))


def _wait_until_known(client: Admin, settings: Settings, names: list[str]) -> None:
    """The controller has them; a client that asks another broker must find them too."""
    deadline = monotonic() + ANSWER_WITHIN
    while absent := [name for name in names if name not in partition_counts(settings, client)]:
        if monotonic() > deadline:
            raise TopicError(f"the broker made {', '.join(absent)} but does not list it yet: try again")
        sleep(0.05)


def _policy_faults(client: Admin, settings: Settings, topics: list[Topic]) -> list[str]:
    if not topics:
        return []
    resources = {settings.topic(topic.name): topic for topic in topics}
    answers = client.describe_configs(
        [ConfigResource(ResourceType.TOPIC, name) for name in resources], request_timeout=ANSWER_WITHIN
    )
    faults = []
    for resource, answer in answers.items():
        topic = resources[resource.name]
        try:
            entry = answer.result().get("cleanup.policy")
        except KafkaException as error:
            faults.append(f"the configuration of topic {resource.name} cannot be read: {error.args[0].str()}")
            continue
        # The embedded broker names only what was set; Kafka's own default is delete.
        policy = "delete" if entry is None or entry.value is None else entry.value
        if policy != topic.cleanup:
            faults.append(
                f"topic {resource.name} has cleanup.policy={policy} and needs {topic.cleanup}: kafka-configs --alter "
                f"--entity-type topics --entity-name {resource.name} --add-config cleanup.policy={topic.cleanup}"
            )
    return faults
