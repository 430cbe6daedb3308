"""`make chaos`: real processes on real Kafka, disturbed on purpose, must leave behind what an undisturbed run leaves, which
must be what the oracle makes of its input, journal and snapshots.

    python -m tests.chaos.run --faults kill --runs 20 --seed 1

FAULTS: one or several of the kinds in `tests.chaos.schedule`, with commas, or `all`: then one to four of them in each run,
on a broker that is killed, cut off, slowed down and filled up as well. All runs use topics of the same names, made anew for
each, so that what is compared is compared byte for byte, as it stands in the topics.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import cast

from confluent_kafka import KafkaException

from models.errors import ShoalError
from streams.settings import Settings
from tests.chaos.ground import Ground, ground
from tests.chaos.line import Twists, shop
from tests.chaos.outcome import Outcome, differences, faults, read_topic
from tests.chaos.points import POINTS
from tests.chaos.program import ended, say
from tests.chaos.scene import Scene, Tally
from tests.chaos.schedule import GROUND, LONGEST_POLL_S, MOST_KINDS, Kind, Schedule, draw, in_turn, kinds
from tests.chaos.site import Site, broker, site_of
from tests.oracle.scripts import definitions_of
from tests.oracle.topics import Kept, disagreements, read_topics

CUSTOMERS, DAYS, PARTITIONS = 400, 45, 4
SCALE_DAYS = 150
"""A worker takes seconds to join; it must find something left to do."""
HARMED_DAYS = 32
NEEDED: Mapping[Kind, tuple[str, ...]] = {
    "kill": ("kills", "aborted", "reprocessed", "moved"),
    "scale": ("moved",),
    "freeze": ("moved",),
}
"""What must have happened over all runs, or the faults missed their mark."""
MANY = 60
"""Of so many runs with all faults, each kind of act must have been done, and each point reached."""


def scene_on(site: Site, seed: int, days: int = DAYS, ground: Ground | None = None, protocol: str = "classic") -> Scene:
    """A shop of 400 customers; sweeps in several transactions, and small batches. Other definitions hold for a third of it.

    protocol: of the group (`streams.settings.Settings.protocol`).
    """
    twists = Twists(duplicates=0.03, late=0.03, early=0.01, bad=92, commands=24, repeated_ticks=2)
    line = shop(CUSTOMERS, days, PARTITIONS, seed, twists, definitions=[definitions_of("restless"), definitions_of("retail")])
    settings = site.settings(
        partitions=PARTITIONS,
        batch=500,
        sweep_cap=150,
        commit_max_ms=300,
        protocol=protocol,
        kafka={"max.poll.interval.ms": str(int(LONGEST_POLL_S * 1000))},
    )
    return Scene(site, settings, line, ground)


@dataclass(frozen=True, slots=True)
class Result:
    """How many of the runs left behind what the undisturbed one did, and what was done to all of them together."""

    equal: int
    runs: int
    total: Tally


def main(arguments: list[str] | None = None) -> int:
    """0 when all runs are equal and the faults did hit."""
    options = argparse.ArgumentParser(prog="make chaos", description=(__doc__ or "").splitlines()[0])
    options.add_argument("--faults", default="kill")
    options.add_argument("--runs", type=int, default=20)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--protocol", choices=("classic", "consumer"), default="classic", help="of the group of workers")
    given = options.parse_args(arguments)
    return ended("chaos", partial(_run, given))


def _run(given: argparse.Namespace) -> int:
    wanted = kinds(given.faults)
    with ExitStack() as held:
        if set(wanted) & set(GROUND):
            harmed = held.enter_context(ground())
            site = site_of(harmed.running)
            if not harmed.disk:
                say("chaos: nobody but root may mount a disk to fill up, so no disk is filled")
                wanted = tuple(kind for kind in wanted if kind != "disk")
        else:
            harmed, site = None, held.enter_context(broker("kafka"))
        days = SCALE_DAYS if wanted == ("scale",) else DAYS if harmed is None else HARMED_DAYS
        result = chaos(scene_on(site, given.seed, days, harmed, given.protocol), wanted, given.runs, given.seed)
    missed = _missed(result.total, wanted, given.runs)
    if missed:
        say(f"nothing was proved: {', '.join(missed)} of all runs together: 0")
    say(f"{result.equal} of {result.runs} equal")
    return 0 if result.equal == result.runs and not missed else 1


def _missed(total: Tally, wanted: tuple[Kind, ...], runs: int) -> list[str]:
    """What should have happened and did not."""
    if total.compared == 0:
        return ["partitions compared in memory"]
    missed = {name for kind in wanted for name in NEEDED.get(kind, ()) if getattr(total, name) == 0}
    if runs >= MANY and len(wanted) > MOST_KINDS:
        acts = {"coordinator": "coordinator", "hole": "hole", "cut": "cut", "slow": "slow", "disk": "disk", "broker": "broker"}
        missed |= {act for kind, act in acts.items() if kind in wanted and not total.did[act]}
        reached = {words.partition(":")[0] for words in total.struck}
        missed |= {f"point {name!r}" for name in POINTS if name not in reached and "point" in wanted}
    return sorted(missed)


def chaos(scene: Scene, wanted: tuple[Kind, ...], runs: int, seed: int) -> Result:
    """One undisturbed run, then `runs` disturbed ones. Raises ShoalError when the undisturbed one is wrong by itself."""
    logs = Path(tempfile.mkdtemp(prefix="shoal-chaos-"))
    rng = Random(seed)
    points = in_turn(rng)
    reference = _undisturbed(scene, logs, rng)
    equal = 0
    tallies: list[Tally] = []
    for number in range(1, runs + 1):
        folder = logs / f"run-{number:02d}"
        if _one(scene, reference, folder, number, draw(wanted, rng, points), rng, tallies):
            equal += 1
            shutil.rmtree(folder)
    if equal == runs:
        shutil.rmtree(logs)
    total = sum(tallies, Tally())
    say(f"total: {_counts(total)}, {total.seconds:.0f} s")
    for counts in (total.did, total.struck):
        if counts:
            say("  " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    return Result(equal, runs, total)


def _undisturbed(scene: Scene, logs: Path, rng: Random) -> Outcome:
    expected = scene.line.expected
    say(
        f"input: {expected.records:,} records in {scene.line.partitions} partitions: {expected.applied:,} events of "
        f"{expected.customers} customers, {expected.duplicates} duplicates, {expected.dead} malformed and commands, "
        f"{expected.ticks} ticks ({len(scene.line.epochs)} days)"
    )
    reference, tally = scene.run(logs / "undisturbed", Schedule(1, ()), rng)
    wrong = faults(reference, expected)
    began = time.monotonic()
    wrong += disagreements(read_topics(partial(_kept, scene.settings)), scene.settings)
    asked = time.monotonic() - began
    lacking = {"behaviour", "churn", "purchase", "value"} - reference.champions
    if lacking:
        wrong.append(f"no champion of {', '.join(sorted(lacking))} was promoted, so its decisions are not compared")
    say(
        f"undisturbed: {sum(map(len, reference.changes)):,} changes, {len(reference.snapshots)} snapshots, champions of "
        f"{', '.join(sorted(reference.champions))}; digest {reference.digest[:16]}, {tally.seconds:.1f} s; "
        f"the oracle, {'which comes to the same' if not wrong else 'which comes to something else'}, took {asked:.0f} s"
    )
    if wrong:
        raise ShoalError(f"the undisturbed run is wrong by itself: {'; '.join(wrong)}. Logs: {logs}")
    return reference


def _kept(settings: Settings, name: str) -> list[list[Kept]]:
    """A topic's committed records as the oracle reads them."""
    return cast("list[list[Kept]]", read_topic(settings, name))


