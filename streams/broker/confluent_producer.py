"""The transactional producer: the worker's outputs, the learner's lock. Every error becomes one of Shoal's."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from streams.broker import confluent_options
from streams.broker.confluent_aside import Aside
from streams.broker.confluent_errors import LastError, bad_options, insist, kafka_error, translated
from streams.broker.protocol import TP, Headers, Record
from streams.errors import Aborted, BrokerError, Fenced, Unknown
from streams.settings import Settings

_LOG = logging.getLogger(__name__)
_OPEN_WITHIN_S = 30.0
# What a call may take beyond the transaction's own time before the broker counts as gone.
_GRACE_S = 10.0
_PAUSE_S = 0.1
# The calls that end a transaction go on in the background and are called again until they are through: a time-out of
# -1 blocks for ever where the broker hangs up on them, and lets no signal in meanwhile.
_SLICE_S = 1.0
_CLOSE_WITHIN_S = 3.0


class TransactionalProducer:
    """One transactional.id; opening it fences the producer before, whose open transaction is aborted. A `Writer`.

    After Fenced, Unknown or a plain BrokerError it is of no more use: close it.
    """

    def __init__(self, settings: Settings, transactional_id: str) -> None:
        """Raises BrokerError when no broker answers within half a minute, Fenced, SettingsError."""
        self._id = transactional_id
        self._patience_s = settings.transaction_timeout_ms / 1000 + _GRACE_S
        self._last = LastError(transactional_id, settings.bootstrap_servers)
        self._undelivered: str | None = None
        self._open = False
        self._closed = False
        options = confluent_options.transactional(settings, transactional_id)
        options |= {"error_cb": self._last, "on_delivery": self._not_delivered}
        try:
            self._producer = Producer(options)
        except KafkaException as raised:
            raise bad_options(raised) from raised
        self._produce = self._producer.produce
        self._aside = Aside(f"{transactional_id}-offsets")
        self._insist(
            lambda: self._producer.init_transactions(_SLICE_S),
            "opening its transactions",
            _OPEN_WITHIN_S,
        )

    def begin(self) -> None:
        """Opens a transaction."""
        try:
            self._producer.begin_transaction()
        except KafkaException as raised:
            raise translated(kafka_error(raised), f"{self._id}: beginning a transaction") from raised
        self._undelivered = None
        self._open = True

    def produce(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers | None = None) -> None:
        """Into the open transaction; waits while the queue is full. Raises Aborted, Fenced, BrokerError."""
        while True:
            try:
                if headers is None:
                    self._produce(topic, value, key, partition)
                else:
                    self._produce(topic, value, key, partition, headers=list(headers))
            except BufferError:
                self._wait_for_room(topic)
            except KafkaException as raised:
                raise self._refused(kafka_error(raised), topic, partition, len(value or b"")) from raised
            else:
                return

    def produce_all(self, topic: str, partition: int, records: Iterable[Record]) -> None:
        """Into the open transaction, in order; waits while the queue is full. Raises Aborted, Fenced, BrokerError."""
        produce = self._produce
        for key, value, headers in records:
            try:
                if headers is None:
                    produce(topic, value, key, partition)
                else:
                    produce(topic, value, key, partition, headers=headers)  # type: ignore[arg-type]  # lists are invariant
            except BufferError:
                self.produce(topic, partition, key, value, headers)
            except KafkaException as raised:
                raise self._refused(kafka_error(raised), topic, partition, len(value or b"")) from raised

    def commit(self) -> None:
        """Commits; returns when it is durable. Raises Aborted, Fenced, Unknown."""
        self._commit()

    def commit_with(self, offsets: Mapping[TP, int], metadata: bytes) -> None:
        """Commits the transaction together with a group's next offsets. Raises Aborted, Fenced, Unknown."""
        if offsets and self._open:
            positions = [TopicPartition(tp.topic, tp.partition, offset) for tp, offset in offsets.items()]
            self._insist(lambda: self._send_offsets(positions, metadata), "sending offsets to the transaction", self._patience_s)
        self._commit()

    def _send_offsets(self, positions: list[TopicPartition], metadata: bytes) -> None:
        # librdkafka knows no time-out here, whatever it is given (its issue 5456).
        try:
            self._aside(lambda: self._producer.send_offsets_to_transaction(positions, metadata), self._patience_s)
        except TimeoutError as late:
            raise Unknown(
                f"{self._id}: sending offsets to the transaction has not come to an end in {self._patience_s:.0f} s "
                f"({self._last.reason()}): the client is given up, restore from the changelog"
            ) from late

    def abort(self) -> None:
        """Gives the open transaction up; nothing to do when there is none. Raises Fenced, BrokerError."""
        if not self._open:
            return
        self._abort(self._patience_s)

    def close(self) -> None:
        """Frees everything; what is open is aborted by us, or by the broker after transaction_timeout_ms."""
        if self._closed:
            return
        self._closed = True
        self._aside.close()
        if self._aside.lost:
            # It would wait for the call that does not return. Whoever opens the transactional id next fences it.
            _LOG.warning("%s: a client that does not answer is left behind", self._id)
            return
        try:
            if self._open:
                self._abort(_CLOSE_WITHIN_S)
            self._producer.purge()
            self._producer.close()
        except (BrokerError, KafkaException) as error:
            # Fenced or out of reach: the broker has aborted what was open, or will.
            _LOG.info("%s: closing: %s", self._id, error)
        self._open = False

    def _abort(self, within_s: float) -> None:
        self._insist(lambda: self._producer.abort_transaction(_SLICE_S), "aborting a transaction", within_s)
        self._open = False

    def _commit(self) -> None:
        if not self._open:
            raise BrokerError(f"{self._id}: there is no open transaction to commit: begin one first")
        try:
            self._insist(lambda: self._producer.commit_transaction(_SLICE_S), "committing a transaction", self._patience_s)
        except (Aborted, Fenced) as error:
            if self._undelivered is not None:
                raise type(error)(f"{error}. Not delivered: {self._undelivered}") from error
            raise
        except BrokerError as error:
            raise Unknown(f"nobody knows whether the transaction was committed, restore from the changelog: {error}") from error
        self._open = False

    def _insist(self, call: Callable[[], None], doing: str, within_s: float) -> None:
        """Calls again what may be called again; raises what an error means."""
        try:
            insist(call, doing, self._last, within_s, _is_retriable)
        except KafkaException as raised:
            raise translated(kafka_error(raised), f"{self._id}: {doing}") from raised

    def _wait_for_room(self, topic: str) -> None:
        """Until the queue has taken in what was sent, or the transaction's time is over."""
        deadline = time.monotonic() + self._patience_s
        full = len(self._producer)
        while len(self._producer) >= full:
            self._producer.poll(0.05)
            if time.monotonic() >= deadline:
                raise Aborted(
                    f"{self._id}: producing to {topic}: the queue of {full} records did not get shorter for "
                    f"{self._patience_s:.0f} s; {self._last.address} does not take them ({self._last.reason()})"
                )

    def _refused(self, error: KafkaError, topic: str, partition: int, size: int) -> BrokerError:
        doing = f"{self._id}: producing {size} bytes to {topic}-{partition}"
        if error.code() == KafkaError._FATAL and self._last.fatal is None:
            try:
                self._producer.poll(0)  # which error was fatal comes out here
            except KafkaException as raised:
                return translated(kafka_error(raised), doing)
        if self._last.fatal is not None:
            return translated(self._last.fatal, doing)
        if error.code() == KafkaError._STATE and self._open:
            return Aborted(f"{doing}: the transaction has failed already ({self._undelivered or error.str()})")
        return translated(error, doing)

    def _not_delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and self._undelivered is None:
            self._undelivered = f"{message.topic()}-{message.partition()}: {error.str()}"


def _is_retriable(error: KafkaError) -> bool:
    return error.retriable() and not error.fatal() and not error.txn_requires_abort()
