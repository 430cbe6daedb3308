"""Where a member stands in each of its partitions: what librdkafka delivers a second time is passed over.

An assignment begins at the beginning, for where it goes on is known later; librdkafka asks the broker where that is, and when
the answer comes after a seek, it goes there (seen three times in some hundred runs beside a machine's full load). Other ways
are told in its issues 4686 and 5591.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final, cast

import numpy as np
from confluent_kafka import Message as KafkaMessage
from numpy.typing import NDArray

from streams.broker.protocol import TP

_LOG = logging.getLogger(__name__)
# For `map`, which calls them at 20 ns a record.
_partition_of: Final = cast("Callable[[KafkaMessage], int]", KafkaMessage.partition)
_offset_of: Final = cast("Callable[[KafkaMessage], int]", KafkaMessage.offset)


class Order:
    """The next offset of each partition, as far as it is known."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._next: dict[TP, int] = {}
        self.astray: set[TP] = set()
        """Where the last batch had records that came before: they must be sent to `next`, or all of it comes again."""

    def next(self, partition: TP) -> int | None:
        """The offset behind the last record that was taken, or the one that was sought."""
        return self._next.get(partition)

    def sought(self, partition: TP, offset: int) -> None:
        """From here on."""
        self._next[partition] = offset

    def forget(self, partition: TP) -> None:
        """It is ours no more."""
        self._next.pop(partition, None)

    def take(self, messages: list[KafkaMessage]) -> list[KafkaMessage]:
        """These without what came before; errors must be out."""
        self.astray.clear()
        if not messages:
            return messages
        offsets = np.fromiter(map(_offset_of, messages), np.int64, len(messages))
        partitions = np.fromiter(map(_partition_of, messages), np.int64, len(messages))
        again: list[slice] = []
        for first, last in _stretches(partitions, offsets):
            self._stretch(messages, offsets, first, last, again)
        for stretch in reversed(again):
            del messages[stretch]
        return messages

    def _stretch(
        self, messages: Sequence[KafkaMessage], offsets: NDArray[np.int64], first: int, last: int, again: list[slice]
    ) -> None:
        """Records first to last, of one partition number and with offsets that rise by one. again: takes what came before."""
        topic = messages[first].topic()
        if messages[last].topic() != topic:  # two topics whose offsets happen to meet: one record after another
            middle = next(k for k in range(first, last + 1) if messages[k].topic() != topic)
            self._stretch(messages, offsets, first, middle - 1, again)
            self._stretch(messages, offsets, middle, last, again)
            return
        place = TP(cast("str", topic), cast("int", messages[first].partition()))
        begin, end = int(offsets[first]), int(offsets[last]) + 1
        expected = self._next.get(place, begin)
        if begin < expected:
            repeated = min(end, expected) - begin
            _LOG.warning(
                "%s: %d records of %s-%d, from offset %d, came a second time and are passed over (the next one is %d)",
                self._name, repeated, place.topic, place.partition, begin, expected,
            )  # fmt: skip
            again.append(slice(first, first + repeated))
            self.astray.add(place)
        self._next[place] = max(end, expected)


def _stretches(partitions: NDArray[np.int64], offsets: NDArray[np.int64]) -> list[tuple[int, int]]:
    """First and last place of each run of one partition number in which offsets rise by one."""
    breaks = np.flatnonzero((np.diff(partitions) != 0) | (np.diff(offsets) != 1))
    return list(zip([0, *(breaks + 1).tolist()], [*breaks.tolist(), len(offsets) - 1], strict=True))
