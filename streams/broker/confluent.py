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

_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 5.0
_ANSWER_S = 3.0


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
    last = LastError()
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
    pause = _FIRST_PAUSE_S
    while True:
        left = deadline - time.monotonic()
        try:
            client.list_topics(timeout=max(0.1, min(_ANSWER_S, left)))
        except KafkaException:
            left = deadline - time.monotonic()
            if last.refused:
                raise BrokerError(
                    f"the broker at {address} refuses the connection: {last.reason()}. Check "
                    "security.protocol, sasl.* and ssl.* under [kafka] in shoal.toml"
                ) from None
            if left <= 0:
                raise BrokerError(
                    f"no broker at {address} answered within {deadline_s:.0f} s ({last.reason()}). Start one "
                    "(`shoal broker start`), or give its address with --bootstrap-servers"
                ) from None
            pause = min(pause, left)
            say(f"no broker answers at {address} ({last.reason()}); trying again in {pause:.1f} s")
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        else:
            return
