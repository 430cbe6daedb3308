"""`make chaos`: real processes on real Kafka, disturbed on purpose, must leave behind what an undisturbed run leaves.

    python -m tests.chaos.run --faults kill --runs 20 --seed 1

FAULTS: kill (kill -9 of workers, in some runs of the learner), scale (from 1 worker to 2 and back), freeze (SIGSTOP for
longer than the session), or several with commas. All runs use topics of the same names, made anew for each, so that
what is compared is compared byte for byte, as it stands in the topics.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass, fields
from pathlib import Path
from random import Random

from models.errors import ShoalError
from streams.embedded import MissingPrerequisite
from tests.chaos.line import Twists, shop
from tests.chaos.outcome import Outcome, differences, faults
from tests.chaos.scene import Scene, Tally
from tests.chaos.schedule import Kind, Schedule, draw, kinds
from tests.chaos.site import Site, broker

CUSTOMERS, DAYS, PARTITIONS = 400, 45, 4
SCALE_DAYS = 150
"""A worker takes seconds to join; it must find something left to do."""
NEEDED: dict[Kind, tuple[str, ...]] = {
    "kill": ("kills", "aborted", "reprocessed", "moved"),
    "scale": ("moved",),
    "freeze": ("moved",),
}
"""What must have happened over all runs, or the faults missed their mark."""


def say(text: str) -> None:
    """A line, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def scene_on(site: Site, seed: int, days: int = DAYS) -> Scene:
    """A shop of 400 customers; sweeps in several transactions, and small batches."""
    line = shop(CUSTOMERS, days, PARTITIONS, seed, Twists(bad=92, commands=24, repeated_ticks=2))
    settings = site.settings(partitions=PARTITIONS, batch=500, sweep_cap=150, commit_max_ms=300)
    return Scene(site, settings, line)


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
    given = options.parse_args(arguments)
    # Processes and broker end with this one, also at SIGTERM.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        wanted = kinds(given.faults)
        with broker("kafka") as site:
            days = SCALE_DAYS if "scale" in wanted else DAYS
            result = chaos(scene_on(site, given.seed, days), wanted, given.runs, given.seed)
    except MissingPrerequisite as missing:
        say(f"chaos: {missing}")
        return 3
    except ShoalError as error:
        say(f"chaos: {error}")
        return 2
    missed = sorted({name for kind in wanted for name in NEEDED[kind] if getattr(result.total, name) == 0})
    if missed:
        say(f"nothing was proved: {', '.join(missed)} of all runs together: 0")
    say(f"{result.equal} of {result.runs} equal")
    return 0 if result.equal == result.runs and not missed else 1


def chaos(scene: Scene, wanted: tuple[Kind, ...], runs: int, seed: int) -> Result:
    """One undisturbed run, then `runs` disturbed ones. Raises ShoalError when the undisturbed one is wrong by itself."""
    logs = Path(tempfile.mkdtemp(prefix="shoal-chaos-"))
    rng = Random(seed)
    reference = _undisturbed(scene, logs, rng)
    equal = 0
    tallies: list[Tally] = []
    for number in range(1, runs + 1):
        folder = logs / f"run-{number:02d}"
        if _one(scene, reference, folder, number, draw(wanted, rng), rng, tallies):
            equal += 1
            shutil.rmtree(folder)
    if equal == runs:
        shutil.rmtree(logs)
    total = Tally(*(sum(getattr(tally, column.name) for tally in tallies) for column in fields(Tally)))
    say(f"total: {_counts(total)}, {total.seconds:.0f} s")
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
    lacking = {"behaviour", "churn", "purchase", "value"} - reference.champions
    if lacking:
        wrong.append(f"no champion of {', '.join(sorted(lacking))} was promoted, so its decisions are not compared")
    say(
        f"undisturbed: {sum(map(len, reference.changes)):,} changes, {len(reference.snapshots)} snapshots, champions of "
        f"{', '.join(sorted(reference.champions))}; digest {reference.digest[:16]}, {tally.seconds:.1f} s"
    )
    if wrong:
        raise ShoalError(f"the undisturbed run is wrong by itself: {'; '.join(wrong)}. Logs: {logs}")
    return reference


def _one(
    scene: Scene, reference: Outcome, folder: Path, number: int, schedule: Schedule, rng: Random, tallies: list[Tally]
) -> bool:
    plan = ", ".join(f"{fault.act} {fault.name} at {fault.share:.0%}" for fault in schedule.faults)
    workers = f"{schedule.workers} worker{'s' if schedule.workers > 1 else ''}"
    try:
        found, tally = scene.run(folder, schedule, rng)
    except ShoalError as error:
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
        f"{tally.reprocessed} reprocessed records, {tally.moved} partitions moved, {tally.restored} taken up"
        + (f", {tally.fenced} fenced" if tally.fenced else "")
    )


if __name__ == "__main__":
    sys.exit(main())
