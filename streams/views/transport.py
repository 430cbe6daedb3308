"""How the Faust app reads: committed records only, all partitions, from where its tables are.

Faust reads uncommitted records unless it runs its own exactly-once, which loses records; and it joins a consumer group,
which a process that needs every partition has no use for: joining costs seconds on a fresh broker and more after a
kill. So the consumer here reads `read_committed`, takes all partitions without a group, and starts each at the offset
that the app's tables ask for. Built for faust-streaming 0.15.3 and aiokafka 0.14.0, which are pinned.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, cast

import aiokafka
from aiokafka.errors import ConsumerStoppedError
from faust.assignor import PartitionAssignor
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.types import ServiceT

FETCH_WAIT_MS = 100
"""How long a broker may wait for records before it answers: Kafka answers as soon as there is one, others do not."""


_YIELD_EVERY = 100
# Seconds after which, with nothing to hand over, it is seen how far the topics go.
_TAKE_WITHIN = 0.2
# Faust's services tell of their starts and stops in the logger of their module, which would be ours.
_STARTS_AND_STOPS = logging.getLogger("faust.transport")


class Starts(Protocol):
    """The part of the app that knows which partitions it reads and from where."""

    def changelogs(self) -> set[TP]: ...
    def starts(self) -> dict[TP, int]: ...


class WholeAssignment(PartitionAssignor):
    """Every changelog partition is this process's own."""

    def assigned_actives(self) -> set[TP]:
        """All of them."""
        return cast(Starts, self.app).changelogs()

    def assigned_standbys(self) -> set[TP]:
        """None: there is nobody to stand by for."""
        return set()


class CommittedReader(driver.AIOKafkaConsumerThread):
    """The thread with aiokafka's consumer."""

    logger = _STARTS_AND_STOPS

    def __init__(self, *arguments: Any, **options: Any) -> None:
        # What aiokafka keeps of each partition: position, last stable offset, time of the last answer.
        self._states: list[tuple[TP, Any]] = []
        super().__init__(*arguments, **options)

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        conf = self.app.conf
        return aiokafka.AIOKafkaConsumer(
            bootstrap_servers=driver.server_list(transport.url, transport.default_port),
            client_id=conf.broker_client_id,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_poll_records=conf.broker_max_poll_records,
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            metadata_max_age_ms=conf.consumer_metadata_max_age_ms,
            **driver.credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
        )

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Takes all partitions at once and tells the app, as a group's coordinator would."""
        del topics
        app = cast(Starts, self.app)
        partitions = app.changelogs() | app.starts().keys()
        await self.call_thread(self._assign, sorted(partitions))
        self.app.on_rebalance_start()
        # Not awaited here: the app waits for this call to end before it uses what it was given.
        self.consumer.add_future(self.consumer.on_partitions_assigned(partitions, self.app.consumer_generation_id))

    async def _assign(self, partitions: list[TP]) -> None:
        consumer = self._ensure_consumer()
        consumer.assign([driver.ensure_aiokafka_TP(partition) for partition in partitions])
        assignment = consumer._subscription.subscription.assignment
        self._states = [(tp, assignment.state_value(driver.ensure_aiokafka_TP(tp))) for tp in partitions]

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Goes to where the tables are: what is committed is what they hold."""
        starts = cast(Starts, self.app).starts()
        await self.call_thread(self._seek_all, starts)
        return starts

    async def _seek_all(self, starts: Mapping[TP, int]) -> None:
        consumer = self._ensure_consumer()
        for partition, offset in starts.items():
            if offset:
                consumer.seek(driver.ensure_aiokafka_TP(partition), offset)
        if fresh := [driver.ensure_aiokafka_TP(partition) for partition, offset in starts.items() if not offset]:
            await consumer.seek_to_beginning(*fresh)

    def read_to(self) -> dict[TP, tuple[int, int]]:
        """For each partition read so far: the next offset to be fetched, and the end of what is committed."""
        return {
            partition: (state.position, state.lso)
            for partition, state in self._states
            if state.has_valid_position and state.lso is not None
        }

    def answered_at(self) -> float | None:
        """When a broker last answered, seconds since 1970; None before the first time."""
        return max((state.timestamp / 1000 for _, state in self._states if state.timestamp), default=None)


class Consumer(driver.Consumer):
    """Faust's consumer on such a thread; it also knows up to where everything was handed to the agents."""

    logger = _STARTS_AND_STOPS

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.handed_over: dict[TP, tuple[int, int]] = {}
        self.last_record: dict[TP, int] = {}

    def _new_consumer_thread(self) -> CommittedReader:
        return CommittedReader(self, loop=self.loop, beacon=self.beacon)

    async def _drain_messages(self, fetcher: ServiceT) -> None:
        """Hands records to the agents: Faust's loop without what only acknowledgements and rebalances need.

        Faust waits for each record and for a rebalance at once, which takes more time than all else it does.
        """
        try:
            while not (self.should_stop or fetcher.should_stop):
                await self._hand_over()
        except (asyncio.CancelledError, ConsumerStoppedError):
            if not self.app.should_stop:
                raise

    async def _hand_over(self) -> None:
        number = 0
        async for partition, message in self.getmany(_TAKE_WITHIN):
            await self.callback(message)
            self.last_record[partition] = message.offset
            number += 1
            if number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
        if self.flow_active:
            self.handed_over = cast(CommittedReader, self._thread).read_to()

    def answered_at(self) -> float | None:
        """When a broker last answered, seconds since 1970; None before the first time."""
        return cast(CommittedReader, self._thread).answered_at()

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust would complain that nothing is ever committed; `/v1/status` shows the lag."""


class Transport(driver.Transport):
    """Faust's aiokafka transport with such a consumer."""

    Consumer = Consumer