def _one(
    scene: Scene, reference: Outcome, folder: Path, number: int, schedule: Schedule, rng: Random, tallies: list[Tally]
) -> bool:
    told = [f"{fault.act} {fault.name}".strip() + f" at {fault.share:.0%}" for fault in schedule.faults]
    told += [f"{one.act} at {one.point} {one.passage}" for one in schedule.arms if one.point]
    plan = ", ".join(told) or ", ".join(schedule.kinds)
    workers = f"{schedule.workers} worker{'s' if schedule.workers > 1 else ''}"
    try:
        found, tally = scene.run(folder, schedule, rng)
    except (ShoalError, KafkaException) as error:
        say(f"run {number}: {workers}, {plan}\n  FAILED: {error}\n  logs: {folder}")
        return False
    tallies.append(tally)
    say(f"run {number}: {workers}, {plan}: {_counts(tally)}, {tally.seconds:.1f} s")
    wrong = faults(found, scene.line.expected) + differences(reference, found)
    for fault in wrong:
        say(f"  DIFFERENT: {fault}")
    if wrong:
        say(f"  logs: {folder}")
    return not wrong


def _counts(tally: Tally) -> str:
    return (
        f"{tally.kills} kills of workers, {tally.learner_kills} of the learner, {tally.aborted} aborted transactions, "
        f"{tally.reprocessed} reprocessed records, {tally.moved} partitions moved, {tally.restored} taken up, "
        f"{tally.compared} compared in memory"
        + (f", {tally.fenced} fenced" if tally.fenced else "")
        + (f", {tally.gave_up} gave up and were started again" if tally.gave_up else "")
    )


if __name__ == "__main__":
    sys.exit(main())
