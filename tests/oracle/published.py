"""What is said of the oracle's decisions, as the JSON that must stand in `segment-changes` and `segments`, and its ids.

The documents are silent here, and the rule was read from `streams/scoring/{publish,render,fragments}.py`:

- A change's id: `e-<partition>-<offset>-<n>`, n from 0 among the changes of one event; of a sweep
  `s-<partition>-<T>-<16 hex digits of the customer's hash>-<segmentation>`, and of a micro-segment also its id and `i` or `o`,
  for in or out.
- A kind is `kind-<id>`, named as its champion names it, else `Kind <id>`; a favourite is `loves:<slug>`, named by the template;
  the primary is its selector, named as the segment that this means, or as the segmentation where it means any. Whom nobody
  names (any more) is `<segmentation>-<id>`, `Former segment <id>`.
- A micro-segment begins at the whole second.
- Numbers have six significant digits; a number that lies in the middle between two of these, as far as a double can tell, may be
  either; what is smaller than 1e-15 is 0.
- The threshold of values is that of `high`, there as soon as there is a champion for values, also without one for purchases.
  Versions are those inside the snapshots. Definitions are named by the first 12 digits of their hash.
- A customer's record in `segments` is that of the last time that a membership moved, in the names of those who decided then.
  A segmentation's last change is at the start of its present segment. Micro-segments stand there in the order of their places.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final, Literal

from models.definitions.segments import RULED, Definitions
from models.features import CATALOGUE
from models.identity import stable_hash
from models.row import FLAG_CONSENT, FLAG_HOLDOUT, SEGMENTATIONS
from models.snapshot import Behaviour, Family, Logistic, Snapshot, Usual, Value
from models.taxonomy import Taxonomy
from tests.oracle.decide import Change
from tests.oracle.row import Customer
from tests.oracle.rules import place_of
from tests.oracle.scores import NAMES, Figures

CE_TYPE: Final = "shoal.segment.changed.v1"
Json = dict[str, Any]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LABELS: Final = {feature.name: feature.label for feature in CATALOGUE}
_SCORES: Final = ("churn", "purchase", "value_365d")
_DIGITS: Final = 6
_LEAST: Final = 1e-15


class Printed(float):
    """A number of which six digits are printed."""

    def is_said_by(self, said: float) -> bool:
        """Whether `said` has six digits and is the nearest such number, or one of the two that are equally near."""
        if abs(self) < _LEAST:
            return said == 0.0
        if said == float(f"{self:.6g}"):
            return True
        unit = 10.0 ** (math.floor(math.log10(abs(self))) + 1 - _DIGITS)
        return said == float(f"{said:.6g}") and abs(said - self) <= 0.5 * unit * (1.0 + 1e-9)


@dataclass(frozen=True)
class Deciders:
    """In whose names is spoken: definitions and their content hash, the champions' snapshots, the taxonomy."""

    definitions: Definitions
    hash: str
    snapshots: Mapping[Family, Snapshot]
    taxonomy: Taxonomy

    def named(self, segmentation: str, segment: int) -> tuple[str, str]:
        """Key and name of a segment (from 1)."""
        found = self._known(segmentation, segment)
        return found or (f"{segmentation}-{segment}", f"Former segment {segment}")

    def _known(self, segmentation: str, segment: int) -> tuple[str, str] | None:
        definitions, taxonomy = self.definitions, self.taxonomy
        if segmentation == "behaviour":
            return f"kind-{segment}", self._kinds().get(segment, f"Kind {segment}")
        if segmentation == "affinity":
            if segment > len(taxonomy.categories):
                return None
            slug, name = taxonomy.categories[segment - 1], taxonomy.category_names[segment - 1]
            return f"loves:{slug}", definitions.affinity.name.format(category=name)
        if segmentation == "primary":
            return self._spoken_for(segment)
        if segmentation == "micro":
            return next(((one.key, one.name) for one in definitions.micro.segments if one.id == segment), None)
        segments = definitions.ruled(segmentation).segments
        return (segments[segment - 1].key, segments[segment - 1].name) if segment <= len(segments) else None

    def _spoken_for(self, place: int) -> tuple[str, str] | None:
        selectors = self.definitions.primary.priority
        if place > len(selectors):
            return None
        segmentation, wanted = place_of(self.definitions, selectors[place - 1])
        return selectors[place - 1], segmentation.capitalize() if wanted is None else self.named(segmentation, wanted)[1]

    def _kinds(self) -> dict[int, str]:
        body = self._body("behaviour")
        return {cluster.id: cluster.name for cluster in body.clusters} if isinstance(body, Behaviour) else {}

    def _body(self, family: Family) -> object:
        snapshot = self.snapshots.get(family)
        return snapshot.body if snapshot else None

    @cached_property
    def thresholds(self) -> dict[str, Printed | None]:
        """What the scores are measured by."""
        churn, purchase, value = self._body("churn"), self._body("purchase"), self._body("value")
        return {
            "churn": Printed(churn.threshold) if isinstance(churn, Logistic) else None,
            "purchase": Printed(purchase.threshold) if isinstance(purchase, Logistic) else None,
            "value_365d": Printed(value.quantiles[1]) if isinstance(value, Value) else None,
        }

    @cached_property
    def usual(self) -> dict[str, float]:
        """Of each feature, if anybody knows."""
        body = self._body("usual")
        return dict(zip(NAMES, body.median, strict=True)) if isinstance(body, Usual) else {}

    @cached_property
    def signature(self) -> Json:
        """Versions of models and definitions."""
        versions = {family: snapshot.version for family, snapshot in self.snapshots.items()}
        return {"model": versions or None, "definitions": self.hash[:12]}


