"""Before the views start: the topics they read are right, and the changelog of their flows is there."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]  # not marked as exported

from streams.errors import TopicError
from streams.settings import Settings
from streams.topics import ANSWER_WITHIN, admin, partition_counts, require_topics

FLOWS = "views-flows-changelog"
"""Without the prefix. Faust makes the name of the app's id and the table's name."""

_SMALL = {"segment.bytes": str(16 << 20), "min.cleanable.dirty.ratio": "0.2"}


def prepare_topics(settings: Settings) -> None:
    """Checks Shoal's topics and makes the flows' changelog if it is missing. Raises TopicError, BrokerError."""
    require_topics(settings)
    client = admin(settings)
    name = settings.topic(FLOWS)
    found = partition_counts(settings, client).get(name)
    if found is None:
        for config in ({"cleanup.policy": "compact", **_SMALL}, {"cleanup.policy": "compact"}):
            topic = NewTopic(name, settings.partitions, settings.replication, config=config)
            try:
                client.create_topics([topic], request_timeout=ANSWER_WITHIN)[name].result()
            except KafkaException as error:
                if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                    return
                if error.args[0].code() != KafkaError.INVALID_CONFIG:
                    raise TopicError(f"the broker refused to make topic {name}: {error.args[0].str()}") from error
            else:
                return
        raise TopicError(f"the broker refused to make topic {name} with cleanup.policy=compact")
    if found != settings.partitions:
        raise TopicError(
            f"topic {name} has {found} partitions where {settings.partitions} are needed: delete it, the views make it "
            "anew and count the flows again from segment-changes"
        )
