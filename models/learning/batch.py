"""An epoch's samples as arrays, in the one order in which they are learnt: by customer id, then by time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.errors import SequenceError
from models.features import COUNT, LOGGED

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
Mask = NDArray[np.bool_]

_LOGGED = np.array(LOGGED)
_LARGEST = 1e12


class Matured(NamedTuple):
    """What a customer did in the horizon after the sample."""

    events: int
    orders: int
    spent: float


class Record(NamedTuple):
    """One sample as it was read; `outcome` None: taken just now, not matured."""

    customer_id: str
    t0: int
    features: list[float]
    outcome: Matured | None


@dataclass(frozen=True, slots=True)
class Batch:
    """n samples in order. t0 int64 [n] ms; features float64 [n, COUNT], raw units; labelled bool [n].

    events, orders int64 [n] and spent float64 [n] are nought where not labelled. `rejected`: how many were left out.
    """

    ids: tuple[str, ...]
    t0: I8
    features: F8
    labelled: Mask
    events: I8
    orders: I8
    spent: F8
    rejected: int = 0

    def __len__(self) -> int:
        return len(self.ids)


def transformed(features: F8) -> F8:
    """What models see of raw features [n, COUNT]: log1p where the catalogue says so."""
    return np.where(_LOGGED, np.log1p(np.where(_LOGGED, features, 0.0)), features)


def gather(records: Iterable[Record]) -> Batch:
    """Sorts samples and leaves out those that would poison a model: NaN, infinite, negative, of another length.

    Raises SequenceError if a sample is there twice.
    """
    kept: list[Record] = []
    rejected = 0
    for record in records:
        if _usable(record):
            kept.append(record)
        else:
            rejected += 1
    kept.sort(key=lambda r: (r.customer_id, r.t0, r.outcome is not None))
    for before, after in pairwise(kept):
        if before[:2] == after[:2] and (before.outcome is None) == (after.outcome is None):
            kind = "new" if after.outcome is None else "matured"
            raise SequenceError(
                f"the {kind} sample of a customer taken at {after.t0} ms came twice in one epoch: the topic `samples` holds "
                "records of two workers; check that each partition has one writer, and read it read_committed"
            )
    n = len(kept)
    features = np.array([r.features for r in kept], np.float64).reshape(n, COUNT)
    usable = np.asarray((features > -1.0).all(axis=1) & (np.abs(features) < _LARGEST).all(axis=1))
    if not usable.all():
        rejected += n - int(usable.sum())
        kept = [r for r, good in zip(kept, usable.tolist(), strict=True) if good]
        features = features[usable]
    outcomes = [r.outcome or Matured(0, 0, 0.0) for r in kept]
    return Batch(
        ids=tuple(r.customer_id for r in kept),
        t0=np.array([r.t0 for r in kept], np.int64),
        features=features,
        labelled=np.array([r.outcome is not None for r in kept], np.bool_),
        events=np.array([o.events for o in outcomes], np.int64),
        orders=np.array([o.orders for o in outcomes], np.int64),
        spent=np.array([o.spent for o in outcomes], np.float64),
        rejected=rejected,
    )


def _usable(record: Record) -> bool:
    """Whether the sample's shape and outcome make sense; its numbers are looked at all at once later."""
    if len(record.features) != COUNT:
        return False
    outcome = record.outcome
    return outcome is None or (
        outcome.events >= 0 and outcome.orders >= 0 and math.isfinite(outcome.spent) and abs(outcome.spent) < _LARGEST
    )
