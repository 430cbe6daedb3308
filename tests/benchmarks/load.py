"""The load of the benchmarks: Segment-spec events of some 430 bytes, Zipf-like activity, from a fixed seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import orjson
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

EVENTS = 1_200_000
CUSTOMERS = 50_000
NAMES = ("Product Viewed", "Product Added", "Order Completed", "Email Opened", "Page Viewed")
_SHARES = (0.4, 0.12, 0.04, 0.09, 0.35)
_START = np.datetime64("2024-03-01T00:00:00.000", "ms")
_SPAN_MS = 14 * 86_400_000


def make_topics(bootstrap: str, names: list[str], partitions: int = 4) -> None:
    """Creates topics; those that are there stay."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic(name, partitions, 1) for name in names]).values():
        if (error := future.exception()) is not None and "exists" not in str(error):
            raise RuntimeError(f"a topic could not be made: {error}") from error
    while not set(names) <= set(admin.list_topics(timeout=10).topics):
        time.sleep(0.05)


def events(
    n: int, customers: int, *, skew: float = 1.7, seed: int = 1, start: np.datetime64 = _START, span_ms: int = _SPAN_MS
) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of n events, over two weeks if nothing else is said. skew 1: every customer is as active as the next."""
    rng = np.random.default_rng(seed)
    who = rng.permutation(customers)[np.minimum((customers * rng.random(n) ** skew).astype(np.int64), customers - 1)]
    kind, category = rng.choice(5, n, p=_SHARES), rng.integers(0, 30, n)
    price = rng.lognormal(3, 0.8, n).round(2)
    stamps = np.datetime_as_string(start + np.arange(n) * max(1, span_ms // n), unit="ms")
    for i in range(n):
        c, k, cost = int(who[i]), int(kind[i]), float(price[i])
        key, shelf = f"c{c:07d}", f"cat{int(category[i]):02d}"
        value = {
            "type": "track",
            "event": NAMES[k],
            "messageId": f"{i:032x}",
            "userId": key,
            "anonymousId": f"a{c * 7919 % 10**9:09d}",
            "timestamp": str(stamps[i]) + "Z",
            "properties": {
                "product_id": f"p{int(category[i]) * 37 % 997}",
                "name": "Classic cotton shirt",
                "category": shelf,
                "price": cost,
                "quantity": 1,
                "revenue": cost if k == 2 else 0.0,
                "currency": "EUR",
            },
            "context": {
                "library": {"name": "analytics.js", "version": "2.11.1"},
                "page": {"path": f"/shop/{shelf}", "referrer": "/"},
                "device": {"type": "mobile"},
                "locale": "de-DE",
            },
        }
        yield key.encode(), orjson.dumps(value)


def fill(bootstrap: str, topic: str, n: int, customers: int) -> None:
    """Writes n events to a topic."""
    write(bootstrap, topic, events(n, customers))


def write(
    bootstrap: str, topic: str, records: Iterable[tuple[bytes, bytes]], place: Callable[[bytes], int] | None = None
) -> None:
    """Writes records, keys and values, to a topic. place: the partition of a key, librdkafka's choice if not given."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "queue.buffering.max.messages": 2_000_000})
    for i, (key, value) in enumerate(records):
        while True:
            try:
                producer.produce(topic, value, key, -1 if place is None else place(key))
                break
            except BufferError:
                producer.poll(0.1)
        if i % 5000 == 0:
            producer.poll(0)
    if left := producer.flush(120):
        raise RuntimeError(f"{left} events could not be written to {topic}")
