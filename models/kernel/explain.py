"""Evidence for memberships that moved: which features decided."""

from __future__ import annotations

import numpy as np

from models.features import COUNT, HABITS, INDEX
from models.kernel.decide import AFFINITY, BEHAVIOUR, PRIMARY
from models.kernel.features import transform, transform_one
from models.kernel.jit import compiled, flat
from models.kernel.score import CHURN, PURCHASE, VALUE
from models.kernel.tables import F8, I4, I8, Changes, Int, Model, Rules, Scratch

_COUNT = COUNT
_HABITS = np.array(HABITS)
_TOP_CATEGORY = INDEX["top_category_share"]
_SPEND, _ORDERS, _PACE = INDEX["spend_total"], INDEX["orders"], INDEX["orders_per_month"]
_MOST = 9.99
_OF_CHURN, _OF_PURCHASE = 1, 2


@flat
def _odd(x: float, median: float, spread: float) -> float:
    """How far from usual, in spreads, between -9.99 and 9.99; 0 while nobody knows what is usual."""
    if not (median == median and spread > 0.0):
        return 0.0
    return min(_MOST, max(-_MOST, (x - median) / spread))


@flat
def _logit_terms(weights: F8, mean: F8, y: F8, effects: F8, named: F8) -> None:
    """What each feature adds to a logit, for those that no rule names."""
    for j in range(_COUNT):
        if named[j] == 0.0:
            effects[j] += weights[j] * (y[j] - mean[j])


@flat
def _name(features: I4, q: Int, model: Model, x: F8, median: F8, spread: F8, effects: F8, named: F8) -> int:
    """Marks the features that a rule names (`named`), with how odd they are; gives _OF_CHURN, _OF_PURCHASE, both or neither."""
    models = 0
    for k in range(features.shape[1]):
        v = features[q, k]
        if v < 0:
            break
        if v < _COUNT:
            effects[v] = _odd(x[v], median[v], spread[v])
            named[v] = 1.0
        elif v == CHURN and model.ready[0]:
            models |= _OF_CHURN
        elif v == PURCHASE and model.ready[1]:
            models |= _OF_PURCHASE
        elif v == VALUE and model.ready[1] and model.ready[3]:
            for j in (_SPEND, _ORDERS, _PACE):
                effects[j] = _odd(x[j], median[j], spread[j])
                named[j] = 1.0
    return models


@flat
def _line_of(rules: Rules, s: Int, segment: Int) -> int:
    for q in range(rules.ranges[s], rules.ranges[s + 1]):
        if rules.rules[q, 1] == segment:
            return q
    return -1


@compiled
def explain(
    changes: Changes, rules: Rules, rule_features: I4, model: Model, means: F8, median: F8, spread: F8,
    scratch: Scratch, reasons: I8, effects: F8,
) -> None:  # fmt: skip
    """For each change: reasons [n, 5] feature indices, strongest first (-1: no more), and their signed effects [n, 5].

    What a rule names comes first. An effect is, for a feature that a rule names, how many spreads it is from usual; for the
    others the term of the logit of a score that it names; for a kind, what it adds to the difference of two squared distances.
    """
    y, weight, named, places = scratch.y, scratch.weight, scratch.named, scratch.places
    for i in range(changes.used[0]):
        what, x = changes.what[i], changes.figures[i, 1:]
        s, previous, current = what[2], what[3], what[4]
        weight[:] = 0.0
        named[:] = 0.0
        if s == PRIMARY and 0 < current <= rules.priority.shape[0]:
            s, current, previous = np.int64(rules.priority[current - 1, 0]), what[8], 0
        if s == BEHAVIOUR:
            here, there = -1, -1
            for c in range(model.cluster.shape[0]):
                if model.cluster[c] == current:
                    here = c
                if model.cluster[c] == previous:
                    there = c
            if here >= 0:
                for h in range(_HABITS.shape[0]):
                    transform_one(_HABITS[h], x, y, scratch.seen)
                    e = y[_HABITS[h]] - model.centres[h, here]
                    d = y[_HABITS[h]] - (model.centres[h, there] if there >= 0 else model.middle[h])
                    weight[_HABITS[h]] = model.habit_scale[h] * (d * d - e * e)
        elif s == AFFINITY:
            weight[_TOP_CATEGORY] = 1.0
            named[_TOP_CATEGORY] = 1.0
        else:
            q = _line_of(rules, s, current if current != 0 else previous)
            models = 0
            if q >= 0 and rule_features[q, 0] >= 0:
                models = _name(rule_features, q, model, x, median, spread, weight, named)
            elif q >= 0:  # the segment of those whom no other rule wants: what the others look at
                for other in range(rules.ranges[s], rules.ranges[s + 1]):
                    models |= _name(rule_features, other, model, x, median, spread, weight, named)
            if models:
                transform(x, y, scratch.seen)
            if models & _OF_CHURN:
                _logit_terms(model.churn, means[0], y, weight, named)
            if models & _OF_PURCHASE:
                _logit_terms(model.purchase, means[1], y, weight, named)
        n = 0
        for j in range(_COUNT):
            if named[j] == 1.0 or weight[j] != 0.0:
                places[n] = j
                n += 1
        for k in range(5):
            best = -1
            for p in range(n):
                j = places[p]
                if (named[j] == 1.0 or weight[j] != 0.0) and (
                    best < 0 or named[j] > named[best] or (named[j] == named[best] and abs(weight[j]) > abs(weight[best]))
                ):
                    best = j
            reasons[i, k] = best
            effects[i, k] = weight[best] if best >= 0 else 0.0
            if best >= 0:
                weight[best] = 0.0
                named[best] = 0.0
