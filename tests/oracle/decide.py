"""One customer's memberships at a time: rules, kinds, the favourite category, hysteresis, micro-segments, primary.

The documents are silent here, and the rule was read from the kernel:

- Segmentations decide in the order of the row, then micro-segments, then primary; changes stand in that order.
- A move that is not the first, with one confirmation needed: hysteresis `margin` for behaviour, else `immediate`; with more,
  `confirmed`, of behaviour too. To stay, or to be called back, ends a count; being called elsewhere begins it at 1.
- A flap is a move back to the segment before this one, less than a day after it was left.
- A change's `since` is the start of the membership that ends, 0 at the first; of micro-segments in whole seconds.
- Confidence of a rule: that of churn, or else of purchase, if `when` leans on it and it is known: max(p, 1 - p); else 1. Of a
  kind: 1 - first / second distance, 1 without a second or if it is 0. Of a favourite: its share. Of primary, or an end: 1.
- Whoever's kind is gone from the champions moves to the nearest (the margin is of infinity), after the usual confirmations.
- The favourite is the heaviest slot but the last (of equals the lowest), weighed as stored, not decayed to t; shares are of all
  slots. Who has no favourite keeps the one before.
- Micro-segments end first, in the order of their places, also if the definitions no longer know them; then new ones begin in
  the order of the file, each in the lowest free place. One whose `hold` fails while `when` holds ends and begins again.
- Primary is the place, from 1, of the first selector held; it needs no confirmation; who holds none keeps it. It moves only to
  another selector, not to another segment of the same one.
- The channel and the hour (start of three) recommended are the heaviest, of equals the lowest, none while all are 0; categories
  are the three heaviest but the last. The offer is looked up when all memberships have moved.
- Without a champion for kinds nobody's behaviour is looked at, and no count of confirmations ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from models.definitions.segments import RULED, Definitions
from models.row import CATEGORY_SLOTS, SEGMENTATIONS
from tests.oracle.features import total
from tests.oracle.reasons import Evidence, evidence
from tests.oracle.row import DAY, Active, Customer
from tests.oracle.rules import Rule, named, place_of, rules_of, true
from tests.oracle.scores import Figures, Models

Hysteresis = Literal["first", "immediate", "margin", "confirmed"]
Key = TypeVar("Key", int, str)

OTHER = CATEGORY_SLOTS - 1
"""The slot of the categories without a name, which is nobody's favourite."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A membership that moved, `since` in ms. `behind`: of a primary, the segment that speaks, else the one that moved."""

    segmentation: str
    previous: int
    current: int
    since: int
    hysteresis: Hysteresis
    flap: bool
    behind: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Change:
    """What is said of a move at `at` (ms): the features and scores that decided, the reasons, and what to recommend.

    `hour`: the start of the usual three; `categories`: slots, heaviest first.
    """

    customer: bytes
    moved: Moved
    at: int
    figures: Figures
    reasons: Evidence
    flags: int
    channel: str | None
    hour: int | None
    categories: tuple[int, ...]
    offer: str | None


@dataclass(frozen=True, slots=True)
class Call:
    """What a segmentation calls for."""

    segment: int
    confidence: float
    confirmations: int
    hysteresis: Hysteresis = "immediate"


