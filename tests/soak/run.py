"""`make soak`: half of the events that a deployment can take, for so many minutes, a fault in each; then the oracle is asked.

    python -m tests.soak.run --minutes 30 --seed 1

Real Kafka, two workers and the learner, on a clock on which a day takes 20 s: there is a sweep and a manifest in each. The
faults are those of `make chaos`, and changes of definitions. In the end the customers that were followed must be what the
oracle makes of them, all counts must add up, memory must be that of the changelog, and must not have grown.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from subprocess import Popen

from streams.errors import ShoalError
from tests.chaos.committed import committed
from tests.chaos.crew import LEARNER, Crew
from tests.chaos.hand import Hand
from tests.chaos.program import ended, say
from tests.soak.checks import contradicted, miscounted, strayed
from tests.soak.gauges import LEAST_MINUTES, MOST_GROWTH, Memory, delays
from tests.soak.load import Sent
from tests.soak.minutes import Minutes, order
from tests.soak.recorder import Recorder
from tests.soak.rules import Rules
from tests.soak.stand import WORKERS, Stand, customers_of, fastest, prepared, sent, stand

MINUTE_S = 60.0
LEAST_SENT = 0.97
"""Of what was to be sent; else the load was slower than it should have been."""
CALM_S = 20.0
"""At the end of each minute, when what its fault has done should be over."""
FOLLOWED_EVENTS = 80_000
"""About so many, of all customers who are followed: the oracle takes a millisecond for each."""
_LOOK_S = 0.1
_DRAINED_S = 180.0


@dataclass
class Soak:
    """One soak at `rate` events a second. `lag`: records not yet committed, at each second (s since the beginning)."""

    stand: Stand
    rate: float
    minutes: int
    rng: Random
    folder: Path
    crew: Crew = field(init=False)
    recorder: Recorder = field(init=False)
    workers: Memory = field(default_factory=Memory)
    learner: Memory = field(default_factory=Memory)
    lag: list[tuple[float, int]] = field(default_factory=list)
    began: float = 0.0
    _next: float = 0.0

    def __post_init__(self) -> None:
        customers = customers_of(self.rate)
        digits = 1
        while self.rate * MINUTE_S * self.minutes / 10**digits > FOLLOWED_EVENTS and digits < 4:
            digits += 1
        self.crew = self.stand.crew(self.folder, self.rng.randrange(2**32))
        self.recorder = Recorder(self.stand.settings, b"7" * digits)
        say(
            f"{self.rate:,.0f} events a second of some {customers:,} customers for {self.minutes} min; one in {10**digits:,} is "
            f"followed; logs: {self.folder}"
        )
        self._arguments = ["--rate", str(self.rate), "--customers", str(customers)]

    def run(self) -> list[str]:
        """All minutes, then the checks; what is wrong."""
        hand = Hand(self.crew, self.stand.ground)
        minutes = Minutes(hand, self.rng, self.stand.arms, Rules(self.crew, self.folder))
        self.recorder.start()
        load = None
        try:
            for name in (LEARNER, *WORKERS):
                self.crew.start(name)
            load = self.stand.load(*self._arguments)
            self.began = self._next = time.monotonic()
            kinds = order(self.rng, disk=self.stand.ground.disk)
            for minute in range(self.minutes):
                kind = next(kinds)
                minutes.begin(kind, minute * MINUTE_S)
                self._until((minute + 1) * MINUTE_S, hand, minutes, load)
                say(f"minute {minute + 1:2d}, {kind:11s}: {self._told(minute)}")
            made = self._drained(hand, minutes, load)
            rests = self.crew.rest()
            killed = sum(n for what, n in self.crew.struck().items() if what.endswith("kill the broker"))
            if (by_itself := hand.did["coordinator"] - killed) > 0:
                say(f"the broker ended by itself {by_itself} times; its last words: {self.folder}/broker.*.txt")
        except ShoalError:
            self.crew.tell()
            raise
        finally:
            hand.mend()
            self.crew.end()
            if load is not None and load.poll() is None:
                load.kill()
        self.recorder.finish()
        least = int(LEAST_SENT * self.rate * MINUTE_S * self.minutes)
        settings, recorder = self.stand.settings, self.recorder
        return [
            *miscounted(settings, recorder, made, least),
            *strayed(settings, rests),
            *contradicted(settings, recorder),
            *self._grown(),
        ]

    def _until(self, end: float, hand: Hand, minutes: Minutes, load: Popen[bytes]) -> None:
        with committed(self.stand.settings, self.stand.inputs) as so_far:
            while (now := time.monotonic() - self.began) < end:
                minutes.look(now)
                hand.look()
                self.recorder.check()
                if load.poll() is not None:
                    raise ShoalError(f"the load ended with {load.returncode}; what it could not write stands above")
                if now >= self._next - self.began:
                    self._next += 1.0
                    self.workers.look(now, (p.popen.pid for name, p in self.crew.alive.items() if name != LEARNER))
                    self.learner.look(now, (p.popen.pid for name, p in self.crew.alive.items() if name == LEARNER))
                    done = so_far()
                    self.lag.append((now, max(0, so_far.there() - done)))
                time.sleep(_LOOK_S)

    def _told(self, minute: int) -> str:
        """A line about a minute that is over."""
        begin, end = minute * MINUTE_S, (minute + 1) * MINUTE_S
        lags = [lag for at, lag in self.lag if begin <= at < end]
        seen = self._delays(begin, end)
        return (
            f"{delays(seen)}; calm {delays(self._delays(end - CALM_S, end))}; "
            f"lag {max(lags):,} at most, {lags[-1]:,} at its end; "
            f"workers {self.workers.seen[-1][1]:.0f} MB, learner {self.learner.seen[-1][1]:.0f} MB, "
            f"disk {self.stand.ground.used_mb:,.0f} MB"
        )

    def _delays(self, begin: float, end: float) -> list[float]:
        """Of changes seen between two times (s since the beginning)."""
        offset = time.time() - (time.monotonic() - self.began)
        return [delay for at, delay in self.recorder.delays if begin <= at - offset < end]

    def _drained(self, hand: Hand, minutes: Minutes, load: Popen[bytes]) -> Sent:
        """The load ends, and all that it sent is committed."""
        load.terminate()
        deadline = time.monotonic() + _DRAINED_S
        with committed(self.stand.settings, self.stand.inputs) as so_far:
            while load.poll() is None or minutes.busy or so_far() < so_far.there():
                minutes.look(time.monotonic() - self.began)
                hand.look()
                if time.monotonic() > deadline:
                    raise ShoalError(
                        f"{so_far():,} of {so_far.there():,} records are committed {_DRAINED_S:.0f} s after the last one "
                        f"{so_far.fault}".rstrip()
                    )
                time.sleep(_LOOK_S)
        return sent(load)

    def _grown(self) -> list[str]:
        end = self.minutes * MINUTE_S
        calm = [d for n in range(self.minutes) for d in self._delays((n + 1) * MINUTE_S - CALM_S, (n + 1) * MINUTE_S)]
        say(f"workers: {self.workers}\nlearner: {self.learner}")
        say(f"event to visible change: {delays(self._delays(0.0, end))}; calm: {delays(calm)}")
        if self.minutes < LEAST_MINUTES:
            return []
        return [
            f"the memory of the {name} has grown {memory.growth:.2f} times, {MOST_GROWTH} is the limit"
            for name, memory in (("workers", self.workers), ("learner", self.learner))
            if memory.growth > MOST_GROWTH
        ]


def main(arguments: list[str] | None = None) -> int:
    """0 when nothing is wrong."""
    options = argparse.ArgumentParser(prog="make soak", description=(__doc__ or "").splitlines()[0])
    options.add_argument("--minutes", type=int, default=30)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--rate", type=float, help="events a second, instead of half of what is possible")
    given = options.parse_args(arguments)
    return ended("soak", partial(_run, given))


def _run(given: argparse.Namespace) -> int:
    folder = Path(tempfile.mkdtemp(prefix="shoal-soak-"))
    with stand() as (site, harmed):
        rate = given.rate
        if rate is None:
            most = fastest(site, harmed, folder / "fastest", given.seed)
            say(f"{most:,.0f} events a second go through all of it at most: load, broker, two workers, learner and reader")
            rate = most / 2
        soak = Soak(prepared(site, harmed), rate, given.minutes, Random(given.seed), folder / "soak")
        wrong = soak.run()
    crew = soak.crew
    say(
        f"done: {dict(sorted(crew.struck().items()))}; {crew.kills} kills of workers, {crew.learner_kills} of the learner, "
        f"{crew.moved()} partitions moved, {crew.fenced} fenced, {crew.gave_up} gave up and were started again"
    )
    for fault in wrong:
        say(f"WRONG: {fault}")
    flat = ", memory is flat" if given.minutes >= LEAST_MINUTES else f"; of memory {LEAST_MINUTES} minutes are needed to tell"
    say(f"oracle-equal, all counts add up{flat}" if not wrong else f"{len(wrong)} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
