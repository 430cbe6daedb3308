"""What workers are given: the benchmarks' events, with a customer or a partition that has most of them, or dated as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from zlib import crc32

import numpy as np

from tests.soak.load import dated as in_time
from tests.soak.load import stamp

Event = tuple[bytes, bytes]
_MESSAGE = b'"messageId":"'


def partition_of(key: bytes, partitions: int) -> int:
    """Where librdkafka's own partitioner, which the load uses, puts a key."""
    return crc32(key) % partitions


def given_to(event: Event, key: bytes) -> Event:
    """The same event, of another customer whose id is as long."""
    return key, event[1].replace(b'"userId":"%b"' % event[0], b'"userId":"%b"' % key, 1)


def hot(events: Iterable[Event], customer: bytes, share: float, seed: int = 1) -> Iterator[Event]:
    """A share (0 to 1) of the events belongs to one customer."""
    rng = np.random.default_rng(seed)
    for event in events:
        yield given_to(event, customer) if rng.random() < share else event


def crowded(events: Iterable[Event], share: float, partitions: int, customers: int, seed: int = 1) -> Iterator[Event]:
    """A share of the events lies in partition 0: some of the others' events are given to the next customers who are there."""
    there = [key for key in (b"c%07d" % number for number in range(customers)) if partition_of(key, partitions) == 0]
    rng = np.random.default_rng(seed)
    drawn = (share * partitions - 1) / (partitions - 1)
    for event in events:
        if partition_of(event[0], partitions) and rng.random() < drawn:
            yield given_to(event, there[int(event[0][1:]) % len(there)])
        else:
            yield event


def dated(event: Event, at: int) -> Event:
    """The same event at a time (ms), with a message id that no event of the load has."""
    key, value = event
    return key, in_time(value, stamp(at)).replace(_MESSAGE + b"0", _MESSAGE + b"f", 1)


def as_they_come(events: Iterable[Event], now: Callable[[], int]) -> Iterator[Event]:
    """Each event dated when it is asked for. now: ms."""
    for event in events:
        yield dated(event, now())
