"""A shop's events at a steady rate, until SIGTERM or for a number of them: prints what it has sent as a JSON line.

    SHOAL_BOOTSTRAP_SERVERS=... python -m tests.soak.load --rate 20000 --customers 200000 --clock 1727740800000,4320,1763800000000

The customers are the simulator's, some thousand in each of many shops; all that one shop's customers do on a day comes in one
piece, dated as it is sent. Among it: events that come twice, at once; that are two days late, or an hour early; and records
that are none.
"""

from __future__ import annotations

import argparse
import itertools
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from random import Random

import msgspec
import numpy as np
from confluent_kafka import Producer

from streams.clock import ScaledClock
from streams.replay.event import ReplayEvent
from streams.settings import DAY_MS, load_settings
from streams.simulator import Config, generate_events, malformed

A_SHOP = 10_000
"""Customers."""
A_DAY = 2.45
"""Events of a customer, on the average."""
MOST_DAYS = 3_000
TWICE, LATE, EARLY, BAD = 0.01, 0.005, 0.0001, 0.0002
_LATE_MS, _EARLY_MS = 2 * DAY_MS, DAY_MS // 24
_TIMESTAMP = b'"timestamp":"'
_TURN_S = 0.002
_FLUSH_S = 120.0


class Sent(msgspec.Struct):
    """What a load has sent. `records`: all of it; `twice`: of those, repetitions; `bad`: records that are no events."""

    records: int
    twice: int
    late: int
    early: int
    bad: int


def shops(customers: int, seed: int) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of each event: a day of one shop after the other, then the next day."""
    seeds = range(seed * 1_000, seed * 1_000 + max(1, round(customers / A_SHOP)))
    each = min(customers, A_SHOP)
    days = [generate_events(Config(customers=each, days=MOST_DAYS, seed=one)) for one in seeds]
    for place in itertools.cycle(range(len(days))):
        day = next(days[place], None)
        if day is None:
            return
        for event in day:
            yield _of_shop(place, event)


def _of_shop(place: int, event: ReplayEvent) -> tuple[bytes, bytes]:
    """Customers have the same ids in each shop; its number tells them apart."""
    key = b"%d.%b" % (place, event.key)
    return key, event.value.replace(b'"%b"' % event.key, b'"%b"' % key)


def stamp(at: int) -> bytes:
    """A time (ms) as apps write it."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()


def dated(value: bytes, at: bytes) -> bytes:
    """The same event at a time that `stamp` has written."""
    place = value.index(_TIMESTAMP) + len(_TIMESTAMP)
    return value[:place] + at + value[place + len(at) :]


class Load:
    """Sends events to `send`, a key and a value, each dated when it is sent."""

    def __init__(
        self, events: Iterator[tuple[bytes, bytes]], seed: int, send: Callable[[bytes | None, bytes | None], None]
    ) -> None:
        self._events, self._send, self._rng = events, send, Random(seed)
        self._bad = itertools.cycle(malformed(np.random.default_rng(seed), 1_000))
        self.did: Counter[str] = Counter()

    @property
    def sent(self) -> Sent:
        """So far."""
        return Sent(**{name: self.did[name] for name in Sent.__struct_fields__})

    def some(self, n: int, now: int) -> None:
        """n events more, at a time (ms), and what comes among them."""
        times = {0: stamp(now), -1: stamp(now - _LATE_MS), 1: stamp(now + _EARLY_MS)}
        send, draw, did = self._send, self._rng.random, self.did
        for key, value in itertools.islice(self._events, n):
            drawn, off = draw(), 0
            if drawn < LATE + EARLY:
                off = -1 if drawn < LATE else 1
                did["late" if off < 0 else "early"] += 1
            event = dated(value, times[off])
            send(key, event)
            did["records"] += 1
            if drawn > 1.0 - TWICE:
                send(key, event)
                did["records"] += 1
                did["twice"] += 1
            elif drawn > 1.0 - TWICE - BAD:
                bad = next(self._bad)
                send(bad.key, bad.value)
                did["records"] += 1
                did["bad"] += 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=float("inf"), help="events a second")
    parser.add_argument("--events", type=int, default=sys.maxsize)
    parser.add_argument("--customers", type=int, default=A_SHOP)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clock", required=True, help="start, speed and anchor of streams.clock.ScaledClock")
    return parser.parse_args()


def main() -> None:
    """Sends."""
    asked = _arguments()
    start, speed, anchor = (float(part) for part in asked.clock.split(","))
    clock = ScaledClock(int(start), speed, int(anchor))
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    settings = load_settings()
    failures: list[str] = []
    producer = Producer(
        {
            "bootstrap.servers": settings.bootstrap_servers,
            "enable.idempotence": True,
            "linger.ms": 5,
            "message.max.bytes": 1_048_588,
            "queue.buffering.max.messages": 1_000_000,
            "delivery.report.only.error": True,
            "on_delivery": lambda error, _: failures.append(str(error)),
            "log_level": 2,
        }
    )
    topic = settings.topic("events")

    def send(key: bytes | None, value: bytes | None) -> None:
        while True:
            try:
                producer.produce(topic, value, key)
                return
            except BufferError:
                producer.poll(0.1)

    load = Load(shops(asked.customers, asked.seed), asked.seed, send)
    begun, made = time.monotonic(), 0
    while not ended and made < asked.events:
        due = min(
            asked.events,
            made + 1_000,
            int((time.monotonic() - begun) * asked.rate) if asked.rate < float("inf") else made + 1_000,
        )
        if due > made:
            load.some(due - made, clock.now_ms())
            made = due
        producer.poll(0 if asked.rate == float("inf") else _TURN_S)
    left = producer.flush(_FLUSH_S)
    if left or failures:
        raise SystemExit(f"{left} records were not written in time, {len(failures)} were refused: {failures[:1]}")
    sys.stdout.write(msgspec.json.encode(load.sent).decode() + "\n")


if __name__ == "__main__":
    main()
