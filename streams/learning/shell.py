"""The learner's process: read samples, hand epochs to the core, publish what it says in one transaction.

The transactional id is the lock: opening it fences the learner before, and whoever comes later fences this one. The last
committed manifest is the whole truth, so the process may end at any moment.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

from models.errors import SnapshotError
from models.learning.batch import gather
from models.learning.config import LearnerConfig
from models.learning.learner import Learner, Outcome, Progress
from models.snapshot import Approval, Score, Snapshot
from streams.broker.protocol import TP, Broker, Reader, Writer
from streams.clock import Clock
from streams.contracts.keys import LEARNER, manifest_key, snapshot_key
from streams.errors import Aborted, BrokerError, Fenced, TopicError
from streams.learning.drift import DriftWatch
from streams.learning.gathering import Epoch, Gathering
from streams.learning.keys import is_approval
from streams.learning.past import Past, Word, approved, read_past
from streams.metrics import Metrics
from streams.settings import Settings

_LOG = logging.getLogger("shoal.learner")
_AT_A_TIME = 5_000
_POLL_S = 0.1
_TRIES = 5


def config_of(settings: Settings, partitions: int) -> LearnerConfig:
    """What the settings say to the core."""
    return LearnerConfig(
        partitions=partitions,
        period_ms=settings.period_ms,
        horizon_days=settings.horizon_days,
        sample_every_days=settings.sample_every_days,
        promotion=settings.promotion,
    )


def run_learner(
    settings: Settings, broker: Broker, clock: Clock, stop: Callable[[], bool], metrics: Metrics | None = None
) -> None:
    """Learns until `stop` says so; what was begun is published first. Raises Fenced when another learner has come.

    Also SequenceError (samples that do not add up), SnapshotError (a state it cannot go on from), BrokerError, TopicError.
    """
    writer = broker.writer(f"{settings.prefix}learner")
    try:
        reader = broker.reader("learner")
        try:
            _Shell(settings, broker, clock, writer, reader, metrics).run(stop)
        finally:
            reader.close()
    except Fenced as fenced:
        raise Fenced(
            f"another learner has taken over ({fenced}); there is one for a --prefix. This one ends; what it had not "
            "published, the other learns again"
        ) from fenced
    finally:
        writer.close()


class _Shell:
    """What the process holds from one epoch to the next."""

    def __init__(
        self, settings: Settings, broker: Broker, clock: Clock, writer: Writer, reader: Reader, metrics: Metrics | None
    ) -> None:
        self.settings, self.broker, self.clock = settings, broker, clock
        self.writer, self.reader, self.metrics = writer, reader, metrics
        self.samples, self.models = settings.topic("samples"), TP(settings.topic("models"), 0)
        partitions = reader.partitions(self.samples)
        if reader.partitions(self.models.topic) != 1:
            raise TopicError(f"topic {self.models.topic} must have one partition: make it anew with `shoal topics create`")
        past = read_past(broker, self.models, clock)
        self.learner = Learner(config_of(settings, partitions), past.state)
        state = self.learner.state
        self.gathering = Gathering(state.offsets, state.marks, state.epoch)
        self.words = deque(word for word in past.words if word.offset >= state.requests)
        self.tail = past.end
        self.held: set[int] = set()
        self.since: float | None = None
        self.late = 0
        self.drift = DriftWatch()
        self._skip_what_is_gone()
        self._assign()
        self._show()
        _say_start(past, partitions)

    def run(self, stop: Callable[[], bool]) -> None:
        """One epoch after the other."""
        while not stop():
            for message in self.reader.poll(_AT_A_TIME, _POLL_S):
                if message.topic() == self.samples:
                    self.gathering.feed(message.partition(), message.offset(), message.value())
                elif is_approval(message.key()):
                    self.words.append(Word(message.offset(), message.value() or b""))
                    self.tail = message.offset() + 1
            if self.gathering.late > self.late:
                _LOG.warning(
                    "%d samples came after their epoch had been learnt without them; they are left out",
                    self.gathering.late - self.late,
                )
                self.late = self.gathering.late
            while (epoch := self._due()) is not None:
                self._learn(epoch)
                if stop():
                    return
            self._hold_back()

    def _due(self) -> Epoch | None:
        """The next epoch, when it is complete, or when under `wall` a stuck partition has been waited for long enough."""
        epoch = self.gathering.take()
        if epoch is not None or not self.gathering.waiting():
            self.since = None
            return epoch
        now = self.clock.monotonic()
        self.since = now if self.since is None else self.since
        if self.settings.clock == "wall" and now - self.since >= self.settings.learner_deadline_ms / 1000:
            missing = self.gathering.missing()
            _LOG.warning(
                "going on without partitions %s of %s: no mark for %d ms. Is their worker alive?",
                missing, self.samples, self.settings.learner_deadline_ms,
            )  # fmt: skip
            self.since = None
            return self.gathering.take(without=missing)
        return None

    def _learn(self, epoch: Epoch) -> None:
        began = self.clock.monotonic()
        approvals, requests = self._approvals()
        batch = gather(epoch.records)
        progress = Progress(epoch.customers, epoch.offsets, epoch.marks, epoch.absent, requests, approvals)
        outcome = self.learner.epoch(epoch.epoch, batch, progress)
        self._publish(outcome)
        if self.metrics is not None:
            self.metrics.learner_epoch_seconds.observe(self.clock.monotonic() - began)
            self.metrics.learner_samples.inc(len(batch))
            self.metrics.learner_samples_rejected.inc(batch.rejected)
        for family in self.drift.update(outcome.tallies):
            _LOG.warning("epoch %d: drift: the losses of %s have risen to another level", epoch.epoch, family)
        self._show()
        for note in outcome.notes:
            _LOG.info("epoch %d: %s", epoch.epoch, note)
        if batch.rejected:
            _LOG.warning("epoch %d: %d samples refused: not finite, or malformed", epoch.epoch, batch.rejected)

    def _approvals(self) -> tuple[list[tuple[Approval, Snapshot]], int]:
        """People's words since the last epoch, and the offset behind the last of them."""
        found, requests = [], self.learner.state.requests
        while self.words:
            word = self.words.popleft()
            requests = word.offset + 1
            try:
                found.append(approved(self.broker, self.models, self.clock, word))
            except SnapshotError as error:
                _LOG.error("%s. The present champion stays", error)
        return found, requests

    def _publish(self, outcome: Outcome) -> None:
        """Snapshots, state and manifest, all or nothing; again when the transaction was aborted."""
        for attempt in range(1, _TRIES + 1):
            try:
                self.writer.begin()
                for content_hash, data in outcome.snapshots:
                    self.writer.produce(self.models.topic, 0, snapshot_key(content_hash), data)
                self.writer.produce(self.models.topic, 0, LEARNER, outcome.state)
                self.writer.produce(self.models.topic, 0, manifest_key(outcome.epoch), outcome.manifest)
                self.writer.commit()
            except Aborted as aborted:
                if attempt == _TRIES:
                    raise BrokerError(f"epoch {outcome.epoch} could not be published in {_TRIES} tries: {aborted}") from aborted
                _LOG.warning("epoch %d: publishing was aborted, trying again: %s", outcome.epoch, aborted)
                self.writer.abort()
            else:
                return

    def _assign(self) -> None:
        offsets = {TP(self.samples, i): p.position or -2 for i, p in enumerate(self.gathering.partitions) if i not in self.held}
        self.reader.assign({**offsets, self.models: self.tail})

    def _hold_back(self) -> None:
        """Partitions far ahead are left out of the assignment, so that memory stays bounded while others catch up."""
        crowded = self.gathering.crowded()
        if crowded != self.held:
            self.held = crowded
            self._assign()

    def _skip_what_is_gone(self) -> None:
        """Samples are kept for days: after a longer absence what is left of the oldest epoch is no whole one."""
        for i, p in enumerate(self.gathering.partitions):
            low, _ = self.reader.watermarks(TP(self.samples, i))
            if low > p.position:
                _LOG.warning(
                    "samples partition %d: offsets %d to %d are gone (retention); learning goes on behind the next mark",
                    i, p.position, low - 1,
                )  # fmt: skip
                p.position = p.taken = low
                p.lost = True

    def _show(self) -> None:
        metrics, state = self.metrics, self.learner.state
        if metrics is None:
            return
        for family, champion in state.champions.items():
            metrics.model_version.labels(family).set(champion.version)
        for tested, score in self.learner.scores().items():
            for name, figure in _figures(score):
                metrics.model_score.labels(tested, name).set(figure)
        for watched, alarm in self.drift.standing().items():
            metrics.model_drift.labels(watched).set(alarm)


def _figures(score: Score) -> list[tuple[str, float]]:
    named = (
        ("auc", score.auc), ("log_loss", score.log_loss), ("brier", score.brier), ("ece", score.ece),
        ("inertia", score.inertia), ("ratio", score.ratio),
    )  # fmt: skip
    return [(name, figure) for name, figure in named if figure is not None]


def _say_start(past: Past, partitions: int) -> None:
    if past.manifest is None:
        _LOG.info("learning from the beginning, %d partitions of samples", partitions)
    else:
        _LOG.info("going on after epoch %d, %d partitions of samples", past.manifest.epoch, partitions)
