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
    """Running test scores: over n samples that the model had not seen."""

    n: int = 0
    auc: float | None = None
    log_loss: float | None = None
    brier: float | None = None
    ece: float | None = None
    inertia: float | None = None


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


class Manifest(msgspec.Struct, frozen=True):
    """The learner's last word: trained through epoch `epoch`. What is not in it does not exist.

    `champions` by family; `one_in`: 1 in so many customers is sampled; `offsets`: next offset of `samples` by partition;
    `absent`: partitions that the learner went on without; `learner`: content hash of the learner's own state.
    """

    epoch: int
    champions: dict[Family, Champion]
    one_in: int
    offsets: list[int]
    absent: list[int]
    learner: str
    tests: dict[str, Score]


_encoder = msgspec.json.Encoder(order="deterministic")


def content_hash(data: bytes) -> str:
    """SHA-256 of a record's bytes, 64 hex digits: its key in the topic `models`."""
    return hashlib.sha256(data).hexdigest()


def encode(item: Snapshot | Manifest) -> bytes:
    """The canonical bytes, whose hash is the name."""
    return _encoder.encode(item)
