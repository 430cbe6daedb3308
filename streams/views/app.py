"""The Faust app: two agents that follow `segments` and `segment-changes` into two tables and the indexes over them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from time import monotonic, time
from typing import Any, cast

import faust
import msgspec
from faust.types import TP, Message

from streams.contracts.changes import CustomerSegments
from streams.errors import PoisonError
from streams.settings import Settings
from streams.views.answers import Position
from streams.views.changelog import app_id
from streams.views.credentials import broker_credentials
from streams.views.errors import ViewsError
from streams.views.flows import Flows, Moved
from streams.views.memberships import Memberships
from streams.views.packing import Packing
from streams.views.recovery import PromptTables
from streams.views.sensor import Quiet
from streams.views.tables import FlowTable, SourceTable
from streams.views.transport import Consumer, Transport, WholeAssignment

STORE_EVERY = 10.0
"""Seconds between two writes of the hours that changed, each whole; after a crash that much is read again."""

SILENT_AFTER = 5.0
"""Seconds without an answer after which the broker is taken to be away."""

_STORE_AGAIN = 5.0
_LOOK_EVERY = 0.02
_WATCH_EVERY = 1.0

log = logging.getLogger(__name__)


class ViewsApp(faust.App):
    """Keeps `memberships` and `flows` true to their topics; `failed` gets what keeps it from going on, if anything.

    `ready_after`: seconds from the start until the tables were rebuilt. Several apps of one prefix do not disturb each
    other: each reads everything, and what they store of a flow is the same.
    """

    logger = logging.getLogger("faust.app")

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            app_id(settings),
            broker=[f"kafka://{server.strip()}" for server in settings.bootstrap_servers.split(",")],
            broker_credentials=broker_credentials(settings.kafka),
            store="memory://",
            topic_partitions=settings.partitions,
            topic_allow_declare=False,
            topic_disable_leader=True,
            stream_wait_empty=False,
            stream_recovery_delay=0,
            broker_max_poll_records=2_000,
            producer_linger=0.005,
            cython_optimizations=True,
            web_enabled=False,
            Monitor=Quiet,
            TableManager=PromptTables,
            PartitionAssignor=WholeAssignment,
        )
        self.transport = Transport(self.conf.broker_consumer, self)
        self.memberships = Memberships()
        self.flows = Flows()
        self.customers = SourceTable(self, name="memberships", key_type=str, value_type=bytes)
        self._packing = Packing()
        self.stored_flows = cast(
            FlowTable,
            self.tables.add(FlowTable(self, name="flows", partitions=settings.partitions, key_type=bytes, value_type=bytes)),
        )
        self.stored_flows.on_recover(self._take_back_flows)
        self.ready_after: float | None = None
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._brokers = settings.bootstrap_servers
        self._began = monotonic()
        self._ends: dict[TP, int] = {}
        self._segments, self._changes = settings.topic("segments"), settings.topic("segment-changes")
        self._next = [0] * settings.partitions
        self.agent(self._source(self._segments), name="memberships")(self._follow_segments)
        self.agent(self._source(self._changes), name="flows")(self._follow_changes)

    def customer(self, customer_id: str) -> bytes | None:
        """The newest record of `segments` about a customer: JSON of `CustomerSegments`. None for nobody."""
        packed: bytes | None = self.customers.get(customer_id)
        return None if packed is None else self._packing.unpack(packed)

    def starts(self) -> dict[TP, int]:
        """The next offset that each table needs of each of its partitions."""
        return {tp: self._wanted(tp) for topic in (self._segments, self._changes) for tp in self._partitions(topic)}

    def changelogs(self) -> set[TP]:
        """The partitions that the stored flows are recovered from."""
        return set(self._partitions(self.stored_flows.changelog_topic_name))

    def positions(self) -> list[Position]:
        """How far every partition is read, and how much is visible that is not in the tables."""
        return [Position(tp.topic, tp.partition, self._reached(tp), self._lag(tp)) for tp in sorted(self.starts())]

    def progress(self) -> float:
        """How much of what was there at the start is in the tables, 0 to 1."""
        if self.ready_after is not None:
            return 1.0
        wanted = sum(self._ends.values())
        return sum(min(self._reached(tp), end) for tp, end in self._ends.items()) / wanted if wanted else 0.0

    def silent_for(self) -> float:
        """Seconds since a broker last answered."""
        answered = cast(Consumer, self.consumer).answered_at()
        return 0.0 if answered is None else max(0.0, time() - answered)

    async def on_start(self) -> None:
        """Starts the table that Faust's manager does not know: it has no changelog of its own."""
        await super().on_start()
        await self.add_runtime_dependency(self.customers)

    async def on_started(self) -> None:
        """Once everything runs: watches for the end of the rebuilding, and stores flows."""
        await super().on_started()
        self.add_future(self._become_ready())
        self.add_future(self._keep_storing())
        self.add_future(self._watch_broker())

    async def store_flows(self) -> None:
        """Writes the flows that changed to their table."""
        await self.stored_flows.store(self.flows)

    def _source(self, name: str) -> Any:
        # Nothing is committed, so nothing needs to be acknowledged. An empty value is a tombstone.
        return self.topic(
            name,
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
            acks=False,
            allow_empty=True,
        )

    def _create_directories(self) -> None:
        """Faust makes folders for table files; ours are in memory."""

    async def _follow_segments(self, stream: faust.StreamT[bytes]) -> None:
        async for event in stream.events():
            message = event.message
            if message.offset < self._next[message.partition]:
                continue
            try:
                self._take_customer(message)
            except Exception as error:
                raise _poison(message, error) from error
            self._next[message.partition] = message.offset + 1

    def _take_customer(self, message: Message) -> None:
        if message.key is None:
            raise ValueError("no key, where the customer's id must be")
        customer_id = message.key.decode()
        if message.value is None:
            self.memberships.remove(customer_id)
            self.customers.pop(customer_id, None)
            return
        customer = msgspec.json.decode(message.value, type=CustomerSegments)
        if customer.customer_id != customer_id:
            raise ValueError("the key is not the customer_id in the record")
        self.memberships.apply(customer)
        self.customers[customer_id] = self._packing.pack(message.value, message.key)

    async def _follow_changes(self, stream: faust.StreamT[bytes]) -> None:
        async for event in stream.events():
            message = event.message
            if message.offset < self.flows.next_offset(message.partition):
                continue
            try:
                if message.value is None:
                    raise ValueError("an empty record")
                moved = msgspec.json.decode(message.value, type=Moved)
                self.flows.count(message.partition, message.offset, moved)
            except Exception as error:
                raise _poison(message, error) from error

    async def _on_agent_error(self, agent: Any, exc: BaseException) -> None:
        """Faust would drop the record and go on."""
        if not self.failed.done():
            self.failed.set_exception(exc)

    async def _take_back_flows(self) -> None:
        self.flows.take_back(self.stored_flows.data)

    async def _become_ready(self) -> None:
        """Ready when all that was committed when the first answers came is in the tables."""
        consumer, sources = cast(Consumer, self.consumer), self.starts()
        # What a fetch says of the end is true on all brokers; asked for it alone, the embedded one says 0 at times.
        while not consumer.handed_over.keys() >= sources.keys():
            if self.should_stop:
                return
            await self.sleep(_LOOK_EVERY)
        self._ends = {tp: consumer.handed_over[tp][1] for tp in sources}
        first = await self.consumer.earliest_offsets(*self._partitions(self._changes))
        try:
            self._check_positions(sources, first)
        except ViewsError as error:
            await self._on_agent_error(None, error)
            return
        while any(self._reached(tp) < end for tp, end in self._ends.items()):
            if self.should_stop:
                return
            await self.sleep(_LOOK_EVERY)
        self.ready_after = monotonic() - self._began
        log.info("ready after %.1f s: %d customers", self.ready_after, len(self.memberships))

    def _check_positions(self, sources: Mapping[TP, int], first: Mapping[TP, int]) -> None:
        """The positions that the flows were stored with must lie in the topic. Raises ViewsError."""
        for tp in self._partitions(self._changes):
            position, end = sources[tp], self._ends[tp]
            if position > end:
                raise ViewsError(
                    f"the flows were counted up to offset {position} of {tp.topic}[{tp.partition}], which ends at {end}: "
                    f"that topic was made anew. Delete {self.stored_flows.changelog_topic_name} and start again; the "
                    "flows are then counted from the new topic"
                )
            if 0 < position < first[tp]:
                log.warning(
                    "flows miss the changes from %d to %d of %s[%d]: the topic has dropped them while no views ran",
                    position, first[tp] - 1, tp.topic, tp.partition,
                )  # fmt: skip

    async def _watch_broker(self) -> None:
        """Tells when the broker falls silent, and when it answers again; aiokafka tries by itself all the time."""
        silent = False
        while not self.should_stop:
            await self.sleep(_WATCH_EVERY)
            seconds = self.silent_for()
            if not silent and seconds >= SILENT_AFTER:
                log.warning("no Kafka broker answers at %s: trying on, answers are as of then", self._brokers)
            elif silent and seconds < SILENT_AFTER:
                log.warning("a Kafka broker answers again at %s", self._brokers)
            silent = seconds >= SILENT_AFTER

    async def _keep_storing(self) -> None:
        while not self.should_stop:
            await self.sleep(STORE_EVERY)
            try:
                await self.store_flows()
            except Exception as error:  # noqa: BLE001
                log.warning("the flows could not be written to their changelog, they will be again: %s", error)
                await self.sleep(_STORE_AGAIN)

    def _partitions(self, topic: str) -> list[TP]:
        return [TP(topic, number) for number in range(len(self._next))]

    def _wanted(self, partition: TP) -> int:
        """The first offset that is not in the table."""
        if partition.topic == self._segments:
            return self._next[partition.partition]
        return self.flows.next_offset(partition.partition)

    def _reached(self, partition: TP) -> int:
        """The next offset; past commit markers and aborted records too, once all before them is in the tables."""
        consumer = cast(Consumer, self.consumer)
        mine = self._wanted(partition)
        if partition not in consumer.handed_over or mine <= consumer.last_record.get(partition, -1):
            return mine
        return max(mine, consumer.handed_over[partition][0])

    def _lag(self, partition: TP) -> int:
        _, end = cast(Consumer, self.consumer).handed_over.get(partition, (0, 0))
        return max(0, end - self._reached(partition))


def _poison(message: Message, error: Exception) -> PoisonError:
    return PoisonError(
        f"the record at {message.topic}[{message.partition}] offset {message.offset} cannot be used: {error}. "
        "No worker of this version of Shoal writes such a record: see who else writes to this topic"
    )
