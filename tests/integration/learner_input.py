"""Writes samples and marks as workers do, in transactions of which some are aborted, and reads what the learner says."""

from collections.abc import Iterable, Sequence
from zlib import crc32

import msgspec

from models.learning.batch import Record
from streams.broker.protocol import TP, Broker, Writer
from streams.contracts.samples import MARK_KEY, Label, Mark, Sample
from streams.settings import Settings
from tests.unit.learning_samples import CUSTOMERS, at


def settings_for(prefix: str, **given: object) -> Settings:
    """Two partitions, ticks, the horizon and rhythm of the made-up customers."""
    options = {"partitions": 2, "clock": "ticks", "horizon_days": 10, "sample_every_days": 3, **given}
    return Settings(prefix=prefix, **options)  # type: ignore[arg-type]


def sample_bytes(record: Record) -> bytes:
    """A sample as it stands in the topic."""
    label = None if record.outcome is None else Label(*record.outcome)
    return msgspec.json.encode(Sample(record.customer_id, record.t0, record.features, label))


def mark_bytes(epoch: int, samples: int, customers: int) -> bytes:
    """The end of an epoch as it stands in the topic."""
    return msgspec.json.encode(Mark(at(epoch), samples, customers))


def write_epoch(broker: Broker, settings: Settings, epoch: int, day: Sequence[Record], only: Sequence[int] | None = None) -> None:
    """One epoch of every partition (or of those in `only`), each in a transaction; each third is first tried and aborted."""
    write_epochs(broker, settings, [(epoch, day)], only)


def write_epochs(
    broker: Broker, settings: Settings, days: Iterable[tuple[int, Sequence[Record]]], only: Sequence[int] | None = None
) -> None:
    """Several, by one writer a partition."""
    partitions = range(settings.partitions) if only is None else only
    writers = {p: broker.writer(f"{settings.prefix}work-{p}") for p in partitions}
    for epoch, day in days:
        for partition, writer in writers.items():
            mine = [record for record in day if crc32(record.customer_id.encode()) % settings.partitions == partition]
            _write(writer, settings, partition, epoch, mine)
    for writer in writers.values():
        writer.close()


def _write(writer: Writer, settings: Settings, partition: int, epoch: int, mine: Sequence[Record]) -> None:
    topic = settings.topic("samples")
    for attempt in (0, 1) if (epoch + partition) % 3 == 0 else (1,):
        writer.begin()
        for record in mine:
            writer.produce(topic, partition, record.customer_id.encode(), sample_bytes(record))
        if not attempt:
            writer.abort()
    writer.produce(topic, partition, MARK_KEY, mark_bytes(epoch, len(mine), CUSTOMERS // settings.partitions))
    writer.commit()


def said(broker: Broker, settings: Settings) -> list[tuple[bytes, bytes]]:
    """All that stands in `models`, committed, in order: keys and values."""
    models = TP(settings.topic("models"), 0)
    reader = broker.reader("test")
    high = reader.watermarks(models)[1]
    reader.assign({models: -2})
    found: list[tuple[bytes, bytes]] = []
    while reader.position(models) < high:
        found.extend((m.key() or b"", m.value() or b"") for m in reader.poll(1000, 0.2))
    reader.close()
    return found


def manifests(broker: Broker, settings: Settings) -> list[bytes]:
    """The manifests, in order."""
    return [value for key, value in said(broker, settings) if key.startswith(b"manifest|")]
