"""What reads bytes that others wrote, each with inputs to break and with what must be true of whatever it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from random import Random
from typing import Final
from unittest import mock

import numpy as np

import streams.presets
from models.champions import champions
from models.check import decode_snapshot
from models.definitions import compile_definitions, decode_definitions, encode_definitions, parse_definitions
from models.engine import Engine
from models.errors import ShoalError
from models.features import catalogue_hash
from models.identity import hash_all
from models.kernel.tables import Events
from models.row import MESSAGE_IDS, ROW
from models.snapshot import Score, Snapshot, encode
from streams.broker.memory import MemoryMessage
from streams.broker.protocol import TP
from streams.scoring.changelog import (
    CURSOR_KEY,
    PENDING_PREFIX,
    ROW_PREFIX,
    decode_cursor,
    encode_cursor,
    pack_rows,
    pending_key,
    row_key,
)
from streams.scoring.decode import Decode, Decoded
from streams.scoring.restore import Restoring
from streams.scoring.scan import LEFT, Columns
from streams.simulator import Config, generate_events, malformed
from tests.benchmarks.champions import bodies
from tests.chaos.stand import TOPICS, Stand, program, taxonomy
from tests.fuzz.mutate import mutate

_RUN = 200
_START = 1_700_000_000_000


class Nonsense(AssertionError):
    """Something was taken that means nothing, or means two things."""


@dataclass(frozen=True, slots=True)
class Target:
    """`once` breaks and reads so many inputs with this randomness; gives how many of them were taken."""

    name: str
    share: float
    once: Callable[[Random], tuple[int, int]]


# -- events


@cache
def _decode() -> Decode:
    return Decode(taxonomy(), max_bytes=4_000, max_amount=1e7)


@cache
def _events() -> list[tuple[bytes, bytes]]:
    good = [(event.key, event.value) for batch in generate_events(Config(customers=20, days=3, seed=1)) for event in batch]
    bad = [(one.key or b"", one.value or b"") for one in malformed(np.random.default_rng(1), 100)]
    return [*good[:400], *bad]


def _leave_all(*given: object) -> int:
    out = given[-1]
    assert isinstance(out, Columns)
    out.status[:] = LEFT
    return len(out.status)


def _decoder(rng: Random) -> tuple[int, int]:
    """Both ways of decoding refuse the same records, and make the same columns of the others."""
    events = _events()
    values = [value for _, value in events]
    records = [(key, mutate(rng, value, values)) for key, value in (rng.choice(events) for _ in range(_RUN))]
    messages = [MemoryMessage(TP("events", 0), n, key, value, None, 0) for n, (key, value) in enumerate(records)]
    fast = _decode().run(messages)
    with mock.patch("streams.scoring.decode.scan", _leave_all):
        exact = _decode().run(messages)
    if _shape(fast) != _shape(exact):
        one = next(m for m in messages if _shape(_decode().run([m])) != _one_exactly(m))
        raise Nonsense(f"decoded in two ways: key {one.key()!r}, value {one.value()!r}")
    return len(records), len(fast.places)


def _one_exactly(message: MemoryMessage) -> tuple[object, ...]:
    with mock.patch("streams.scoring.decode.scan", _leave_all):
        return _shape(_decode().run([message]))


def _shape(decoded: Decoded) -> tuple[object, ...]:
    c = decoded.columns
    columns = (
        decoded.places, c.times, c.local, c.behaviour, c.revenue, c.discount, c.category, c.channel, c.coupon, c.message,
    )  # fmt: skip
    return *(column.tobytes() for column in columns), decoded.keys, decoded.bad, sorted(decoded.unknown)


# -- definitions and snapshots


def _tried(engine: Engine) -> None:
    """A few events and a sweep: whatever decides stays within its bounds."""
    n = 12
    rows = engine.table.locate([b"c%d" % (k % 5) for k in range(n)])
    ones = np.arange(n, dtype=np.uint8)
    events = Events(
        rows, _START + 40_000_000 * np.arange(n), np.zeros(n, np.int64), ones % 16, np.full(n, 30.0), np.zeros(n), ones % 16,
        ones % 8, ones % 2, hash_all([b"m%d" % k for k in range(n)]),
    )  # fmt: skip
    for decisions in engine.apply(events, np.empty(n, np.uint8)):
        _look_at(decisions.what)
    _look_at(engine.sweep(_START + 10**10, 0, 0, 1, 1, 100).decisions.what)


def _look_at(what: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> None:
    if len(what) and not ((what[:, 3:5] >= 0) & (what[:, 3:5] < 256)).all():
        raise Nonsense("a segment that fits into no byte")


@cache
def _preset() -> bytes:
    return (resources.files(streams.presets) / "retail_definitions.toml").read_bytes()


def _definitions(rng: Random) -> tuple[int, int]:
    """What compiles says the same when read back, and decides."""
    text = _preset()
    try:
        taken = parse_definitions(mutate(rng, text, [text]).decode("utf-8", "replace"), "fuzz")
        compiled = compile_definitions(taken)
    except ShoalError:
        return 1, 0
    if compile_definitions(decode_definitions(encode_definitions(taken), "fuzz")).hash != compiled.hash:
        raise Nonsense("definitions that are others when read back")
    _tried(Engine(compiled))
    return 1, 1


@cache
def _snapshots() -> list[bytes]:
    return [encode(Snapshot(family, 1, 4, 1000, catalogue_hash(), body, Score())) for family, body in bodies(3).items()]


def _snapshot(rng: Random) -> tuple[int, int]:
    """What is taken scores with finite figures."""
    try:
        taken = decode_snapshot(mutate(rng, rng.choice(_snapshots()), _snapshots()), name="fuzz")
    except ShoalError:
        return 1, 0
    engine = Engine(program())
    engine.adopt(champions=champions({taken.family: taken}))
    _tried(engine)
    return 1, 1


# -- the changelog


@cache
def _changelog() -> list[tuple[bytes, bytes]]:
    stand = Stand().begin()
    stand.feed(_events()[:300])
    stand.sweep(_START)
    stand.commit()
    held = [(record.key or b"", record.value) for record in stand.of(TOPICS.state) if record.value is not None]
    assert {key[:2] for key, _ in held} == {ROW_PREFIX, PENDING_PREFIX, CURSOR_KEY[:2]}
    return held


def _reader(rng: Random) -> tuple[int, int]:
    """A record is refused with a sentence, or becomes a row, a sample or a cursor that is written as it was read."""
    entries = _changelog()
    values = [value for _, value in entries]
    key, value = rng.choice(entries)
    if rng.random() < 0.2:
        key = mutate(rng, key, [b"r|", b"p|x|1", b"c|partition"])
    else:
        value = mutate(rng, value, values)
    partition = _stand().partition
    partition.engine.table.__init__()  # type: ignore[misc]  # as new, which costs less than a new partition
    restoring = Restoring(partition, 0, 0)
    try:
        restoring.take([MemoryMessage(TP("state", 0), 0, key, value, None, 0)])
    except ShoalError:
        return 1, 0
    table = partition.engine.table
    if key.startswith(ROW_PREFIX):
        (row,) = pack_rows(table.rows.u8, np.arange(1))
        if row != value or row_key(table.ids[0]) != key:
            raise Nonsense(f"a row that is written otherwise than it was read: {key!r}, {value!r}")
        if table.rows.u1[:1].view(ROW)["message_head"][0, 0] >= MESSAGE_IDS:
            raise Nonsense("a row whose ring of message ids has no such place")
    elif key.startswith(PENDING_PREFIX):
        ((t0, customer),) = restoring.pending
        if int.from_bytes(value[:2], "little") != int(restoring.pending[t0, customer]["layout"][0]):
            raise Nonsense("a sample of another layout")
        if pending_key(customer, t0) != key:
            raise Nonsense(f"a sample's key that is written otherwise than it was read: {key!r}")
    elif decode_cursor(encode_cursor(partition.cursor), "fuzz") != partition.cursor:
        raise Nonsense(f"a cursor that is another when read back: {value!r}")
    return 1, 1


@cache
def _stand() -> Stand:
    return Stand()


TARGETS: Final[Sequence[Target]] = (
    Target("event decoder", 0.8, _decoder),
    Target("changelog reader", 0.187, _reader),
    Target("snapshot loader", 0.01, _snapshot),
    Target("definitions compiler", 0.003, _definitions),
)
