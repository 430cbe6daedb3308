"""What the definitions say: the segments of each segmentation, their rules, hysteresis and priorities, as structs."""

from __future__ import annotations

from typing import Final

import msgspec

RULED: Final = ("lifecycle", "value", "intent", "offer")
"""The segmentations that rules decide; micro-segments are too, but of these a customer has one at a time."""

MOST_SEGMENTS: Final = 255
MOST_MICRO: Final = 64
MOST_CONFIRMATIONS: Final = 255


class Segment(msgspec.Struct, frozen=True):
    """One segment of a ruled segmentation; its id is its position in the file, from 1.

    The first whose `when` is true wins; while `hold` of the present one is true, the customer stays. A move needs
    `confirmations` evaluations in a row (None: as the segmentation says).
    """

    key: str
    name: str
    description: str
    when: str
    hold: str | None = None
    confirmations: int | None = None


class Ruled(msgspec.Struct, frozen=True):
    """A segmentation that rules decide."""

    segments: tuple[Segment, ...]
    confirmations: int = 1


class Behaviour(msgspec.Struct, frozen=True):
    """The segmentation of the clusters."""

    confirmations: int = 2


class Affinity(msgspec.Struct, frozen=True):
    """The favourite category: one with at least `min_share` of all weight, and `min_weight`. `name`: a template."""

    min_share: float = 0.4
    min_weight: float = 2.0
    confirmations: int = 1
    name: str = "Loves {category}"


class MicroSegment(msgspec.Struct, frozen=True):
    """A small group that lies across the others. `id`, 1 to 64, is its own for ever; it ends when `hold` (or, without
    one, `when`) is no longer true. `approved_by`: who let it go live."""

    id: int
    key: str
    name: str
    description: str
    when: str
    approved_by: str
    hold: str | None = None


class Micro(msgspec.Struct, frozen=True):
    """The micro-segments, in the order in which they take a customer's free places."""

    segments: tuple[MicroSegment, ...] = ()


class Primary(msgspec.Struct, frozen=True):
    """Which membership speaks for the customer: the first held of selectors as `lifecycle:at_risk` or `affinity:*`."""

    priority: tuple[str, ...] = ()


class Offer(msgspec.Struct, frozen=True):
    """What to offer to customers of a segment, e.g. of `offer:discount_seeker`."""

    segment: str
    offer: str


MOST_CATEGORIES = 3
"""Favourites that a change can name."""


class Recommend(msgspec.Struct, frozen=True):
    """What a change recommends: how many favourite categories it names, and the first offer whose segment is held."""

    categories: int = 3
    offers: tuple[Offer, ...] = ()


class Definitions(msgspec.Struct, frozen=True):
    """One version of the definitions, in the shape of its TOML."""

    version: int
    name: str
    lifecycle: Ruled
    value: Ruled
    intent: Ruled
    offer: Ruled
    behaviour: Behaviour
    affinity: Affinity
    micro: Micro
    primary: Primary
    recommend: Recommend

    def ruled(self, segmentation: str) -> Ruled:
        """The ruled segmentation of that name, one of RULED."""
        ruled = {"lifecycle": self.lifecycle, "value": self.value, "intent": self.intent, "offer": self.offer}
        return ruled[segmentation]
