"""How much of its input a deployment has committed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams.settings import Settings

T = TypeVar("T")
_ANSWER_S = 3.0


class Committed:
    """Called, it says how many records of the places lie before the group's offsets.

    While the broker does not answer, or not to the point, it says what it said last; `fault` is the answer then.
    """

    def __init__(self, settings: Settings, places: Iterable[tuple[str, int]]) -> None:
        # read_uncommitted, for what is asked is how far it is now: no waiting for open transactions.
        self._consumer = Consumer(
            {
                "bootstrap.servers": settings.bootstrap_servers,
                "group.id": settings.group_name(),
                "isolation.level": "read_uncommitted",
                "log_level": 0,
            }
        )
        self._places = [TopicPartition(*place) for place in places]
        self._done = self._there = 0
        self.fault = ""

    def __call__(self) -> int:
        found = self._ask(lambda: self._consumer.committed(self._places, _ANSWER_S))
        if found is not None:
            self._done = sum(max(0, one.offset) for one in found)
        return self._done

    def there(self) -> int:
        """How many records have been written to the places."""
        found = self._ask(lambda: [self._consumer.get_watermark_offsets(place, _ANSWER_S) for place in self._places])
        if found is not None:
            self._there = sum(high for _, high in found)
        return self._there

    def _ask(self, question: Callable[[], T]) -> T | None:
        try:
            found = question()
        except KafkaException as raised:  # whoever asks again and again will stop, and tell
            self.fault = str(raised.args[0])
            return None
        self.fault = ""
        return found

    def close(self) -> None:
        """Ends the connection."""
        self._consumer.close()


@contextmanager
def committed(settings: Settings, places: Iterable[tuple[str, int]]) -> Iterator[Committed]:
    """See `Committed`; closed at the end."""
    asking = Committed(settings, places)
    try:
        yield asking
    finally:
        asking.close()
