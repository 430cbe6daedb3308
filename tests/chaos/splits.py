"""The same input on both brokers, twice, in batches of 1, 7 and 10,000: the same state and the same changes, byte for byte.

python -m tests.chaos.splits --brokers kafka,embedded
"""

from __future__ import annotations

import argparse
import hashlib
import signal
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import get_args

from models.errors import ShoalError
from streams.embedded import Kind
from tests.chaos.line import Line, Twists, shop
from tests.chaos.outcome import Outcome, differences, faults
from tests.chaos.program import say
from tests.chaos.scene import Scene
from tests.chaos.schedule import Schedule
from tests.chaos.site import Site, broker

BATCHES = (2_000, 2_000, 1, 7, 10_000)
"""The usual one twice, then those that cut the input elsewhere."""
CUSTOMERS, DAYS, PARTITIONS = 150, 30, 4


def main(arguments: list[str] | None = None) -> int:
    """0 when all are equal."""
    options = argparse.ArgumentParser(prog="python -m tests.chaos.splits", description=(__doc__ or "").splitlines()[0])
    options.add_argument("--brokers", default="kafka,embedded")
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    line = shop(CUSTOMERS, DAYS, PARTITIONS, given.seed, Twists(bad=46, commands=12, repeated_ticks=2))
    chosen: list[Kind] = [kind for kind in get_args(Kind) if kind in given.brokers.split(",")]
    return compare(line, chosen, BATCHES)


def compare(line: Line, brokers: list[Kind], batches: tuple[int, ...]) -> int:
    """Runs each batch size on each broker; gives the exit status."""
    first: Outcome | None = None
    equal = total = 0
    for kind in brokers:
        for batch in batches:
            total += 1
            # A broker for each run: the embedded one keeps no order between a topic removed and its successor.
            with broker(kind) as site:
                found = one(site, line, batch)
            wrong = faults(found, line.expected) if kind == "kafka" else []
            wrong += [] if first is None else differences(first, found)
            first = first or found
            say(
                f"{kind:<9} batches of {batch:>6,}: {sum(map(len, found.changes)):,} changes {_hash(found)}, state digest "
                f"{found.digest[:16]}, champions of {', '.join(sorted(found.champions))}"
            )
            for fault in wrong:
                say(f"  DIFFERENT: {fault}")
            equal += not wrong
    say(f"{equal} of {total} equal")
    return 0 if equal == total else 1


def one(site: Site, line: Line, batch: int) -> Outcome:
    """An undisturbed run with one worker."""
    settings = site.settings(partitions=line.partitions, batch=batch, horizon_days=5, sample_every_days=2)
    with tempfile.TemporaryDirectory(prefix="shoal-splits-") as logs:
        found, _ = Scene(site, settings, line).run(Path(logs) / "run", Schedule(1, ()), Random(batch))
    return found


def _hash(found: Outcome) -> str:
    total = hashlib.sha256()
    for partition in found.changes:
        for key, value, headers in partition:
            total.update(repr((key, value, headers)).encode())
    return total.hexdigest()[:16]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ShoalError as error:
        sys.exit(f"splits: {error}")
