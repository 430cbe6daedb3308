"""From librdkafka's errors to Shoal's: what each means for the transaction, in words."""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Callable
from typing import Final, TypeVar

from confluent_kafka import KafkaError, KafkaException

from streams.errors import Aborted, BrokerError, Fenced, SettingsError, Unknown

_LOG = logging.getLogger(__name__)
T = TypeVar("T")

_QUIET_S: Final = 15.0
_INTERNALS: Final = re.compile(r"^\S+/(bootstrap|\d+): |ipv\d#| \(after .*\)$")
_FENCING: Final = frozenset({KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED})
# Codes that say that another life of this member or none at all holds the partitions: the transaction cannot commit.
_EXPELLED: Final = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.FENCED_MEMBER_EPOCH,
        KafkaError.STALE_MEMBER_EPOCH,
    }
)
_REFUSED: Final = frozenset({KafkaError._AUTHENTICATION, KafkaError._SSL, KafkaError.SASL_AUTHENTICATION_FAILED})


MISSING: Final = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION})
# librdkafka goes on by itself after these; what was lost by them, if anything, a rebalance tells.
PASSING: Final = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._DESTROY_BROKER,
        KafkaError._MAX_POLL_EXCEEDED,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError._TRANSPORT,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.FENCED_MEMBER_EPOCH,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError.UNKNOWN_MEMBER_ID,
    }
)


class LastError:
    """What a client said last through its error callback: the reason in the sentence that a person reads.

    With `quiet`, whoever asks says that nobody answers.
    """

    def __init__(self, name: str, address: str, *, quiet: bool = False) -> None:
        self.name = name
        self.address = address
        self.error: KafkaError | None = None
        self.fatal: KafkaError | None = None
        self._quiet_until = math.inf if quiet else 0.0

    def __call__(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            # It follows from each one's own reason, which came before. It comes every second.
            if time.monotonic() < self._quiet_until:
                return
            self._quiet_until = time.monotonic() + _QUIET_S
            _LOG.warning("%s: no broker answers at %s (%s); trying again", self.name, self.address, self.reason())
        else:
            self.error = error
        if error.fatal():
            self.fatal = error

    @property
    def refused(self) -> bool:
        """Whether the broker is there and does not let us in: trying again cannot help."""
        return self.error is not None and self.error.code() in _REFUSED

    def reason(self) -> str:
        """The last error in words, or that there was no answer."""
        if self.error is None:
            return "no answer"
        # Without what only librdkafka's authors can use.
        return _INTERNALS.sub("", self.error.str())


def insist(
    call: Callable[[], T], doing: str, last: LastError, within_s: float, again: Callable[[KafkaError], bool], pause_s: float = 0.1
) -> T:
    """Calls until an error comes that is not to be tried `again`: that one is raised as it is.

    Raises BrokerError when `within_s` seconds are over, or at once when the broker refuses us.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            return call()
        except KafkaException as raised:
            error = kafka_error(raised)
            if not again(error):
                raise
            if time.monotonic() >= deadline or last.refused:
                raise BrokerError(
                    f"{last.name}: {doing}: the broker at {last.address} does not answer ({last.reason()}; {error.name()}). "
                    "Check that it runs, and bootstrap_servers"
                ) from raised
            time.sleep(pause_s)


def passes(error: KafkaError) -> bool:
    """Whether the same question may be answered a moment later."""
    return error.code() in PASSING


def kafka_error(raised: KafkaException) -> KafkaError:
    """The error inside an exception of confluent-kafka."""
    error: KafkaError = raised.args[0]
    return error


def translated(error: KafkaError, doing: str) -> BrokerError:
    """The error to raise when `doing` failed; `retriable` ones must have been tried again by then."""
    said = f"{error.str() or error.name()} ({error.name()})"
    if error.code() in _FENCING:
        return Fenced(
            f"{doing}: {said}. Another process opened the same transactional id, or this one's transaction outlived "
            "transaction_timeout_ms; this process must end"
        )
    if error.fatal():
        return Unknown(f"{doing}: {said}. This client cannot go on; what became of its transaction is the broker's to say")
    if error.txn_requires_abort() or error.code() in _EXPELLED:
        return Aborted(f"{doing}: {said}. The transaction is aborted and its input read again")
    return BrokerError(f"{doing}: {said}")


def bad_options(raised: KafkaException) -> SettingsError:
    """librdkafka refused an option when a client was made."""
    return SettingsError("settings, kafka", [f"librdkafka refuses: {kafka_error(raised).str()}"])
