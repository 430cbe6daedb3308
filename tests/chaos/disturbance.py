"""What may happen to a worker on the in-memory cluster, at any step that it takes, drawn from a seed."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from streams.broker.memory import MemoryCluster, Step
from streams.errors import Aborted, BrokerError, Unknown
from tests.chaos.twin import Killed

_WRITES = ("produce", "send_offsets")
_QUIET = ("close", "expire", "marker", "open")


@dataclass
class Disturbance:
    """A fault hook: kills, aborts, lost replies of commits, sessions that end. `rate`: share of the steps that are hit.

    Inactive until it has a cluster. `hits`: what it did.
    """

    rng: Random
    rate: float
    cluster: MemoryCluster | None = None
    hits: Counter[str] = field(default_factory=Counter)

    def __call__(self, step: Step) -> None:
        """Perhaps raises what the step would raise."""
        if self.cluster is None or "worker-" not in step.who or step.operation in _QUIET:
            return
        if step.operation == "end":
            self._at_the_end(step)
        elif self.rng.random() < self.rate:
            self._before(step)

    def _at_the_end(self, step: Step) -> None:
        """A commit is rare and delicate: it is hit ten times as often."""
        if step.subject != "commit" or self.rng.random() > 10 * self.rate:
            return
        if step.after:
            self._hit("reply lost", Unknown("the reply to a commit was lost"))
        self._hit(*self.rng.choice([("killed in commit", Killed()), ("aborted in commit", Aborted("injected"))]))

    def _before(self, step: Step) -> None:
        what = self.rng.choice(("kill", "abort", "expire"))
        if what == "kill":
            self._hit("killed", Killed())
        if what == "abort" and step.operation in _WRITES:
            self._hit("aborted", Aborted("injected"))
        if what == "expire" and self.cluster is not None:
            with suppress(BrokerError):  # it is in no group now
                self.cluster.expire(step.who)
                self.hits["expelled"] += 1

    def _hit(self, what: str, raised: BaseException) -> None:
        self.hits[what] += 1
        raise raised
