"""Runs one schedule: whole workers on the in-memory cluster, every interleaving and every fault drawn from its seed."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from models.errors import ShoalError
from streams.broker.memory import Step
from streams.broker.protocol import TP
from streams.errors import Aborted, BrokerError, Unknown
from streams.scoring.changelog import CURSOR_KEY
from streams.scoring.digest import entries_of
from streams.scoring.worker import Worker
from streams.settings import Settings, load_settings
from tests.chaos.twin import Killed, Twin, synthetic_models
from tests.simulation.plan import PARTITIONS, Plan, in_transactions, line_of

MOST_TURNS = 10_000
_QUIET = ("close", "expire", "marker", "open")
_IN_COMMIT = 10
"""A commit is rare and delicate: it is hit so many times as often."""
_MOST_WORKERS = 4


def settings(plan: Plan) -> Settings:
    """Of the workers."""
    return load_settings(
        prefix="shoal.", clock="ticks", partitions=PARTITIONS, horizon_days=2, sample_every_days=1, batch=plan.batch,
        sweep_cap=plan.sweep_cap,
    )  # fmt: skip


@dataclass
class World:
    """One schedule under way. `hits`: what struck. `wrong`: what was seen to be so on the way.

    zombies: workers whose place another has taken, and who do not know yet.
    """

    plan: Plan
    rng: Random = field(init=False)
    twin: Twin = field(init=False)
    hits: Counter[str] = field(default_factory=Counter)
    zombies: list[Worker] = field(default_factory=list)
    calm: bool = True
    wrong: list[str] = field(default_factory=list)
    _running: set[int] = field(default_factory=set)
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
        twin.cluster.misheard = lambda: self._drawn("misheard", _IN_COMMIT)
        twin.cluster.hold_markers("late marker" in self.plan.rates)
        while not twin.done():
            if twin.turns < self.plan.storm:
                self._between()
            elif not self.calm:
                self._calm_down()
            self._turn()
            if twin.turns > MOST_TURNS:
                raise ShoalError(f"no end after {twin.turns} turns; not committed yet: {twin.lag()}")
        self._calm_down()
        while not self._settled():
            self._turn()
            if twin.turns > MOST_TURNS + 1_000:
                raise ShoalError("partitions stay without a worker that runs them")

    def _turn(self) -> None:
        """One step of one worker. A partition that runs from then on must be what its changelog holds, once that is stable."""
        twin = self.twin
        twin.turn()
        running = [slot.partition for worker in twin.workers.values() for slot in worker.slots.values() if slot.running]
        for partition in running:
            changelog = TP(twin.settings.topic("state"), partition.number)
            if id(partition) in self._running or twin.cluster.stable_offset(changelog) < twin.cluster.watermarks(changelog)[1]:
                continue
            if entries_of([partition]) != self._changelog(changelog):
                self.wrong.append(f"restored: partition {partition.number} is not what its changelog holds (turn {twin.turns})")
        self._running = set(map(id, running))

    def _changelog(self, tp: TP) -> dict[bytes, bytes]:
        """Its live entries, without the cursor."""
        live: dict[bytes, bytes] = {}
        for message in self.twin.cluster.read_committed(*tp):
            key, value = message.key() or b"", message.value()
            if value is None:
                live.pop(key, None)
            elif key != CURSOR_KEY:
                live[key] = value
        return live

    def _calm_down(self) -> None:
        """Nothing strikes any more: what was held comes, zombies end, transactions of those who are gone time out."""
        self.calm = True
        cluster = self.twin.cluster
        cluster.misheard = None
        cluster.hold_markers(False)
        for name, target in list(cluster.under_way()):
            cluster.deliver(name, target)
        for zombie in self.zombies:
            self._end(zombie)
        self.zombies.clear()
        for slot in sorted(self.twin.slots - self.twin.workers.keys()):
            self.twin.time_out(slot)
        for record in self._unsaid:
            cluster.append(self.twin.settings.topic("models"), 0, *record)
        self._unsaid.clear()

    def _settled(self) -> bool:
        """Whether each partition is run by the worker that has it; one that was expelled may not have heard of it yet."""
        connections = [worker.connection for worker in self.twin.workers.values()]
        if not all(connection.is_current for connection in connections):  # type: ignore[attr-defined]  # the twin's
            return False
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
            twin.time_out(self.rng.choice(sorted(twin.slots)))
        if self._drawn("clean"):
            twin.cluster.compact(twin.settings.topic("state"), self.rng.randrange(PARTITIONS))

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
