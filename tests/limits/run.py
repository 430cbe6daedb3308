"""`make limits`: what happens where something might give way, each with a worker on real Kafka.

    python -m tests.limits.run --only million slow-broker --scale 0.1

A line for each, with its figures and what was checked. Fails when one of their laws is broken.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from types import MappingProxyType

from models.errors import ShoalError
from streams.embedded import MissingPrerequisite
from tests.benchmarks.machine import both_compilers
from tests.chaos.program import ended, say
from tests.limits import (
    backlog,
    five_million,
    hot_customer,
    hot_partition,
    many_partitions,
    million,
    poison_definitions,
    slow_broker,
)
from tests.limits.law import Limit

LIMITS: MappingProxyType[str, Limit] = MappingProxyType(
    {
        "million": million.measure,
        "million-64": partial(million.measure, partitions=64),
        "slow-broker": slow_broker.measure,
        "crawling-broker": partial(slow_broker.measure, stretch=slow_broker.CRAWLING),
        "hot-customer": hot_customer.measure,
        "hot-partition": hot_partition.measure,
        "poison-definitions": poison_definitions.measure,
        "five-million": five_million.measure,
        "many-partitions": many_partitions.measure,
        "backlog": backlog.measure,
    }
)


def _one(name: str, scale: float) -> bool:
    """Prints its line; gives whether all of its laws hold."""
    began, folder = time.monotonic(), Path(tempfile.mkdtemp(prefix=f"shoal-limits-{name}-"))
    try:
        verdict = LIMITS[name](scale, folder)
    except MissingPrerequisite:
        raise
    except (ShoalError, RuntimeError, ValueError) as error:
        say(f"{name}: FAILED after {time.monotonic() - began:.0f} s: {error}\n  logs: {folder}")
        return False
    say(f"{name} ({time.monotonic() - began:.0f} s): {verdict}")
    for sentence in verdict.wrong:
        say(f"  WRONG: {sentence}")
    if verdict.wrong:
        say(f"  logs: {folder}")
    else:
        shutil.rmtree(folder)
    return not verdict.wrong


def main(arguments: list[str] | None = None) -> int:
    """0 when all laws hold."""
    options = argparse.ArgumentParser(prog="make limits", description=(__doc__ or "").splitlines()[0])
    options.add_argument("--only", nargs="+", choices=[*LIMITS], default=[*LIMITS], metavar="NAME", help=", ".join(LIMITS))
    options.add_argument("--scale", type=float, default=1.0, help="of all sizes; limits mean little much below 1")
    given = options.parse_args(arguments)
    both_compilers()
    return ended("limits", partial(_run, given))


def _run(given: argparse.Namespace) -> int:
    failed = [name for name in given.only if not _one(name, given.scale)]
    say(f"all laws hold in {len(given.only)} limits" if not failed else f"laws were broken in: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
