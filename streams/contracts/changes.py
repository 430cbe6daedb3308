"""segment-changes: CloudEvents 1.0 in binary mode. The attributes travel as `ce_*` headers, `Change` is the JSON body."""

from __future__ import annotations

from typing import Literal

import msgspec

CE_TYPE = "shoal.segment.changed.v1"
Cause = Literal["event", "sweep", "command"]


class Membership(msgspec.Struct, frozen=True):
    """A customer's place in one segmentation. `segment` is the stable key, `name` what people read; `since` RFC 3339."""

    segment: str
    name: str
    since: str


class Reason(msgspec.Struct, frozen=True):
    """One feature that decided: this customer's value, the usual one, and the signed weight it had."""

    feature: str
    label: str
    value: float
    usual: float | None
    effect: float


class Scores(msgspec.Struct, frozen=True):
    """Model scores at the decision; null where the family has no champion yet."""

    churn: float | None = None
    purchase: float | None = None
    value_365d: float | None = None


class Source(msgspec.Struct, frozen=True):
    """The trigger. For a sweep: the position in `events` after which it ran."""

    topic: str
    partition: int
    offset: int


class Recommend(msgspec.Struct, frozen=True):
    """How to reach this customer: usual channel, hour (0 to 23, start of a 3-hour bin), favourite categories, offer."""

    channel: str | None = None
    hour: int | None = None
    categories: list[str] = []
    offer: str | None = None
    items: list[str] = []


class Change(msgspec.Struct, frozen=True):
    """One membership moved. `hysteresis`: first | immediate | margin | confirmed; `model`: null while rules decide alone."""

    id: str
    customer_id: str
    segmentation: str
    previous: Membership | None
    current: Membership | None
    at: str
    cause: Cause
    confidence: float
    scores: Scores
    thresholds: Scores
    reasons: list[Reason]
    hysteresis: str
    model: dict[str, int] | None
    definitions: str
    source: Source
    recommend: Recommend
    holdout: bool
    consent: bool


class LastChange(msgspec.Struct, frozen=True):
    """The newest change of one segmentation: when, and the segment before it."""

    at: str
    previous: str | None


class CustomerSegments(msgspec.Struct, frozen=True):
    """segments (compacted): all memberships of a customer, by segmentation; micro-segments in a list of their own."""

    customer_id: str
    at: str
    memberships: dict[str, Membership]
    micro: list[Membership]
    scores: Scores
    last_changes: dict[str, LastChange]
    model: dict[str, int] | None
    definitions: str
