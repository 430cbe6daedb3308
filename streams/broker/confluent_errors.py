"""From librdkafka's errors to Shoal's: what each means for the transaction, in words."""

from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaError, KafkaException

from streams.errors import Aborted, BrokerError, Fenced, SettingsError

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


class LastError:
    """What a client said last through its error callback: the reason in the sentence that a person reads."""

    def __init__(self) -> None:
        self.error: KafkaError | None = None
        self.fatal: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        # Kept until something more telling comes: that all brokers are down follows from each one's own reason.
        if error.code() != KafkaError._ALL_BROKERS_DOWN or self.error is None:
            self.error = error
        if error.fatal():
            self.fatal = error

    @property
    def refused(self) -> bool:
        """Whether the broker is there and does not let us in: trying again cannot help."""
        return self.error is not None and self.error.code() in _REFUSED

    def reason(self) -> str:
        """The last error in words, or that there was no answer."""
        return self.error.str() if self.error is not None else "no answer"


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
    if error.txn_requires_abort() or error.code() in _EXPELLED:
        return Aborted(f"{doing}: {said}. The transaction is aborted and its input read again")
    return BrokerError(f"{doing}: {said}")


def bad_options(raised: KafkaException) -> SettingsError:
    """librdkafka refused an option when a client was made."""
    return SettingsError("settings, kafka", [f"librdkafka refuses: {kafka_error(raised).str()}"])
