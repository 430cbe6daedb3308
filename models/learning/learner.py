"""The learner: an epoch of samples in; tested, judged, learnt; a manifest, new snapshots and its own state out.

Memory: the state (some 100 KB) and one epoch's batch (at most about 20,000 samples of COUNT numbers).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.errors import SequenceError
from models.learning.batch import Batch
from models.learning.config import LearnerConfig
from models.learning.rate import next_rate
from models.learning.state import State, decode_state, empty_state, encode_state, score
from models.learning.step import Step
from models.snapshot import Approval, Candidate, Manifest, Score, Snapshot, Tally, content_hash, encode


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the input stands at the end of the epoch, by partition of `samples`.

    `customers`: known in all of them; `offsets`: next to be read; `marks`: last epoch marked (-1: none); `absent`: gone on
    without; `requests`: next offset of `models`; `approvals`: people's words that take effect now, with their snapshots.
    """

    customers: int
    offsets: Sequence[int]
    marks: Sequence[int]
    absent: Sequence[int] = ()
    requests: int = 0
    approvals: Sequence[tuple[Approval, Snapshot]] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an epoch gives to publish, in one transaction: new snapshots by hash, the learner's state, the manifest.

    `tallies`: the champions' tests of this epoch, by family; `notes`: what a person may want to know, in words.
    """

    epoch: int
    manifest: bytes
    snapshots: tuple[tuple[str, bytes], ...]
    state: bytes
    tallies: Mapping[str, Tally]
    notes: tuple[str, ...]


class Learner:
    """Holds the state from one epoch to the next. `state`: bytes to resume from, None to begin."""

    def __init__(self, config: LearnerConfig, state: bytes | None = None) -> None:
        self.config = config
        self.state = empty_state(config.partitions) if state is None else decode_state(state, config.partitions)

    def epoch(self, epoch: int, batch: Batch, progress: Progress) -> Outcome:
        """Tests, judges, learns. `epoch` ms. Raises SequenceError if it is not after the last one."""
        if epoch <= self.state.epoch:
            raise SequenceError(f"epoch {epoch} came after epoch {self.state.epoch} was learnt; it must come once, in order")
        step = Step(self.config, self.state, epoch)
        step.test(batch)
        step.judge()
        step.approve(progress.approvals)
        step.learn(batch)
        step.freeze()
        outcome, self.state = _finish(self.state, step, batch, progress)
        return outcome

    def scores(self) -> dict[str, Score]:
        """The champions' test scores over the last weeks, by family."""
        return {family: score(window) for family, window in self.state.windows.items()}


def _finish(before: State, step: Step, batch: Batch, progress: Progress) -> tuple[Outcome, State]:
    """The state and what is to be published."""
    one_in = next_rate(before.one_in, progress.customers, step.config)
    state = State(
        layout=before.layout,
        features=before.features,
        partitions=before.partitions,
        epoch=step.at,
        offsets=list(progress.offsets),
        marks=list(progress.marks),
        requests=progress.requests,
        one_in=one_in,
        versions=step.versions,
        champions=step.champions,
        classifiers=step.classifiers,
        churn=step.contests["churn"],
        purchase=step.contests["purchase"],
        kinds=step.kinds,
        behaviour=step.behaviour,
        summary=step.summary,
        worth=step.worth,
        worth_challenger=step.worth_challenger,
        value=step.value,
        usual=step.usual,
        windows=step.windows,
    )
    data = encode_state(state)
    manifest = Manifest(
        epoch=step.at,
        champions=step.champions,
        one_in=one_in,
        offsets=list(progress.offsets),
        absent=sorted(progress.absent),
        learner=content_hash(data),
        tests={family: step.score(family) for family in step.windows},
        tallies=step.tallies,
        candidates=_candidates(step),
        rejected=batch.rejected,
        notes=step.notes,
    )
    return Outcome(step.at, encode(manifest), tuple(step.snapshots), data, step.tallies, tuple(step.notes)), state


def _candidates(step: Step) -> dict[str, Candidate]:
    """Who is being tested or waits."""
    found = {}
    for family, now, tested in (
        ("churn", step.contests["churn"], step.contests["churn"].tests.n),
        ("purchase", step.contests["purchase"], step.contests["purchase"].tests.n),
        ("behaviour", step.behaviour, step.behaviour.n),
    ):
        seat = now.challenger
        if seat is not None:
            verdict = "just frozen" if seat.snapshot.created == step.at else step.verdicts[family].reason
            found[family] = Candidate(seat.hash, seat.snapshot.version, seat.snapshot.created, tested, now.ready, verdict)
    return found
