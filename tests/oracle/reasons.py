"""Why a membership moved: the features that decided, at most five, with their effects.

The documents are silent here, and the rule was read from `models/kernel/explain.py`:

- What the rule's `when` names comes first, then what a model adds; in either part by the size of the effect, of equals in the
  order of the catalogue. What was not named and has no effect is no reason.
- A named feature's effect: spreads from the usual customer, at most 9.99 either way, 0 while nobody knows what is usual.
- A rule that names churn or purchase adds that model's terms of the logit, once, to the effects of the features that no rule
  names; a rule that names value_365d names spend_total, orders and orders_per_month, if there is a value to name.
- The reasons of a segment whose `when` names nothing (`always`) are those of all rules of its segmentation, one after another.
- The end of a micro-segment is explained by its `when`; one that the definitions no longer know has no reasons.
- A kind: scale x (squared distance to the present kind less that to the new one), for each habit; at the first, and for one
  that is gone, to the middle of all kinds. A favourite: top_category_share, 1.
"""

from __future__ import annotations

from collections.abc import Mapping

from models.definitions.segments import Definitions
from tests.oracle.rules import named, rules_of
from tests.oracle.scores import HABITS, NAMES, Figures, Models

MOST = 5
FARTHEST = 9.99
OF_VALUE = ("spend_total", "orders", "orders_per_month")

Evidence = tuple[tuple[str, float], ...]
"""Features with their signed effects, strongest first."""


class Effects:
    """What is said of each feature so far."""

    def __init__(self, champions: Models, x: Figures, y: Mapping[str, float]) -> None:
        self.champions, self.x, self.y = champions, x, y
        self.size = dict.fromkeys(NAMES, 0.0)
        self.named: set[str] = set()
        self.models: set[str] = set()

    def name(self, feature: str) -> None:
        self.size[feature] = self._odd(feature)
        self.named.add(feature)

    def _odd(self, feature: str) -> float:
        value, median, spread = self.x[feature], self.champions.median.get(feature), self.champions.spread.get(feature)
        if value is None or median is None or spread is None or spread <= 0.0:
            return 0.0
        return min(FARTHEST, max(-FARTHEST, (value - median) / spread))

    def rule(self, when: str) -> None:
        for name in named(when):
            if name in self.size:
                self.name(name)
            elif name in ("churn", "purchase"):
                self.models.add(name)
            elif name == "value_365d" and self.champions.value and self.champions.purchase:
                for feature in OF_VALUE:
                    self.name(feature)

    def add_terms(self) -> None:
        for name, model in (("churn", self.champions.churn), ("purchase", self.champions.purchase)):
            for feature, term in model.terms(self.y).items() if model and name in self.models else ():
                if feature not in self.named:
                    self.size[feature] += term

    def strongest(self) -> Evidence:
        said = [name for name in NAMES if name in self.named or self.size[name] != 0.0]
        said.sort(key=lambda name: (name not in self.named, -abs(self.size[name])))
        return tuple((name, self.size[name]) for name in said[:MOST])


def evidence(
    definitions: Definitions,
    champions: Models,
    x: Figures,
    y: Mapping[str, float],
    segmentation: str,
    previous: int,
    current: int,
) -> Evidence:
    """The reasons for a move from `previous` to `current` (0: none), given features and scores x, transformed features y."""
    effects = Effects(champions, x, y)
    if segmentation == "behaviour":
        _kind(effects, y, previous, current)
    elif segmentation == "affinity":
        effects.size["top_category_share"] = 1.0
        effects.named.add("top_category_share")
    else:
        rules = rules_of(definitions, segmentation)
        own = [rule.when for rule in rules if rule.segment == (current or previous)]
        for when in own if not own or named(own[0]) else [rule.when for rule in rules]:
            effects.rule(when)
        effects.add_terms()
    return effects.strongest()


def _kind(effects: Effects, y: Mapping[str, float], previous: int, current: int) -> None:
    kinds = effects.champions.kinds
    if kinds is None or current not in kinds.centres:
        return
    here, there = kinds.centres[current], kinds.centres.get(previous, kinds.middle)
    for habit in HABITS:
        e, d = y[habit] - here[habit], y[habit] - there[habit]
        effects.size[habit] = kinds.weight[habit] * (d * d - e * e)
