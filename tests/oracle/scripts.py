"""What happens to a partition, made up: events, sweeps, champions and definitions, one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

import msgspec
import numpy as np
from hypothesis import strategies as st

from models.definitions import Definitions, parse_definitions
from models.features import COUNT, HABITS, catalogue_hash
from models.row import BEHAVIOURS, CATEGORY_SLOTS, CHANNELS
from models.snapshot import Behaviour, Body, Cluster, Family, Logistic, Score, Snapshot, Usual, Value
from streams.presets import load_definitions
from tests.oracle.row import DAY, HOUR, Event

START = 15_000 * DAY
DEFINED = ("retail", "restless", "bare")
SEEDS = 24


@dataclass(frozen=True)
class Sweep:
    """A sweep at a time, ms."""

    at: int


@dataclass(frozen=True)
class Promote:
    """Champions of this seed decide from now on; none of them for 0."""

    seed: int


@dataclass(frozen=True)
class Define:
    """Definitions of this name decide from now on."""

    name: str


Item = Event | Sweep | Promote | Define


@cache
def definitions_of(name: str) -> Definitions:
    if name == "retail":
        return load_definitions(name)
    return parse_definitions((Path(__file__).parent / f"{name}.toml").read_text(), name)


@cache
def snapshots_of(seed: int) -> Mapping[Family, Snapshot]:
    """Champions whose scores lie around their thresholds. Every fourth seed lacks families, every fifth knows no doubt."""
    rng, random = np.random.default_rng(seed), Random(seed)
    if seed == 0:
        return {}

    def some(low: float, high: float, count: int) -> list[float]:
        return [float(x) for x in rng.uniform(low, high, count)]

    def logistic() -> Logistic:
        weights = [float(x) for x in rng.normal(0.0, 0.3, COUNT)]
        slope = 5_000.0 if seed % 5 == 4 else 0.7
        return Logistic(some(0, 2, COUNT), some(0.5, 2, COUNT), weights, 0.1, slope, -0.2, random.choice((0.3, 0.5, 0.6)))

    ids = random.sample(range(1, 256), random.choice((1, 2, 5, 8))) if seed % 3 else [1, 2, 3, 4]
    kinds = [Cluster(i, f"Kind {i}", "made for a test", [], 0.1, some(-1, 1, len(HABITS))) for i in ids]
    if seed % 6 == 0:  # two at one place
        kinds[-1] = msgspec.structs.replace(kinds[-1], centre=kinds[0].centre)
    bodies: dict[Family, Body] = {
        "behaviour": Behaviour(some(0, 1, len(HABITS)), some(0.2, 0.9, len(HABITS)), kinds, random.choice((0.8, 1.0))),
        "churn": logistic(),
        "purchase": logistic(),
        "value": Value(30.0, 1.1, 25.0, 2.0, [100.0, 300.0]),
        "usual": Usual(some(0, 3, COUNT), some(0.1, 2, COUNT)),
    }
    if seed % 4 == 3:
        for family in random.sample(sorted(bodies), random.randint(1, 3)):
            del bodies[family]
    return {family: Snapshot(family, seed, START, 1, catalogue_hash(), body, Score()) for family, body in bodies.items()}


_moments = st.builds(
    lambda day, ms: START + day * DAY + ms,
    st.one_of(st.integers(0, 12), st.integers(0, 500)),
    st.one_of(st.integers(0, DAY - 1), st.sampled_from([0, 1, 1_800_000, 1_800_001, DAY // 2])),
)
_events = st.builds(
    Event,
    customer=st.integers(0, 3).map(lambda n: b"customer-%d" % n),
    at=_moments,
    local=st.sampled_from([0, 3_600_000, -18_000_000]),
    behaviour=st.sampled_from(BEHAVIOURS) | st.sampled_from(("order", "refund", "add", "view")),
    revenue=st.floats(0, 1e7) | st.floats(0, 300),
    discount=st.just(0.0) | st.floats(0, 100),
    category=st.none() | st.integers(0, CATEGORY_SLOTS - 1),
    channel=st.none() | st.sampled_from(CHANNELS),
    coupon=st.booleans(),
    # 0: no id. Few others, so that some come again inside the last twenty and some after.
    message=st.just(0) | st.integers(1, 40),
)
_steps: st.SearchStrategy[Item] = st.one_of(
    *[_events] * 8,
    st.builds(Sweep, st.sampled_from([1, 1, 2, 6, 30, 200])),
    st.builds(Promote, st.integers(0, SEEDS - 1)),
    st.builds(Define, st.sampled_from(DEFINED)),
)


def _dated(steps: Sequence[Item]) -> list[Item]:
    """Sweeps, drawn as days since the one before, at their times."""
    script: list[Item] = []
    at = START
    for item in steps:
        if isinstance(item, Sweep):
            at += item.at * DAY
            item = Sweep(at)
        script.append(item)
    return script


scripts = st.lists(_steps, max_size=60).map(_dated)


def long_script(seed: int, events: int) -> list[Item]:
    """A shop's months: customers who come in bursts, buy, return things and go quiet, with sweeps and promotions."""
    rng, script = Random(seed), list[Item]()
    at, swept = START, START
    for n in range(events):
        at += rng.choice((0, 1_000, 60_000, 1_800_000, 1_800_001, 7 * 3_600_000, DAY, DAY * rng.choice((1, 1, 9, 40))))
        while swept + 7 * DAY <= at:
            swept += 7 * DAY
            script.append(Sweep(swept))
        if rng.random() < 0.04:
            script.append(Promote(rng.randrange(SEEDS)))
        if rng.random() < 0.02:
            script.append(Define(rng.choice(DEFINED)))
        customer = rng.randrange(5)
        script.append(
            Event(
                customer=b"customer-%d" % customer,
                at=at - rng.choice((0, 0, 0, 0, 0, 0, 3_000, DAY, 20 * DAY, 300 * DAY)),
                local=(0, 7_200_000, -28_800_000)[customer % 3],
                behaviour=rng.choice((*BEHAVIOURS, "order", "view", "add", "order")),
                revenue=round(rng.expovariate(0.01), 2),
                discount=rng.choice((0.0, 0.0, 5.55)),
                category=rng.choice((None, customer, customer, rng.randrange(CATEGORY_SLOTS))),
                channel=rng.choice((None, "email", rng.choice(CHANNELS))),
                coupon=rng.random() < 0.2,
                message=rng.choice((0, n + 1, n + 1, n + 1, max(1, n - rng.randrange(120)))),
            )
        )
    return script


def edges() -> list[Item]:
    """What chance seldom makes: favourites of the same weight, a move back after a day to the millisecond and just before it."""

    def visit(customer: bytes, category: int, channel: str, local: int) -> Event:
        return Event(customer, START, local, "view", 0.0, 0.0, category, channel, False, 0)

    a, b = b"customer-a", b"customer-b"
    two_at_once = [
        visit(a, 5, "email", 0),
        visit(a, 3, "mobile", 12 * HOUR),
        visit(b, 3, "mobile", 12 * HOUR),
        visit(b, 5, "email", 0),
    ]
    there_and_back: list[Item] = [
        Promote(1),
        Sweep(START + DAY),
        Promote(0),
        Sweep(START + 2 * DAY),
        Promote(1),
        Sweep(START + 3 * DAY - 1),
    ]
    return [Define("restless"), *two_at_once, Sweep(START + 1), *there_and_back]
