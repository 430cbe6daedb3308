"""Whether the input is done: everything read and committed, and the learner through with the last epoch."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition

from models.errors import UNREADABLE
from streams.admin import unreachable
from streams.broker.protocol import TP, Reader
from streams.contracts.control import Tick
from streams.demo.errors import DemoError
from streams.live.feeds import ManifestFeed
from streams.settings import Settings

_ANSWER_WITHIN = 10.0


class Positions:
    """How far the workers' group has come in its two inputs, as committed: what a crash cannot take back."""

    def __init__(self, settings: Settings, reader: Reader) -> None:
        self._settings, self._reader = settings, reader
        self._events = settings.topic("events")
        self.inputs = tuple(
            TP(topic, number)
            for topic in (self._events, settings.topic("commands"))
            for number in range(reader.partitions(topic))
        )
        self._group = Consumer(
            {
                "log_level": 0,
                **settings.kafka,
                "bootstrap.servers": settings.bootstrap_servers,
                "group.id": settings.group_name(),
                "enable.auto.commit": False,
            }
        )

    def committed(self) -> dict[TP, int]:
        """The group's next offset in each partition of the inputs; 0 before the first commit. Raises BrokerError."""
        asked = [TopicPartition(tp.topic, tp.partition) for tp in self.inputs]
        try:
            found = self._group.committed(asked, timeout=_ANSWER_WITHIN)
        except KafkaException as error:
            raise unreachable(self._settings, error.args[0].str()) from error
        return {TP(each.topic, each.partition): max(0, each.offset) for each in found}

    def ends(self) -> dict[TP, int]:
        """The end of each partition, as the broker tells it."""
        return {tp: self._reader.watermarks(tp)[1] for tp in self.inputs}

    def lag(self, ends: Mapping[TP, int] | None = None) -> int:
        """Records of `events` not yet committed."""
        committed = self.committed()
        return sum(max(0, end - committed[tp]) for tp, end in (ends or self.ends()).items() if tp.topic == self._events)

    def close(self) -> None:
        """Frees the consumer."""
        self._group.close()


@dataclass(frozen=True, slots=True)
class LastTicks:
    """Where a replay ends: the offset after the final tick in each partition of the inputs, and its time (ms)."""

    ends: dict[TP, int]
    at: int


class Finish:
    """Says when a replay is through. Ask only after everything has been written."""

    def __init__(self, settings: Settings, positions: Positions, manifests: ManifestFeed, reader: Reader) -> None:
        self._ticking = settings.clock == "ticks"
        self._positions, self._manifests, self._reader = positions, manifests, reader
        self._last: LastTicks | None = None
        self._read = False

    @property
    def ends(self) -> dict[TP, int] | None:
        """Where the input ends; None before that is known."""
        return None if self._last is None else self._last.ends

    def reached(self) -> bool:
        """Whether all input is committed and, under ticks, the manifest of the last tick is there."""
        if self._ticking and self._last is None:
            self._last = last_ticks(self._reader, self._positions)
        if not self._read:
            committed = self._positions.committed()
            ends = self._last.ends if self._last is not None else self._positions.ends()
            self._read = all(committed[tp] >= end for tp, end in ends.items())
            if not self._read:
                return False
        if self._last is None:
            return True
        self._manifests.refresh()
        manifests = self._manifests.manifests()
        return bool(manifests) and manifests[-1].epoch >= self._last.at


def last_ticks(reader: Reader, positions: Positions) -> LastTicks:
    """The final ticks, the last records of a replay in every partition. Raises DemoError when one is not there."""
    found: dict[TP, int] = {}
    at = 0
    # The embedded broker tells the start of a partition's last batch as its end, so look on from there.
    reader.assign({tp: max(0, end - 1) for tp, end in positions.ends().items()})
    deadline = monotonic() + _ANSWER_WITHIN
    while len(found) < len(positions.inputs):
        for message in reader.poll(1_000, 0.5):
            if message.key() is None and (tick := _final_tick(message.value() or b"")) is not None:
                found[TP(message.topic(), message.partition())] = message.offset() + 1
                at = max(at, tick.at)
        if monotonic() > deadline:
            absent = ", ".join(f"{tp.topic}[{tp.partition}]" for tp in positions.inputs if tp not in found)
            raise DemoError(f"{absent}: no final tick at the end; was something else written there meanwhile?")
    return LastTicks(found, at)


def _final_tick(value: bytes) -> Tick | None:
    try:
        tick = msgspec.json.decode(value, type=Tick)
    except UNREADABLE:
        return None
    return tick if tick.final else None
