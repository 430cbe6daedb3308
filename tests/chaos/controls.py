"""Breaks each guarantee on purpose in workers on real Kafka: what they leave behind must be seen to differ.

    python -m tests.chaos.controls [NAME ...]

A control that is not caught, or that never struck, fails: the comparison, or the faults, would see less than they claim. Three
more, which need a broker that writes markers late, cleans its log or tells of a rebalance at a given moment, are in
`tests.simulation.controls`.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from models.errors import ShoalError
from tests.chaos.armed import Arms
from tests.chaos.breaking import ON_KAFKA
from tests.chaos.crew import broke
from tests.chaos.line import Twists, shop
from tests.chaos.outcome import Outcome, contradictions, differences, faults
from tests.chaos.program import ended, say
from tests.chaos.scene import Scene
from tests.chaos.schedule import LONGEST_POLL_S, Fault, Schedule
from tests.chaos.site import Site, broker

CUSTOMERS, DAYS, PARTITIONS = 150, 20, 4
LONG_DAYS = 120
"""A worker takes seconds to join; it must find something left to do."""
TRIES = 8
_STALL = Arms(point="rows written", passage=10, act="stall", seconds=LONGEST_POLL_S + 2.0)


@dataclass(frozen=True, slots=True)
class Bringing:
    """What brings a broken guarantee to light: arms of the first lives, faults, so many workers and so many days."""

    arms: tuple[Arms, ...] = ()
    faults: tuple[Fault, ...] = ()
    workers: int = 1
    days: int = DAYS


def _dying(point: str, *passages: int) -> Bringing:
    return Bringing(tuple(Arms(point=point, passage=passage) for passage in passages))


def _aborted(point: str, passage: int) -> Bringing:
    return Bringing((Arms(point=point, passage=passage, act="abort"),))


BROUGHT_OUT: Final[Mapping[str, Bringing]] = {
    "offsets committed apart from the outputs": _dying("committed", 7),
    "undo forgets new customers": _aborted("all written", 3),
    "undo forgets pending samples": _aborted("stretch swept", 18),
    "fencing off": Bringing((_STALL,), workers=2),
    "message ids lost": _dying("committed", 9, 8, 8),
    "a journal entry dropped": Bringing(),
    "a sweep's cursor lost": _dying("stretch swept", 31, 22, 13),
    "a held table that is out of date": Bringing((), (Fault(0.1, "add", "work-1"), Fault(0.5, "stop", "work-1")), days=LONG_DAYS),
    "a row not written": _dying("committed", 12),
}


def scheduled(name: str, rng: Random) -> Schedule:
    """A run with a guarantee broken; passages are shifted a little from try to try."""
    out = BROUGHT_OUT[name]
    usual = Arms(control=name)
    arms = [msgspec.structs.replace(one, control=name, passage=one.passage + 2 * rng.randrange(4)) for one in out.arms]
    return Schedule(out.workers, out.faults, tuple(arms), usual=usual)


def caught(scene: Scene, reference: Outcome, name: str, folder: Path) -> tuple[int, str]:
    """How often it struck in the run in which it was noticed, and the first sentence that says so; "" if none did."""
    rng, struck = Random(name), 0
    for number in range(TRIES):
        try:
            found, tally = scene.run(folder / f"{number}", scheduled(name, rng), rng)
        except ShoalError:  # a worker or a learner that would not go on from what it found; what was said so far counts
            struck, wrong = broke(folder / f"{number}"), contradictions(scene.settings)
        else:
            struck, wrong = tally.broke, differences(reference, found) + faults(found, scene.line.expected)
        if wrong and struck:
            return struck, wrong[0]
    return struck, ""


def undisturbed(site: Site, logs: Path, days: int) -> tuple[Scene, Outcome]:
    """A scene of so many days, and what it leaves behind when nothing is broken. Raises ShoalError if that is wrong."""
    line = shop(CUSTOMERS, days, PARTITIONS, 1, Twists(duplicates=0.1, bad=46, commands=12))
    settings = site.settings(
        batch=200,
        sweep_cap=40,
        commit_max_ms=150,
        horizon_days=5,
        sample_every_days=2,
        kafka={"max.poll.interval.ms": str(int(LONGEST_POLL_S * 1000))},
    )
    scene = Scene(site, settings, line)
    reference, _ = scene.run(logs / f"undisturbed-{days}", Schedule(1, ()), Random(1))
    if wrong := faults(reference, line.expected):
        raise ShoalError(f"the undisturbed run is wrong by itself: {wrong[0]}. Logs: {logs}")
    return scene, reference


def main(names: Sequence[str]) -> int:
    """0 when each is caught."""
    return ended("controls", partial(_run, names))


def _run(names: Sequence[str]) -> int:
    missed = 0
    logs = Path(tempfile.mkdtemp(prefix="shoal-controls-"))
    with broker("kafka") as site:
        stage = cache(partial(undisturbed, site, logs))
        for number, name in enumerate(names):
            struck, sentence = caught(*stage(BROUGHT_OUT[name].days), name, logs / f"{number}")
            say(f"{name}: struck {struck:,} times at least; {sentence or f'NOT CAUGHT. Logs: {logs}'}")
            missed += not sentence
    if not missed:
        shutil.rmtree(logs)
    say(f"{len(names) - missed} of {len(names)} caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(ON_KAFKA)))
