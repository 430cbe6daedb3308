"""What an event costs in counts is what it was: one call more for each event, or one object kept of it, and this fails.

Where that was meant, `python -m tests.benchmarks.counts --renew` writes counts.json anew.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from streams.broker.protocol import Message
from streams.scoring import decode
from streams.scoring.changelog import row_key
from streams.scoring.decode import Decode, Decoded
from tests.benchmarks.counts import (
    PYTHON,
    RENEW,
    Case,
    Counts,
    Expected,
    count_calls,
    count_memory,
    differences,
    read_expected,
    verdict,
)
from tests.benchmarks.yardstick import ROOT

FEW = {
    "a customer's first event": Case("Product Viewed", 1, 1, a_round=200),
    "an event without a change": Case("Product Viewed", 1, 1, a_round=200),
}
SEEDS = ("1", "4294967295")


@pytest.fixture(scope="module")
def counted() -> list[dict[str, Counts]]:
    """What two processes count side by side, each with another PYTHONHASHSEED."""
    command = [sys.executable, "-m", "tests.benchmarks.counts", "--print"]
    running = [
        subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, stdout=subprocess.PIPE) for seed in SEEDS
    ]
    said = [one.communicate()[0] for one in running]
    assert [one.returncode for one in running] == [0, 0]
    return [msgspec.json.decode(one, type=dict[str, Counts]) for one in said]


@pytest.fixture(scope="module")
def few() -> dict[str, Counts]:
    """The calls of a few rounds, counted here."""
    return count_calls(FEW)


def test_an_event_costs_what_it_did(counted: list[dict[str, Counts]]) -> None:
    expected = read_expected()
    if expected.python != PYTHON:
        pytest.skip(f"counts.json is of Python {expected.python}, whose calls are counted otherwise than those of {PYTHON}")
    assert verdict(expected, counted[0]) == ""


def test_counts_are_the_same_again_and_under_any_hash_seed(counted: list[dict[str, Counts]]) -> None:
    assert counted[0] == counted[1]


def test_the_cases_are_what_their_names_say(counted: list[dict[str, Counts]]) -> None:
    of = counted[0]
    assert of["an event without a change"].changes == 0
    assert of["an event with changes"].changes > 1
    assert of["a customer's first event"].changes > 1
    assert 0 < of["a customer in a sweep"].changes < 1
    places = {place for counts in of.values() for place in counts.where}
    assert places
    assert not [place for place in places if not place.startswith(("models/", "streams/")) or "/memory" in place]


def test_a_needless_python_call_for_each_event_is_told(few: dict[str, Counts]) -> None:
    def run(self: Decode, messages: Sequence[Message]) -> Decoded:
        for message in messages:
            row_key(message.key() or b"")
        return decoded(self, messages)

    decoded = Decode.run
    with patch.object(Decode, "run", run):
        first, then = differences(few, count_calls(FEW))
    was = few["an event without a change"].python_calls
    assert first.startswith("a customer's first event: calls of Python functions grew from ")
    assert then.startswith(f"an event without a change: calls of Python functions grew from {was:g} to {was + 1:g} (+")
    assert then.endswith("; of all calls most in streams/scoring/changelog.py: row_key, +1.000")


def test_a_needless_call_into_c_for_each_event_is_told(few: dict[str, Counts]) -> None:
    # As if it stood in decode.py, for those alone count that Shoal's own code makes.
    source = "def run(self, messages):\n    for message in messages: hex(0)\n    return decoded(self, messages)"
    names: dict[str, Any] = {"decoded": Decode.run}
    exec(compile(source, decode.__file__, "exec"), names)
    with patch.object(Decode, "run", names["run"]):
        told = differences(few, count_calls(FEW))
    was = few["an event without a change"].c_calls
    assert told[-1].startswith(
        f"an event without a change: calls into C, libraries and the broker grew from {was:g} to {was + 1:g} (+"
    )


def test_an_object_kept_of_each_event_is_told(few: dict[str, Counts]) -> None:
    def run(self: Decode, messages: Sequence[Message]) -> Decoded:
        hoard.extend(messages)
        return decoded(self, messages)

    decoded, hoard = Decode.run, list[Message]()
    with patch.object(Decode, "run", run):
        memory = count_memory(FEW)
    found = {name: msgspec.structs.replace(counts, blocks_kept=memory[name]) for name, counts in few.items()}
    assert [sentence.partition(" to ")[0] for sentence in differences(few, found)] == [
        f"{name}: blocks of memory kept after the commit grew from 0" for name in FEW
    ]


def test_the_verdict_says_what_to_do(few: dict[str, Counts]) -> None:
    fewer = {name: msgspec.structs.replace(counts, c_calls=counts.c_calls * 1.04) for name, counts in few.items()}
    assert verdict(Expected(PYTHON, fewer), few) == ""
    halved = {name: msgspec.structs.replace(counts, c_calls=counts.c_calls * 2) for name, counts in few.items()}
    said = verdict(Expected(PYTHON, halved), few)
    assert "(-50 %)" in said
    assert said.endswith(RENEW)
    assert "counted in one of the two only" in verdict(Expected(PYTHON, {}), few)
