"""Before the views start: the topics they read are right, and the changelog of their flows is there."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]  # not marked as exported

from streams.admin import ANSWER_WITHIN, admin, partition_counts
from streams.errors import TopicError
from streams.settings import Settings
from streams.topics import require_topics

_COMPACTED = {"cleanup.policy": "compact"}
_SMALL = {"segment.bytes": str(16 << 20), "min.cleanable.dirty.ratio": "0.2"}


def app_id(settings: Settings) -> str:
    """Names the Faust app, and so begins the names of its changelog topics."""
    return f"{settings.prefix}views"


def flows_changelog(settings: Settings) -> str:
    """Full name of the topic that the stored hours of flows are recovered from, as Faust makes it."""
    return f"{app_id(settings)}-flows-changelog"


def prepare_topics(settings: Settings) -> None:
    """Checks Shoal's topics and makes the flows' changelog if it is missing. Raises TopicError, BrokerError."""
    require_topics(settings)
    name = flows_changelog(settings)
    found = partition_counts(settings).get(name)
    if found is None:
        # A managed broker may not know a tuning: the topic is good without.
        if not _made(settings, name, _COMPACTED | _SMALL) and not _made(settings, name, _COMPACTED):
            raise TopicError(f"the broker refused to make topic {name} with cleanup.policy=compact")
    elif found != settings.partitions:
        raise TopicError(
            f"topic {name} has {found} partitions where {settings.partitions} are needed: delete it, the views make it "
            "anew and count the flows again from segment-changes"
        )


def _made(settings: Settings, name: str, config: dict[str, str]) -> bool:
    """Whether the topic is there now; False when the broker does not take the configuration."""
    topic = NewTopic(name, settings.partitions, settings.replication, config=config)
    client = admin(settings)
    try:
        client.create_topics([topic], request_timeout=ANSWER_WITHIN)[name].result()
    except KafkaException as error:
        code = error.args[0].code()
        if code in (KafkaError.INVALID_CONFIG, KafkaError.POLICY_VIOLATION):
            return False
        if code != KafkaError.TOPIC_ALREADY_EXISTS:
            raise TopicError(f"the broker refused to make topic {name}: {error.args[0].str()}") from error
    return True
