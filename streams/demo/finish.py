"""Whether the input is done: everything read and committed, and the learner through with the last epoch."""

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams.broker.confluent import KafkaBroker
from streams.broker.protocol import TP, Reader
from streams.contracts.control import Tick
from streams.demo.errors import DemoError
from streams.live.feeds import ManifestFeed
from streams.settings import Settings
from streams.topics import unreachable

_ANSWER_WITHIN = 10.0


class Positions:
    """How far the workers' group has come in its two inputs, as committed: what a crash cannot take back."""

    def __init__(self, settings: Settings, reader: Reader) -> None:
        self._settings, self._reader = settings, reader
        self._inputs = [
            TP(topic, number)
            for topic in (settings.topic("events"), settings.topic("commands"))
            for number in range(reader.partitions(topic))
        ]
        self._group = Consumer(
            {
                "log_level": 0,
                **settings.kafka,
                "bootstrap.servers": settings.bootstrap_servers,
                "group.id": settings.group_name(),
                "enable.auto.commit": False,
            }
        )

    def behind(self) -> dict[TP, int]:
        """Records not yet committed, by partition. Raises BrokerError."""
        asked = [TopicPartition(tp.topic, tp.partition) for tp in self._inputs]
        try:
            found = self._group.committed(asked, timeout=_ANSWER_WITHIN)
        except KafkaException as error:
            raise unreachable(self._settings, error) from error
        committed = {TP(each.topic, each.partition): max(0, each.offset) for each in found}
        return {tp: max(0, self._reader.watermarks(tp)[1] - committed[tp]) for tp in self._inputs}

    def lag(self) -> int:
        """Records of `events` not yet committed."""
        events = self._settings.topic("events")
        return sum(count for tp, count in self.behind().items() if tp.topic == events)

    def close(self) -> None:
        """Frees the consumer."""
        self._group.close()


class Finish:
    """Says when a replay is through. Ask only after everything has been written."""

    def __init__(self, settings: Settings, positions: Positions, manifests: ManifestFeed) -> None:
        self._settings, self._positions, self._manifests = settings, positions, manifests
        self._last_tick: int | None = None
        self._read = False

    def reached(self) -> bool:
        """Whether all input is committed and, under ticks, the manifest of the last tick is there."""
        if not self._read:
            self._read = not any(self._positions.behind().values())
            if not self._read:
                return False
        if self._settings.clock == "wall":
            return True
        if self._last_tick is None:
            self._last_tick = last_tick(self._settings)
        self._manifests.refresh()
        manifests = self._manifests.manifests()
        return bool(manifests) and manifests[-1].epoch >= self._last_tick


def last_tick(settings: Settings) -> int:
    """Time of the final tick, the last record of a replay in every partition of `events`. Raises DemoError."""
    tp = TP(settings.topic("events"), 0)
    reader = KafkaBroker(settings).reader("demo-last-tick")
    try:
        end = reader.watermarks(tp)[1]
        reader.assign({tp: max(0, end - 1)})
        for message in reader.poll(1, _ANSWER_WITHIN):
            try:
                tick = msgspec.json.decode(message.value() or b"", type=Tick)
            except msgspec.DecodeError:
                continue
            if tick.final:
                return tick.at
    finally:
        reader.close()
    raise DemoError(f"the last record of {tp.topic}[0] is no final tick: was something else written there meanwhile?")
