"""What the views answer, as JSON; `GET /v1/customers/{id}` answers with the contract `CustomerSegments` itself."""

from __future__ import annotations

import msgspec


class Problem(msgspec.Struct, frozen=True):
    """Why a request has no other answer: a code for programs, a sentence for people."""

    code: str
    message: str


class SegmentSize(msgspec.Struct, frozen=True):
    """A segment that has customers now."""

    segment: str
    name: str
    customers: int


class Segmentation(msgspec.Struct, frozen=True):
    """The segments of one segmentation, the largest first. `customers` counts each of them once."""

    segmentation: str
    customers: int
    segments: list[SegmentSize]


class Segments(msgspec.Struct, frozen=True):
    """Sizes of all segments."""

    customers: int
    segmentations: list[Segmentation]


class Member(msgspec.Struct, frozen=True):
    """A customer in a segment, since RFC 3339."""

    customer_id: str
    since: str


class Members(msgspec.Struct, frozen=True):
    """A page of a segment's members. `next` asks for the page after it; null at the last."""

    segmentation: str
    segment: str
    name: str
    customers: int
    members: list[Member]
    next: str | None


class Flow(msgspec.Struct, frozen=True):
    """How many customers moved so within the hour that begins at `hour`; null is no segment (before the first, say)."""

    hour: str
    segmentation: str
    previous: str | None
    current: str | None
    count: int


class Flows(msgspec.Struct, frozen=True):
    """Moves of the hours `from` <= hour <= `until`, at event time; both null before the first change."""

    hours: int
    first: str | None = msgspec.field(name="from")
    until: str | None
    changes: int
    flows: list[Flow]


class Position(msgspec.Struct, frozen=True):
    """How far a partition is read: `next` is the first offset not in the table, `lag` what is visible and not in it."""

    topic: str
    partition: int
    next: int
    lag: int


class Status(msgspec.Struct, frozen=True):
    """How the views are. `reason`: why they are not ready, or not current; empty if all is well.

    `rebuilt_seconds`: how long the tables took to be ready; null before. `newest_change`: the hour it happened in.
    """

    ready: bool
    reason: str
    version: str
    prefix: str
    rebuilt_seconds: float | None
    customers: int
    lag: int
    positions: list[Position]
    models: dict[str, int] | None
    definitions: str | None
    newest_change: str | None
