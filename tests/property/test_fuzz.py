"""A little of `make fuzz`: broken bytes are refused with a sentence, or mean one thing."""

from __future__ import annotations

import pytest

from tests.fuzz.run import fuzz
from tests.fuzz.targets import TARGETS, Target


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_broken_input_is_refused_or_means_one_thing(target: Target) -> None:
    tried, taken, longest = fuzz(target, round(20_000 * target.share), 7)
    assert tried > taken > 0
    assert longest < 10