@dataclass(frozen=True, slots=True)
class Trigger:
    """Why something was decided. `offset`: of the event, or behind the events before a sweep at time `at`, ms."""

    cause: Literal["event", "sweep"]
    topic: str
    partition: int
    offset: int
    at: int = 0


def moment(ms: int) -> str:
    """A time as it is written."""
    return (_EPOCH + timedelta(milliseconds=ms)).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def change_id(change: Change, n: int, trigger: Trigger) -> str:
    """Of the n-th change, from 0, of its trigger; among those of one customer, in a sweep."""
    if trigger.cause == "event":
        return f"e-{trigger.partition}-{trigger.offset}-{n}"
    moved = change.moved
    name = f"s-{trigger.partition}-{trigger.at}-{stable_hash(change.customer):016x}-{moved.segmentation}"
    if moved.segmentation == "micro":
        name += f"-{moved.current}-i" if moved.current else f"-{moved.previous}-o"
    return name


def change_record(change: Change, n: int, trigger: Trigger, deciders: Deciders) -> Json:
    """The value of a record of `segment-changes`."""
    moved, figures, usual = change.moved, change.figures, deciders.usual
    begun = change.at // 1000 * 1000 if moved.segmentation == "micro" else change.at
    favourites = change.categories[: deciders.definitions.recommend.categories]
    reasons = [
        {
            "feature": name,
            "label": _LABELS[name],
            "value": _printed(figures[name]),
            "usual": _printed(usual.get(name)),
            "effect": Printed(effect),
        }
        for name, effect in change.reasons
    ]
    return {
        "id": change_id(change, n, trigger),
        "customer_id": change.customer.decode(),
        "segmentation": moved.segmentation,
        "previous": _member(deciders, moved.segmentation, moved.previous, moved.since),
        "current": _member(deciders, moved.segmentation, moved.current, begun),
        "at": moment(change.at),
        "cause": trigger.cause,
        "confidence": Printed(moved.confidence),
        "scores": _scores(figures),
        "thresholds": deciders.thresholds,
        "reasons": reasons,
        "hysteresis": moved.hysteresis,
        **deciders.signature,
        "source": {"topic": trigger.topic, "partition": trigger.partition, "offset": trigger.offset},
        "recommend": {
            "channel": change.channel,
            "hour": change.hour,
            "categories": [deciders.taxonomy.categories[slot] for slot in favourites],
            "offer": change.offer,
            "items": [],
        },
        "holdout": bool(change.flags & FLAG_HOLDOUT),
        "consent": bool(change.flags & FLAG_CONSENT),
    }


def change_headers(record: Json) -> dict[str, bytes]:
    """The headers of a change: CloudEvents in binary mode."""
    source = record["source"]
    said = {
        "ce_specversion": "1.0",
        "ce_type": CE_TYPE,
        "ce_source": f"/shoal/{source['topic']}/{source['partition']}",
        "content-type": "application/json",
        "ce_id": record["id"],
        "ce_time": record["at"],
    }
    return {name: text.encode() for name, text in said.items()}


def customer_record(customer: Customer, at: int, figures: Figures, deciders: Deciders) -> Json:
    """The value of a customer's record in `segments`; `at` (ms) and `figures`: of the last change."""
    held = {name: here for name, here in customer.memberships.items() if here.segment}
    return {
        "customer_id": customer.id.decode(),
        "at": moment(at),
        "memberships": {name: _member(deciders, name, here.segment, here.since) for name, here in held.items()},
        "micro": [_member(deciders, "micro", active.segment, active.since * 1000) for active in customer.micro if active],
        "scores": _scores(figures),
        "last_changes": {
            name: {"at": moment(here.since), "previous": deciders.named(name, here.prior)[0] if here.prior else None}
            for name, here in held.items()
        },
        **deciders.signature,
    }


def _member(deciders: Deciders, segmentation: str, segment: int, since: int) -> Json | None:
    if segment == 0:
        return None
    key, name = deciders.named(segmentation, segment)
    return {"segment": key, "name": name, "since": moment(since)}


def _scores(figures: Figures) -> dict[str, Printed | None]:
    return {name: _printed(figures[name]) for name in _SCORES}


def _printed(number: float | None) -> Printed | None:
    return None if number is None else Printed(number)


assert {"primary", "behaviour", "affinity", *RULED} == set(SEGMENTATIONS)
