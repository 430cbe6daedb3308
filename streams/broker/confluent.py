"""Any Kafka from version 3 on, and the embedded broker, through confluent-kafka."""

from __future__ import annotations

import time
from collections.abc import Callable

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.broker import confluent_options
from streams.broker.confluent_connection import KafkaConnection
from streams.broker.confluent_errors import LastError, bad_options
from streams.broker.confluent_producer import TransactionalProducer
from streams.broker.confluent_reader import KafkaReader
from streams.errors import BrokerError
from streams.settings import Settings

# Between two sentences to whoever waits.
_FIRST_PATIENCE_S = 0.5
_LONGEST_PATIENCE_S = 8.0


class KafkaBroker:
    """`Broker` on the cluster that the settings name."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError when settings.kafka sets what is Shoal's to set. Connects to nothing yet."""
        confluent_options.check_passed_through(settings)
        self._settings = settings

    def connection(self, group: str, transactional_id: str) -> KafkaConnection:
        """A worker's link. Raises BrokerError, Fenced, SettingsError."""
        return KafkaConnection(self._settings, group, transactional_id)

    def reader(self, name: str) -> KafkaReader:
        """A reader of given partitions. Raises SettingsError."""
        return KafkaReader(self._settings, name)

    def writer(self, transactional_id: str) -> TransactionalProducer:
        """A transactional producer; fences the one before. Raises BrokerError, Fenced, SettingsError."""
        return TransactionalProducer(self._settings, transactional_id)


def wait_for_broker(settings: Settings, deadline_s: float, say: Callable[[str], None]) -> None:
    """Returns when a broker answers; meanwhile tells `say` in sentences what it waits for.

    Raises BrokerError after `deadline_s` seconds, at once where the broker refuses us; SettingsError.
    """
    confluent_options.check_passed_through(settings)
    address = settings.bootstrap_servers
    last = LastError("shoal", address, quiet=True)
    try:
        # A log level of 0: that it refuses connections is said here, once.
        client = AdminClient(
            confluent_options.common(settings, "shoal")
            | confluent_options.passed_through(settings)
            | {"error_cb": last, "log_level": 0}
        )
    except KafkaException as raised:
        raise bad_options(raised) from raised
    deadline = time.monotonic() + deadline_s
    patience_s = _FIRST_PATIENCE_S
    while True:
        try:
            # The client connects again by itself all this time, at most a second apart.
            client.list_topics(timeout=max(0.1, min(patience_s, deadline - time.monotonic())))
        except KafkaException:
            # The reason comes through the client's callback.
            client.poll(0)
        else:
            return
        if last.refused:
            raise BrokerError(
                f"the broker at {address} refuses the connection: {last.reason()}. Check security.protocol, sasl.* and "
                "ssl.* under [kafka] in shoal.toml"
            )
        if time.monotonic() >= deadline:
            raise BrokerError(
                f"no broker at {address} answered within {deadline_s:g} s ({last.reason()}). Start one (`shoal broker start`), "
                "or give its address with --bootstrap-servers"
            )
        say(f"no broker answers at {address} ({last.reason()}); trying again")
        patience_s = min(2 * patience_s, _LONGEST_PATIENCE_S)
