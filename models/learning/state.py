"""The learner's own state between two epochs: explicit numbers as JSON, at most some 100 KB whatever the traffic.

It is all that there is: an epoch starts from this struct and ends with the next, so a learner that resumes from the bytes
goes on exactly as one that never stopped.
"""

from __future__ import annotations

from typing import Final

import msgspec

from models.errors import UNREADABLE, SnapshotError
from models.evaluation import add, pool
from models.features import catalogue_hash
from models.learning.classifiers import Classifiers
from models.learning.contest import Contest, Seat
from models.learning.kind_contest import KindContest
from models.learning.kinds import Kinds
from models.learning.summaries import Summary, Worth
from models.snapshot import Champion, Family, Score, Tally

LAYOUT: Final = 1


class Window(msgspec.Struct, frozen=True):
    """Tests of a champion over the last weeks: the present block, begun at `since` ms, and the one before."""

    since: int = 0
    recent: Tally = Tally(0)
    before: Tally = Tally(0)


class State(msgspec.Struct, frozen=True):
    """After epoch `epoch` (ms; -1 before the first). `marks`: last epoch that each partition marked.

    `requests`: next offset of `models` from which people's approvals are read. `versions`: the last one given, by family.
    """

    layout: int
    features: str
    partitions: int
    epoch: int = -1
    offsets: list[int] = []
    marks: list[int] = []
    requests: int = 0
    one_in: int = 1
    versions: dict[Family, int] = {}
    champions: dict[Family, Champion] = {}
    classifiers: Classifiers = Classifiers()
    churn: Contest = Contest()
    purchase: Contest = Contest()
    kinds: Kinds = Kinds()
    behaviour: KindContest = KindContest()
    summary: Summary = Summary()
    worth: Worth = Worth()
    worth_challenger: Worth = Worth()
    value: Seat | None = None
    usual: Seat | None = None
    windows: dict[str, Window] = {}


_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(State)


def empty_state(partitions: int) -> State:
    """Of a learner that has seen nothing."""
    return State(LAYOUT, catalogue_hash(), partitions, offsets=[0] * partitions, marks=[-1] * partitions)


def encode_state(state: State) -> bytes:
    """Canonical JSON; floats in the shortest form that reads back to the same bits."""
    return _encoder.encode(state)


def decode_state(data: bytes, partitions: int) -> State:
    """Raises SnapshotError, with every fault, for bytes that this learner cannot go on from."""
    try:
        state = _decoder.decode(data)
    except UNREADABLE as error:
        raise SnapshotError("learner state", [f"not readable: {error}"]) from error
    faults = []
    if state.layout != LAYOUT:
        faults.append(f"layout: {state.layout}, this version reads {LAYOUT}")
    if state.features != catalogue_hash():
        faults.append(
            f"features: learnt from catalogue {state.features}, this version has {catalogue_hash()};"
            " start the learner with fresh topics (another --prefix), or go on with the version that wrote it"
        )
    if state.partitions != partitions or len(state.offsets) != partitions or len(state.marks) != partitions:
        faults.append(f"partitions: learnt from {state.partitions}, `samples` has {partitions}")
    if faults:
        raise SnapshotError("learner state", faults)
    return state


def observe(window: Window, tally: Tally, epoch: int, length_ms: int) -> Window:
    """The window after an epoch's tally; it covers one to two blocks of `length_ms`."""
    if epoch - window.since >= length_ms:
        return Window(epoch, tally, window.recent)
    return Window(window.since, add((window.recent, tally)), window.before)


def score(window: Window) -> Score:
    """The score over the window."""
    return pool((window.before, window.recent))
