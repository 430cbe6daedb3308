"""librdkafka's options for each kind of client, with the reason for every value that is not the default."""

from __future__ import annotations

import logging
from typing import Any, Final, Literal

from streams.errors import SettingsError
from streams.settings import Settings

Options = dict[str, Any]

FETCH_WAIT_MS = 10
"""How long the broker may hold a worker's fetch. A resumed or sought partition is fetched when the fetch under way is back:
with the default of 500 ms that is half a second each time (measured)."""
READER_WAIT_MS = 20
"""The same for who only reads on. The embedded broker holds a fetch for the whole time, also when records come; on Kafka each
waiting reader asks anew as often as this, and a demo has eight."""


# Connections that fail, transactions that fail, coordinators that come up, options that a producer has no use for.
_SAID_BY_US: Final = frozenset({"CONFWARN", "ERROR", "FAIL", "GETPID", "TXNERR"})

# What exactly-once, restores and the keys' partitions stand on.
_OURS: Final = frozenset(
    {
        "acks",
        "auto.offset.reset",
        "bootstrap.servers",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "group.instance.id",
        "group.protocol",
        "group.remote.assignor",
        "isolation.level",
        "partition.assignment.strategy",
        "partitioner",
        "session.timeout.ms",
        "transaction.timeout.ms",
        "transactional.id",
    }
)
# These mean something in a group only; librdkafka checks them against each other in every consumer.
_GROUP: Final = frozenset({"heartbeat.interval.ms", "max.poll.interval.ms"})


def check_passed_through(settings: Settings) -> None:
    """Raises SettingsError when `settings.kafka` sets what is Shoal's to set."""
    faults = [f"{name} cannot be set: Shoal's guarantees depend on it" for name in sorted(_OURS & set(settings.kafka))]
    if faults:
        raise SettingsError("settings, kafka", faults)


def passed_through(settings: Settings, *, in_group: bool = False) -> Options:
    """`settings.kafka`, as far as it concerns this client."""
    return {name: value for name, value in settings.kafka.items() if in_group or name not in _GROUP}


class LibrdkafkaLog:
    """librdkafka's log lines, as Python's logging: quieter where an exception or a sentence of ours says the same."""

    def __init__(self) -> None:
        self._log = logging.getLogger("shoal.kafka")

    def log(self, level: int, text: str, facility: str, *rest: str) -> None:
        """What confluent-kafka calls."""
        self._log.log(logging.DEBUG if facility in _SAID_BY_US else level, text, facility, *rest)


def common(settings: Settings, client: str) -> Options:
    """What all clients share."""
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        "client.id": client,
        "logger": LibrdkafkaLog(),
        # A broker that is back is noticed within a second.
        "reconnect.backoff.ms": 100,
        "reconnect.backoff.max.ms": 1_000,
    }


def reading(settings: Settings, client: str, isolation: Literal["read_committed", "read_uncommitted"]) -> Options:
    """A consumer that takes whole batches and commits nothing by itself."""
    return common(settings, client) | {
        "isolation.level": isolation,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "fetch.wait.max.ms": FETCH_WAIT_MS,
        # The default, 1 s, stalls a reader that is faster than its queue.
        "fetch.queue.backoff.ms": 5,
        "check.crcs": False,
        # What is fetched ahead of one partition is what a record of another waits behind.
        "queued.min.messages": 20_000,
        "queued.max.messages.kbytes": 16_384,
    }


_LONGEST_POLL_MS: Final = 30_000


def member(settings: Settings, group: str, client: str) -> Options:
    """A worker's consumer: partition p of all its topics goes to one member, under both group protocols."""
    options = reading(settings, client, "read_committed") | {
        "group.id": group,
        # Records that were deleted before they were read are an error: going on behind them would lose them without a word.
        "auto.offset.reset": "error",
        # A rebalance waits for each member it knows of, and after a restart a broker may know of one that is dead: with five
        # minutes, as librdkafka has it, a group stood still for as long (seen under fire). A worker polls some times a second.
        "max.poll.interval.ms": max(_LONGEST_POLL_MS, settings.session_timeout_ms),
    }
    if settings.protocol == "consumer":
        options |= {"group.protocol": "consumer", "group.remote.assignor": "range"}
    else:
        options |= {
            "group.protocol": "classic",
            "partition.assignment.strategy": "range",
            "session.timeout.ms": settings.session_timeout_ms,
            # A member hears of a rebalance with its next heartbeat.
            "heartbeat.interval.ms": max(100, min(1_000, settings.session_timeout_ms // 5)),
        }
    return options | passed_through(settings, in_group=True)


def reader(settings: Settings, name: str) -> Options:
    """A consumer of given partitions. It never joins the group that librdkafka wants named."""
    return (
        reading(settings, name, "read_committed")
        | {
            "group.id": f"{settings.prefix}reader",
            "fetch.wait.max.ms": READER_WAIT_MS,
            # An offset that is gone is an error: reading on somewhere else would lose records without a word.
            "auto.offset.reset": "error",
            # The end of a partition says how far past commit markers and aborted records the reader has come.
            "enable.partition.eof": True,
        }
        | passed_through(settings)
    )


def looker(settings: Settings, name: str) -> Options:
    """A consumer that asks for watermarks only. A read_committed one gets the last stable offset as the high one."""
    return (
        reading(settings, f"{name}-watermarks", "read_uncommitted")
        | {"group.id": f"{settings.prefix}reader", "fetch.wait.max.ms": READER_WAIT_MS}
        | passed_through(settings)
    )


def transactional(settings: Settings, transactional_id: str) -> Options:
    """A transactional producer; idempotence, acks=all and endless retries within the transaction come with it."""
    return (
        common(settings, transactional_id)
        | {
            "transactional.id": transactional_id,
            "transaction.timeout.ms": settings.transaction_timeout_ms,
            # A connection that breaks while offsets are sent can leave librdkafka waiting for a coordinator that it has
            # forgotten (its issue 5511), until any other connection comes or goes: so an idle one goes (measured: 4 s).
            "connections.max.idle.ms": 3_000,
            # As Java's clients choose partitions where none is given.
            "partitioner": "murmur2_random",
            # A transaction that begins before the markers of the one before are all written is told to try again: after
            # librdkafka's 100 ms a commit of 20 ms took 120 (measured). It doubles each time, up to retry.backoff.max.ms.
            "retry.backoff.ms": 10,
            "linger.ms": 5,
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 1_000_000,
            "queue.buffering.max.kbytes": 1_048_576,
            # Successes need no call into Python; a failure says which record it was.
            "delivery.report.only.error": True,
        }
        | passed_through(settings)
    )
