"""The variables that a rule may name: every feature of the catalogue, then the scores of the models."""

from __future__ import annotations

from typing import Final

from models.features import COUNT, NAMES

SCORES: Final = (
    "churn", "purchase", "value_365d", "churn_threshold", "purchase_threshold", "value_mid", "value_high",
)  # fmt: skip
"""Not a number until a champion exists, so that comparisons with them are false; `known(churn)` tells."""

VARIABLES: Final = NAMES + SCORES
INDEX: Final[dict[str, int]] = {name: i for i, name in enumerate(VARIABLES)}

assert len(INDEX) == COUNT + len(SCORES), "a score bears the name of a feature"
assert len(VARIABLES) <= 127, "an instruction holds a variable in seven bits"
