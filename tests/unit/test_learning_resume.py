"""A learner resumed from its state goes on exactly as one that never stopped, whatever Python's hash seed."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.errors import SequenceError, SnapshotError
from models.learning.learner import Learner
from tests.unit.learning_samples import CONFIG, at, batches, learn, progress

EPOCHS = 60


def test_resuming_at_any_epoch_gives_the_same_bytes() -> None:
    days = batches(EPOCHS)
    whole = learn(Learner(CONFIG), days)
    assert b'"purchase":{"hash"' in whole[30].manifest
    assert b'"behaviour":{"hash"' in whole[30].manifest
    for stop in range(EPOCHS - 1):
        resumed = Learner(CONFIG, whole[stop].state)
        assert resumed.epoch(at(stop + 1), days[stop + 1], progress(stop + 1)) == whole[stop + 1]
    assert learn(Learner(CONFIG, whole[25].state), days, 26) == whole[26:]


def test_the_hash_seed_changes_nothing() -> None:
    root = Path(__file__).parents[2]
    code = "from tests.unit.test_learning_resume import digest; print(digest())"
    digests = {digest()}
    for seed in ("0", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
        run = subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True, check=True)
        digests.add(run.stdout.strip())
    assert len(digests) == 1


def digest() -> str:
    """Of all that a learner says over some weeks."""
    outcomes = learn(Learner(CONFIG), batches(40))
    return hashlib.sha256(b"".join(o.manifest + o.state for o in outcomes)).hexdigest()


def test_the_state_stays_small() -> None:
    outcomes = learn(Learner(CONFIG), batches(EPOCHS))
    assert max(len(outcome.state) for outcome in outcomes) < 110_000
    assert len(outcomes[-1].state) < 1.2 * len(outcomes[EPOCHS // 2].state)


def test_an_epoch_comes_once_and_in_order() -> None:
    days = batches(3)
    learner = Learner(CONFIG)
    learner.epoch(at(1), days[1], progress(1))
    with pytest.raises(SequenceError, match="in order"):
        learner.epoch(at(1), days[1], progress(1))
    with pytest.raises(SequenceError, match="in order"):
        learner.epoch(at(0), days[0], progress(0))


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        (b'"layout":1', b'"layout":9', "layout: 9"),
        (b'"partitions":2', b'"partitions":3', "partitions: learnt from 3"),
        (b'"features":"', b'"features":"0', "another --prefix"),
        (b'"one_in":1', b'"one_in":"many"', "not readable"),
    ],
)
def test_a_state_that_cannot_be_gone_on_from_is_refused(before: bytes, after: bytes, fault: str) -> None:
    state = learn(Learner(CONFIG), batches(2))[-1].state
    assert before in state
    with pytest.raises(SnapshotError, match=fault):
        Learner(CONFIG, state.replace(before, after, 1))
