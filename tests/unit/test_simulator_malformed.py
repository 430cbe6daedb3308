"""Malformed records: of many kinds, each refused by the worker's decoder with a reason, none a good one in disguise."""

from dataclasses import dataclass
from itertools import chain

import numpy as np

from streams.presets import load_taxonomy
from streams.replay import online_retail
from streams.replay.event import RawRecord, ReplayEvent
from streams.scoring.decode import Decode
from streams.simulator import Config, generate_events, malformed
from streams.simulator.malformed import KINDS, mixed


@dataclass(frozen=True)
class Record:
    """A record as read from the topic."""

    raw: RawRecord | ReplayEvent

    def topic(self) -> str:
        return "events"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 0

    def key(self) -> bytes | None:
        return self.raw.key

    def value(self) -> bytes | None:
        return self.raw.value

    def timestamp(self) -> tuple[int, int]:
        return (1, 0)

    def headers(self) -> list[tuple[str, bytes]] | None:
        return None


def decode() -> Decode:
    return Decode(load_taxonomy("retail"), max_bytes=32_768, max_amount=10_000_000.0)


def test_all_kinds_come_equally_often_in_an_order_of_the_seeds() -> None:
    bad = malformed(np.random.default_rng(1), 3 * len(KINDS))
    assert len(KINDS) >= 40
    assert sorted(one.name for one in bad) == sorted(3 * [name for name, _ in KINDS])
    assert bad == malformed(np.random.default_rng(1), 3 * len(KINDS))
    assert bad != malformed(np.random.default_rng(2), 3 * len(KINDS))


def test_the_decoder_refuses_each_of_them_with_a_reason() -> None:
    bad = malformed(np.random.default_rng(1), 4 * len(KINDS))
    decoded = decode().run([Record(one.record) for one in bad])
    assert [bad[place].name for place in decoded.places] == []
    assert sorted(refused.place for refused in decoded.bad) == list(range(len(bad)))
    assert all(len(refused.reason) > 15 for refused in decoded.bad)


def test_the_decoder_takes_what_the_simulator_and_the_real_customers_send() -> None:
    simulated = chain.from_iterable(generate_events(Config(customers=200, days=10, local=0.2)))
    for events in (list(simulated), list(online_retail())):
        decoded = decode().run([Record(event) for event in events])
        assert (len(decoded.places), decoded.bad, decoded.unknown) == (len(events), (), ())
        assert decoded.columns.times.tolist() == [event.at for event in events]


def test_mixed_in_they_change_neither_the_events_nor_their_order() -> None:
    events = list(next(iter(generate_events(Config(customers=200, days=1)))))
    bad = malformed(np.random.default_rng(1), 100)
    line = list(mixed(iter(events), bad, len(events), np.random.default_rng(1)))
    assert [item for item in line if isinstance(item, ReplayEvent)] == events
    assert [item for item in line if isinstance(item, RawRecord)] == [one.record for one in bad]
    places = [number for number, item in enumerate(line) if isinstance(item, RawRecord)]
    assert places != list(range(places[0], places[0] + 100))
