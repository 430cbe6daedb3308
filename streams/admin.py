"""A client for questions about the cluster: which brokers and topics there are, and a sentence where none answers."""

from itertools import count
from time import monotonic
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata  # type: ignore[attr-defined]  # not marked as exported

from streams.errors import BrokerError, SettingsError
from streams.settings import Settings

ANSWER_WITHIN = 8.0
"""Seconds that a broker has to answer a question about topics."""

_TRY_SECONDS = 1.0


class _LastError:
    """What the client said last. It logs nothing: the caller's sentence says it, once."""

    def __init__(self) -> None:
        self.error: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        # That all brokers are down follows from each one's own reason, which says more.
        if error.code() != KafkaError._ALL_BROKERS_DOWN or self.error is None:
            self.error = error


class Admin(AdminClient):
    """A client for questions about the cluster. Keep it until the answers are there: it takes open questions with it."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._last = settings, _LastError()
        # What it would log is said by the errors raised here; log_level 0 keeps stderr for sentences.
        options: dict[str, Any] = {"log_level": 0, **settings.kafka, "bootstrap.servers": settings.bootstrap_servers}
        try:
            super().__init__(options | {"error_cb": self._last})
        except KafkaException as error:
            fault = f"{error.args[0].str()}: correct the [kafka] options, which go to librdkafka"
            raise SettingsError("kafka", [fault]) from error

    def cluster(self) -> ClusterMetadata:
        """Brokers and topics. Raises BrokerError when no broker answers: soon where it refuses, else after a while."""
        deadline = monotonic() + ANSWER_WITHIN
        for attempt in count(1):
            try:
                return self.list_topics(timeout=min(_TRY_SECONDS, ANSWER_WITHIN))
            except KafkaException as error:
                self.poll(0)
                last = self._last.error
                if (last is not None and attempt > 1) or monotonic() > deadline:
                    raise unreachable(self._settings, last.str() if last is not None else "no answer") from error
        raise AssertionError("the last attempt returns or raises")


def admin(settings: Settings) -> Admin:
    """A client for questions about the cluster. Raises SettingsError when the `kafka` options cannot be used."""
    return Admin(settings)


def partition_counts(settings: Settings, client: Admin | None = None) -> dict[str, int]:
    """How many partitions each topic of the cluster has, by full name. Raises BrokerError when none answers."""
    topics = (client or admin(settings)).cluster().topics
    return {name: len(topic.partitions) for name, topic in topics.items() if topic.error is None}


def unreachable(settings: Settings, reason: str) -> BrokerError:
    """The sentence for a broker that does not answer."""
    return BrokerError(
        f"no Kafka broker answers at {settings.bootstrap_servers} ({reason}): start one with "
        "`shoal broker start`, or name yours with --bootstrap-servers or SHOAL_BOOTSTRAP_SERVERS"
    )
