"""Runs one schedule: whole workers on the in-memory cluster, every interleaving and every fault drawn from its seed."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from models.errors import ShoalError
from streams.broker.memory import Step
from streams.errors import Aborted, BrokerError, Unknown
from streams.scoring.worker import Worker
from streams.settings import Settings
from tests.chaos.twin import Killed, Twin, synthetic_models
from tests.simulation.plan import PARTITIONS, Plan, in_transactions, line_of

MOST_TURNS = 10_000
_QUIET = ("close", "expire", "marker", "open")
_IN_COMMIT = 10
"""A commit is rare and delicate: it is hit so many times as often."""
_MOST_WORKERS = 4


def settings(plan: Plan) -> Settings:
    """Of the workers."""
    return Settings(
        prefix="shoal.", clock="ticks", partitions=PARTITIONS, horizon_days=2, sample_every_days=1, batch=plan.batch,
        sweep_cap=plan.sweep_cap,
    )  # fmt: skip


@dataclass
class World:
    """One schedule under way. `hits`: what struck. `zombies`: workers whose place another has taken, and who do not know yet."""

    plan: Plan
    rng: Random = field(init=False)
    twin: Twin = field(init=False)
    hits: Counter[str] = field(default_factory=Counter)
    zombies: list[Worker] = field(default_factory=list)
    calm: bool = True
    _unsaid: list[tuple[bytes, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = Random(self.plan.seed)
        line = line_of(self.plan.line)
        said = synthetic_models(line.epochs, PARTITIONS)
        if "late model" in self.plan.rates:
            said, self._unsaid = [], said
        self.twin = Twin(
            settings(self.plan), line, seed=self.plan.seed, stride_s=self.plan.stride_s,
            in_transactions=in_transactions(self.plan.line), models=said, fault=self._strike,
        )  # fmt: skip

    def run(self) -> None:
        """From the first record to the last; then calm comes, and every partition is somebody's. Raises what a worker raises."""
        twin = self.twin
        for slot in range(self.plan.workers):
            twin.start(slot)
        self.calm = False
        twin.cluster.hold_markers("late marker" in self.plan.rates)
        while not twin.done():
            if twin.turns < self.plan.storm:
                self._between()
            elif not self.calm:
                self._calm_down()
            twin.turn()
            if twin.turns > MOST_TURNS:
                raise ShoalError(f"no end after {twin.turns} turns; not committed yet: {twin.lag()}")
        self._calm_down()
        while not self._settled():
            twin.turn()
            if twin.turns > MOST_TURNS + 1_000:
                raise ShoalError("partitions stay without a worker that runs them")

    def _calm_down(self) -> None:
        """Nothing strikes any more: what was held comes, and zombies end."""
        self.calm = True
        cluster = self.twin.cluster
        cluster.hold_markers(False)
        for name, target in list(cluster.under_way()):
            cluster.deliver(name, target)
        for zombie in self.zombies:
            self._end(zombie)
        self.zombies.clear()
        for record in self._unsaid:
            cluster.append(self.twin.settings.topic("models"), 0, *record)
        self._unsaid.clear()

    def _settled(self) -> bool:
        running = [number for worker in self.twin.workers.values() for number, slot in worker.slots.items() if slot.running]
        return sorted(running) == list(range(PARTITIONS))

    # -- at a step

    def _strike(self, step: Step) -> None:
        """Perhaps raises what the step would raise."""
        if self.calm or "worker-" not in step.who or step.who.endswith(("-models", "-restore")) or step.operation in _QUIET:
            return
        if step.operation == "end":
            if step.subject == "commit":
                self._at_commit(step)
            return
        if self._drawn("kill"):
            raise Killed
        if step.operation in ("produce", "send_offsets") and not step.after and self._drawn("abort"):
            raise Aborted("injected")
        if not step.after and self._drawn("expire"):
            with suppress(BrokerError):  # it is in no group now
                self.twin.cluster.expire(step.who)

    def _at_commit(self, step: Step) -> None:
        if step.after:
            if self._drawn("reply lost", _IN_COMMIT):
                raise Unknown("the reply to a commit was lost")
        elif self._drawn("request lost", _IN_COMMIT):
            raise Unknown("the request to commit was lost")
        elif self._drawn("abort in commit", _IN_COMMIT):
            raise Aborted("injected")
        if self._drawn("kill in commit", _IN_COMMIT):
            raise Killed

    def _drawn(self, fault: str, weight: int = 1) -> bool:
        rate = self.plan.rates.get(fault, 0.0)
        struck = rate > 0.0 and self.rng.random() < weight * rate
        self.hits[fault] += struck
        return struck

    # -- between two turns

    def _between(self) -> None:
        """Whatever happens around the workers."""
        twin, workers = self.twin, self.twin.workers
        if self._unsaid and self.rng.random() < 0.2:
            twin.cluster.append(twin.settings.topic("models"), 0, *self._unsaid.pop(0))
            self.hits["late model"] += 1
        under_way = twin.cluster.under_way()
        if under_way and self.rng.random() < 0.3:
            twin.cluster.deliver(*self.rng.choice(sorted(under_way)))
            self.hits["late marker"] += 1
        if self._drawn("zombie"):
            slot = self.rng.choice(sorted(workers))
            self.zombies.append(workers[slot])
            self._started(slot)
        if self.zombies and self.rng.random() < 0.3:
            self._step_zombie(self.rng.choice(self.zombies))
        if len(workers) < _MOST_WORKERS and self._drawn("join"):
            self._started(max(workers) + 1)
        if len(workers) > 1 and self._drawn("leave"):
            slot = self.rng.choice(sorted(workers))
            leaving = workers.pop(slot)
            try:
                leaving.close()
            except (Killed, ShoalError):  # struck while it left: as if it had been killed
                self._end(leaving)
        if self._drawn("time out"):
            slot = self.rng.choice(sorted(workers))
            twin.cluster.expire_transaction(f"{twin.settings.prefix}worker-{slot}")
        if self._drawn("clean"):
            twin.cluster.compact(twin.settings.topic("state"), self.rng.randrange(PARTITIONS), self.rng.random() < 0.5)

    def _started(self, slot: int) -> None:
        try:
            self.twin.start(slot)
        except Killed:
            self.twin.restart(slot)

    def _step_zombie(self, zombie: Worker) -> None:
        """It goes on until it hears that another has its place."""
        try:
            zombie.step()
        except (Killed, ShoalError):
            self.zombies.remove(zombie)
            self._end(zombie)

    def _end(self, worker: Worker) -> None:
        """Its process is gone, and its session over."""
        connection = worker.connection
        connection.crash()  # type: ignore[attr-defined]  # the twin's
        with suppress(BrokerError):
            connection.expel()  # type: ignore[attr-defined]
