"""What a schedule says, done: each fault at its time, and undone at its own, without waiting for one before the next."""

from __future__ import annotations

import heapq
import itertools
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from confluent_kafka import Producer

from streams.contracts.keys import manifest_key, snapshot_key
from streams.embedded import broker_status
from streams.errors import ShoalError
from tests.chaos.crew import LEARNER, Crew
from tests.chaos.ground import Ground
from tests.chaos.outcome import GARBAGE
from tests.chaos.schedule import Fault

_FULL_WITHIN_S = 60.0
_TAKEN_WITHIN_S = 30.0
_AGAIN_S = 0.5


@dataclass
class Hand:
    """Acts on a crew and the ground under it. `did`: how often each act was done."""

    crew: Crew
    ground: Ground | None = None
    did: Counter[str] = field(default_factory=Counter)
    _later: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _down: bool = False
    """Whether the broker is away because it was sent away, until a time that is set."""

    @property
    def busy(self) -> bool:
        """Whether something is still to be undone."""
        return bool(self._later)

    def look(self) -> None:
        """Undoes what is due, and starts what has died. A broker that somebody killed at a point of theirs starts too."""
        while self._later and self._later[0][0] <= time.monotonic():
            heapq.heappop(self._later)[2]()
        self._revive()
        self.crew.look()

    def _revive(self) -> None:
        if self.ground is not None and not self._down and broker_status(self.ground.folder) is None:
            self.did["coordinator"] += 1
            shutil.copy(self.ground.running.log, self.crew.folder / f"broker.{self.did['coordinator']}.txt")
            self.ground.start()

    def act(self, fault: Fault) -> None:
        """One fault."""
        self.did[fault.act] += 1
        if fault.act in ("kill", "freeze", "stop"):
            self._process(fault)
        elif fault.act == "add":
            self.crew.start(fault.name)
        elif fault.act == "rival":
            self.crew.rival()
        elif fault.act == "garbage":
            self._garbage(self.did["garbage"])
        else:
            self._harm(fault)

    def mend(self) -> None:
        """Undoes all that is left, at once: a run that failed must not harm the next."""
        while self._later:
            heapq.heappop(self._later)[2]()
            time.sleep(0.05)
        self._revive()

    def _after(self, seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._numbers), what))

    def _process(self, fault: Fault) -> None:
        crew = self.crew
        # One that was stopped earlier in this run, or is dead at the moment, is represented by another.
        name = fault.name if fault.name in crew.alive else next((n for n in sorted(crew.alive) if n != LEARNER), None)
        if name is None:
            return
        if fault.act == "kill":
            crew.kill(name)
            self._after(fault.seconds, partial(crew.start, name))
        elif fault.act == "freeze":
            process = crew.alive[name].popen
            process.send_signal(signal.SIGSTOP)
            self._after(fault.seconds, partial(process.send_signal, signal.SIGCONT))
        else:
            crew.stop(name)

    def _garbage(self, number: int) -> None:
        """A snapshot and a manifest that end too early, and a snapshot that does not have its hash; once there is a broker."""
        if self._down:
            self._after(_AGAIN_S, partial(self._garbage, number))
            return
        producer = Producer({"bootstrap.servers": self.crew.settings.bootstrap_servers, "log_level": 0})
        for key, value in (
            (snapshot_key("0" * 64), b'{"family":"churn","version":'),
            (manifest_key(number), b'{"epoch":%d,"champions":{' % number),
            (snapshot_key(f"{number:064d}"), b"{}"),
        ):
            producer.produce(self.crew.settings.topic("models"), value, key, 0, headers={GARBAGE: b"1"})
        deadline = time.monotonic() + _TAKEN_WITHIN_S
        while producer.flush(0.2):
            if time.monotonic() > deadline:
                raise ShoalError("the broker does not take what is to be refused")
            self._revive()  # a worker may have killed it at this very moment

    def _harm(self, fault: Fault) -> None:
        ground = self.ground
        if ground is None:
            raise ShoalError(f"{fault.act}: this broker is not ours to harm")
        if fault.act in ("broker", "disk"):
            if self._down:
                return
            self._down = True
            if fault.act == "broker":
                ground.kill()
                self._after(fault.seconds, self._up)
            else:
                ground.fill()
                self._until_it_ends(time.monotonic() + _FULL_WITHIN_S, fault.seconds)
        elif fault.act == "cut":
            ground.proxies[fault.name].cut()
        else:
            proxy = ground.proxies[fault.name]
            if fault.act == "hole":
                proxy.hole()
            else:
                proxy.slow(0.05)
            self._after(fault.seconds, proxy.mend)

    def _until_it_ends(self, deadline: float, seconds: float) -> None:
        """A broker whose disk is full ends by itself, at its next write."""
        ground = self.ground
        assert ground is not None
        if broker_status(ground.folder) is not None:
            if time.monotonic() > deadline:
                ground.kill()
            self._after(0.2, partial(self._until_it_ends, deadline, seconds))
            return
        ground.free()
        self._after(seconds, self._up)

    def _up(self) -> None:
        assert self.ground is not None
        self.ground.start()
        self._down = False
