"""Model snapshots: explicit, immutable arrays with a schema, named by the hash of their content.

A snapshot holds one family (`behaviour`, `churn`, `purchase`, `value` or `usual`); a manifest names the champion of each
family and the learner's own state as of the end of an epoch. Both travel as JSON.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

Family = Literal["behaviour", "churn", "purchase", "value", "usual"]
FAMILIES: tuple[Family, ...] = ("behaviour", "churn", "purchase", "value", "usual")


class Cluster(msgspec.Struct, frozen=True):
    """One kind of customers. `id` (1 to 255) keeps its meaning over re-seedings; `centre` is standardised, over HABITS."""

    id: int
    name: str
    description: str
    distinct: list[str]
    share: float
    centre: list[float]


class Behaviour(msgspec.Struct, frozen=True, tag="behaviour"):
    """Online k-means over the habits. Standardised habit j = (transformed - mean[j]) / scale[j]; squared distance."""

    mean: list[float]
    scale: list[float]
    clusters: list[Cluster]
    margin: float
    """A customer moves when the nearest distance is below margin x that of the present cluster."""


class Logistic(msgspec.Struct, frozen=True, tag="logistic"):
    """p = sigmoid(slope * (bias + weights . standardised features) + intercept); slope, intercept calibrate."""

    mean: list[float]
    scale: list[float]
    weights: list[float]
    bias: float
    slope: float
    intercept: float
    threshold: float


class Value(msgspec.Struct, frozen=True, tag="value"):
    """365-day value = factor * purchase probability * (365 / horizon_days) * shrunken order value * shrunken pace.

    Shrunken order value = (orders * average_order + strength * usual_order) / (orders + strength).
    `quantiles`: the values above which a customer is mid, then high.
    """

    horizon_days: float
    factor: float
    usual_order: float
    strength: float
    quantiles: list[float]


class Usual(msgspec.Struct, frozen=True, tag="usual"):
    """The middle customer: median of each feature (raw units) and the spread (scaled median absolute deviation)."""

    median: list[float]
    spread: list[float]


Body = Behaviour | Logistic | Value | Usual


class Score(msgspec.Struct, frozen=True):
    """Test scores over n samples that the model had not seen.

    `inertia`: mean squared distance to the nearest centre, standardised; `ratio`: predicted over realised spend.
    """

    n: int = 0
    auc: float | None = None
    log_loss: float | None = None
    brier: float | None = None
    ece: float | None = None
    inertia: float | None = None
    ratio: float | None = None


class Tally(msgspec.Struct, frozen=True):
    """One epoch's tests of a champion in a form that adds up over epochs (`models.evaluation.pool`).

    Sums over `n` samples: log loss (nats), Brier, squared distance (behaviour), predicted and realised spend (value).
    Classifiers: `bins` are those of the predicted logit that occur, ascending (`models.evaluation.LOGIT_BINS`), with the
    samples of either label in them.
    """

    n: int
    log_loss: float = 0.0
    brier: float = 0.0
    inertia: float = 0.0
    predicted: float = 0.0
    realised: float = 0.0
    bins: list[int] = []
    negatives: list[int] = []
    positives: list[int] = []


class Snapshot(msgspec.Struct, frozen=True):
    """One family's model. `created`: the epoch's time, ms; `trained_on`: samples seen; `features`: catalogue hash."""

    family: Family
    version: int
    created: int
    trained_on: int
    features: str
    body: Body
    metrics: Score


class Champion(msgspec.Struct, frozen=True):
    """Who decides in a family, since when, and why."""

    hash: str
    version: int
    promoted: int
    promoted_by: str
    reason: str


class Candidate(msgspec.Struct, frozen=True):
    """Who is being tested against the champion of a family, or waits for a person's word (`ready`)."""

    hash: str
    version: int
    frozen: int
    tested: int
    ready: bool
    verdict: str


class Manifest(msgspec.Struct, frozen=True):
    """The learner's last word: trained through epoch `epoch`. What is not in it does not exist.

    `champions` by family; `one_in`: 1 in so many customers is sampled; `offsets`: next offset of `samples` by partition;
    `absent`: partitions that the learner went on without; `learner`: content hash of the learner's own state.
    `tests`: the champions' scores over the last weeks; `tallies`: this epoch's tests alone, which add up;
    `rejected`: samples of this epoch that could not be learnt from; `notes`: promotions, births and ends of kinds, in words.
    """

    epoch: int
    champions: dict[Family, Champion]
    one_in: int
    offsets: list[int]
    absent: list[int]
    learner: str
    tests: dict[str, Score]
    tallies: dict[str, Tally] = {}
    candidates: dict[str, Candidate] = {}
    rejected: int = 0
    notes: list[str] = []


class Approval(msgspec.Struct, frozen=True):
    """A person's word on a family: the snapshot `hash`, a candidate or an older version, is to be champion."""

    family: Family
    hash: str
    by: str
    reason: str


_encoder = msgspec.json.Encoder(order="deterministic")


def content_hash(data: bytes) -> str:
    """SHA-256 of a record's bytes, 64 hex digits: its key in the topic `models`."""
    return hashlib.sha256(data).hexdigest()


def encode(item: Snapshot | Manifest | Approval) -> bytes:
    """The canonical bytes, whose hash is the name."""
    return _encoder.encode(item)
