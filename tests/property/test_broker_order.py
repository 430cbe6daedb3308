"""What a client delivers again, anywhere in its batches, is passed over; nothing else is."""

from __future__ import annotations

from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from streams.broker.confluent_order import Order
from streams.broker.protocol import TP

PLACES = [TP(topic, partition) for topic in ("events", "commands") for partition in range(2)]
# How far each delivered stretch begins behind what came last of its place (below 0: again), and how long it is.
STRETCHES = st.lists(st.tuples(st.sampled_from(PLACES), st.integers(-8, 3), st.integers(1, 8)), max_size=30)


@given(STRETCHES, st.integers(1, 20))
def test_each_record_is_taken_once_in_order(stretches: list[tuple[TP, int, int]], size: int) -> None:
    delivered: list[Message] = []
    ends = dict.fromkeys(PLACES, 10)
    expected: dict[TP, list[int]] = {place: [] for place in PLACES}
    for place, gap, length in stretches:
        begin = max(0, ends[place] + gap)
        for offset in range(begin, begin + length):
            delivered.append(Message(topic=place.topic, partition=place.partition, offset=offset))
            if offset >= ends[place]:
                expected[place].append(offset)
                ends[place] = offset + 1
    order = Order("a test")
    for place in PLACES:
        order.sought(place, 10)
    taken: dict[TP, list[int]] = {place: [] for place in PLACES}
    for start in range(0, len(delivered), size):
        for message in order.take(delivered[start : start + size]):
            taken[TP(message.topic() or "", message.partition() or 0)].append(message.offset() or 0)
    assert taken == expected
    assert all(order.next(place) == ends[place] for place in PLACES)


def test_after_a_seek_back_records_come_again() -> None:
    order, place = Order("a test"), PLACES[0]
    messages = [Message(topic=place.topic, partition=place.partition, offset=offset) for offset in range(5)]
    assert len(order.take(list(messages))) == 5
    assert order.take(list(messages)) == []
    order.sought(place, 2)
    assert [message.offset() for message in order.take(list(messages))] == [2, 3, 4]
    order.forget(place)
    assert order.next(place) is None
    assert len(order.take(list(messages))) == 5
