"""What is known of one customer: memberships from the views, the row from the changelog, evidence from the changes."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import isfinite

import msgspec
import numpy as np
from aiokafka.partitioner import murmur2

from models.features import COUNT, NAMES
from models.kernel.features import compute
from models.kernel.tables import U1, Rows
from models.row import FLAG_CONSENT, FLAG_HOLDOUT, NEVER, ROW, views
from streams.broker.confluent import KafkaBroker
from streams.broker.protocol import TP, Message, Reader
from streams.contracts.changes import Change, CustomerSegments
from streams.live.feeds import BEGINNING
from streams.scoring.changelog import CURSOR_KEY, decode_cursor, row_key, unpack_rows
from streams.scoring.library import Library
from streams.settings import Settings

_CHUNK = 20_000
_AT_A_TIME = 5_000


@dataclass(frozen=True, slots=True)
class Figures:
    """A customer's row, read out. `as_of`, `first`, `last`: ms since 1970. `features` by name, in catalogue order."""

    as_of: int
    first: int
    last: int
    consent: bool
    holdout: bool
    features: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Profile:
    """One customer. `evidence`: the newest change of each segmentation; of `micro` of each segment, as `micro:KEY`."""

    segments: CustomerSegments
    figures: Figures | None
    usual: Mapping[str, float] = field(default_factory=dict)
    evidence: Mapping[str, Change] = field(default_factory=dict)


def look_up(settings: Settings, segments: CustomerSegments) -> Profile:
    """What the topics know beside the memberships. Raises BrokerError, TopicError, LayoutError."""
    broker = KafkaBroker(settings)
    with ExitStack() as opened:
        reader, models = broker.reader("profile"), broker.reader("profile-models")
        opened.callback(reader.close)
        opened.callback(models.close)
        row = find_figures(reader, settings, segments.customer_id)
        if row is None:
            return Profile(segments, None)
        partition, figures = row
        library = Library(models, settings.topic("models"))
        library.open()
        newest = library.newest()
        median = library.champions(newest.manifest).median.tolist() if newest is not None else []
        usual = {name: value for name, value in zip(NAMES, median, strict=False) if isfinite(value)}
        return Profile(segments, figures, usual, find_evidence(reader, settings, partition, segments))


def partitions_of(customer: bytes, count: int) -> Iterator[int]:
    """All partitions; first the one where Java's clients and ours put the customer. Other producers may differ."""
    likely = (murmur2(customer) & 0x7FFFFFFF) % count
    yield likely
    yield from (number for number in range(count) if number != likely)


def find_figures(reader: Reader, settings: Settings, customer: str) -> tuple[int, Figures] | None:
    """The customer's partition and row, from the changelog; None when there is none. Raises LayoutError."""
    topic = settings.topic("state")
    key = row_key(customer.encode())
    for number in partitions_of(customer.encode(), reader.partitions(topic)):
        row: bytes | None = None
        swept = -1
        for message in _between(reader, TP(topic, number), BEGINNING):
            if message.key() == key:
                row = message.value()
            elif message.key() == CURSOR_KEY and (value := message.value()) is not None:
                swept = decode_cursor(value, f"{topic}[{number}]").swept
        if row is not None:
            return number, _figures(unpack_rows([row], f"{topic}[{number}]"), swept)
    return None


def find_evidence(reader: Reader, settings: Settings, partition: int, segments: CustomerSegments) -> dict[str, Change]:
    """The newest change for each membership, read from the end of `segment-changes` backwards until all are found."""
    tp = TP(settings.topic("segment-changes"), partition)
    customer = segments.customer_id.encode()
    decode = msgspec.json.Decoder(Change).decode
    wanted = {*segments.memberships, *(f"micro:{each.segment}" for each in segments.micro)}
    found: dict[str, Change] = {}
    low, end = reader.watermarks(tp)
    while end > low and wanted - found.keys():
        start = max(low, end - _CHUNK)
        newer: dict[str, Change] = {}
        for message in _between(reader, tp, start, end):
            if message.key() == customer:
                change = decode(message.value() or b"")
                micro = change.segmentation == "micro" and change.current is not None
                newer[f"micro:{change.current.segment}" if micro and change.current else change.segmentation] = change
        found = newer | found
        end = start
    return {name: change for name, change in found.items() if name in wanted}


def _between(reader: Reader, tp: TP, start: int, end: int | None = None) -> Iterator[Message]:
    """The committed records of a partition in [start, end); to the present end without one."""
    stop = reader.watermarks(tp)[1] if end is None else end
    reader.assign({tp: start})
    while reader.position(tp) < stop:
        for message in reader.poll(_AT_A_TIME, 0.2):
            if message.offset() < stop:
                yield message


def _figures(image: U1, swept: int) -> Figures:
    row = image.view(ROW)[0]
    seen = views(row)
    first, last, flags = int(row["first"][0]), int(row["last"][0]), int(row["flags"][0])
    as_of = max(swept, last)
    features = np.zeros(COUNT)
    compute(Rows(seen.i8, seen.u8, seen.f8, seen.f4, seen.u4, seen.u1), 0, as_of, features)
    return Figures(
        as_of=as_of,
        first=first if first != NEVER else as_of,
        last=last if last != NEVER else as_of,
        consent=bool(flags & FLAG_CONSENT),
        holdout=bool(flags & FLAG_HOLDOUT),
        features=dict(zip(NAMES, features.tolist(), strict=True)),
    )