@dataclass(slots=True)
class Decision:
    """One look at one customer at `at` (ms): `decide` moves the memberships; `changes` says which."""

    definitions: Definitions
    champions: Models
    customer: Customer
    at: int
    figures: Figures
    habits: dict[str, float]
    """Transformed features."""
    moved: list[Moved] = field(default_factory=list)

    def decide(self) -> list[Change]:
        for segmentation in SEGMENTATIONS[:-1]:
            call = self._call(segmentation)
            if call is not None:
                self._move(segmentation, call, call.segment)
        self._micro()
        place, behind = self._first_held(self.definitions.primary.priority)
        self._move("primary", Call(place or self.customer.memberships["primary"].segment, 1.0, 1), behind)
        offers = self.definitions.recommend.offers
        offer, _ = self._first_held([offer.segment for offer in offers])
        return [self._change(moved, offers[offer - 1].offer if offer else None) for moved in self.moved]

    def _call(self, segmentation: str) -> Call | None:
        if segmentation == "behaviour":
            return self._behaviour()
        if segmentation == "affinity":
            return self._affinity()
        return self._ruled(segmentation)

    def _behaviour(self) -> Call | None:
        if self.champions.kinds is None:
            return None
        present, kinds = self.customer.memberships["behaviour"].segment, self.champions.kinds
        near = kinds.near(self.habits, present)
        stays = present != 0 and not near.first < kinds.margin * near.present
        alone = near.second in (0.0, float("inf"))
        confidence = 1.0 if alone else 1.0 - near.first / near.second
        return Call(present if stays else near.kind, confidence, self.definitions.behaviour.confirmations, "margin")

    def _affinity(self) -> Call:
        affinity, weights = self.definitions.affinity, self.customer.categories
        everything = total(weights.values())
        favourite = max((slot for slot in weights if slot != OTHER), key=lambda slot: weights[slot])
        weight = weights[favourite]
        if weight > 0.0 and weight >= affinity.min_share * everything and weight >= affinity.min_weight:
            return Call(favourite + 1, weight / everything, affinity.confirmations)
        return Call(self.customer.memberships["affinity"].segment, 1.0, affinity.confirmations)

    def _ruled(self, segmentation: str) -> Call:
        present, rules = self.customer.memberships[segmentation].segment, rules_of(self.definitions, segmentation)
        for rule in rules:
            if rule.segment == present and rule.hold is not None and true(rule.hold, self.figures):
                return Call(present, self._confidence(rule), rule.confirmations)
        for rule in rules:
            if true(rule.when, self.figures):
                return Call(rule.segment, self._confidence(rule), rule.confirmations)
        return Call(present, 1.0, 1)

    def _confidence(self, rule: Rule) -> float:
        for score in ("churn", "purchase"):
            if score in named(rule.when):
                p = self.figures[score]
                return 1.0 if p is None else max(p, 1.0 - p)
        return 1.0

    def _move(self, segmentation: str, call: Call, behind: int) -> None:
        """Hysteresis: the call becomes a move, counts as a confirmation, or ends a count."""
        here = self.customer.memberships[segmentation]
        if call.segment == here.segment:
            here.candidate = here.confirmations = 0
            return
        how: Hysteresis = call.hysteresis
        if here.segment == 0:
            how = "first"
        elif call.confirmations > 1:
            here.confirmations = here.confirmations + 1 if here.candidate == call.segment else 1
            here.candidate = call.segment
            if here.confirmations < call.confirmations:
                return
            how = "confirmed"
        flap = here.segment != 0 and here.prior == call.segment and self.at - here.since < DAY
        self.moved.append(Moved(segmentation, here.segment, call.segment, here.since, how, flap, behind, call.confidence))
        here.prior, here.segment, here.since = here.segment, call.segment, self.at
        here.candidate = here.confirmations = 0

    def _micro(self) -> None:
        rules, places = rules_of(self.definitions, "micro"), self.customer.micro
        stay = {rule.segment for rule in rules if true(rule.hold or rule.when, self.figures)}
        for place, active in enumerate(places):
            if active and active.segment not in stay:
                since = active.since * 1000
                self.moved.append(Moved("micro", active.segment, 0, since, "immediate", False, active.segment, 1.0))
                places[place] = None
        for rule in rules:
            there = any(active is not None and active.segment == rule.segment for active in places)
            if not there and None in places and true(rule.when, self.figures):
                self.moved.append(Moved("micro", 0, rule.segment, 0, "first", False, rule.segment, self._confidence(rule)))
                places[places.index(None)] = Active(rule.segment, self.at // 1000)

    def _first_held(self, selectors: Sequence[str]) -> tuple[int, int]:
        """Place, from 1, of the first selector whose segment the customer is in, and that segment; zeros if none."""
        for place, selector in enumerate(selectors, 1):
            segmentation, wanted = place_of(self.definitions, selector)
            if segmentation == "micro":
                held = [active.segment for active in self.customer.micro if active]
            else:
                held = [self.customer.memberships[segmentation].segment]
            for segment in held:
                if segment != 0 and wanted in (None, segment):
                    return place, segment
        return 0, 0

    def _change(self, moved: Moved, offer: str | None) -> Change:
        segmentation, previous, current = moved.segmentation, moved.previous, moved.current
        if segmentation == "primary":  # its reasons are those of the membership that speaks, as if it were the first
            segmentation, _ = place_of(self.definitions, self.definitions.primary.priority[current - 1])
            previous, current = 0, moved.behind
        c = self.customer
        return Change(
            customer=c.id,
            moved=moved,
            at=self.at,
            figures=self.figures,
            reasons=evidence(self.definitions, self.champions, self.figures, self.habits, segmentation, previous, current),
            flags=c.flags,
            channel=next(iter(_heaviest(c.channels)), None),
            hour=next((3 * place for place in _heaviest(c.hours)), None),
            categories=tuple(_heaviest({slot: weight for slot, weight in c.categories.items() if slot != OTHER}))[:3],
            offer=offer,
        )


def _heaviest(weights: dict[Key, float]) -> list[Key]:
    """Those with a weight above 0, heaviest first, of equals the first."""
    return sorted((key for key in weights if weights[key] > 0.0), key=lambda key: -weights[key])


assert set(SEGMENTATIONS) == {*RULED, "behaviour", "affinity", "primary"}
