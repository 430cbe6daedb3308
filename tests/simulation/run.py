"""Runs many schedules of whole workers on the in-memory cluster: `make simulate N=10000 SEED=1`.

python -m tests.simulation.run --n 10000 --seed 1 [--processes 2] [--only SEED]

Schedule k has seed SEED * 1,000,000 + k and depends on nothing else: a failing one runs again alone, the same, with --only.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import cache
from typing import NamedTuple
from unittest import mock

from models.definitions import Definitions, Program, compile_definitions, decode_definitions, encode_definitions
from models.errors import ShoalError
from tests.simulation.laws import broken, undisturbed
from tests.simulation.plan import FAULTS, LINES, draw
from tests.simulation.world import World

_EACH = 1_000_000
_SHOWN = 10
_PREPARED = ExitStack()
"""Of a process that does nothing else: never closed."""


class Report(NamedTuple):
    """Of one schedule."""

    seed: int
    broken: list[str]
    hits: Counter[str]
    turns: int


def simulate(seed: int, rates: Mapping[str, float] | None = None) -> Report:
    """One schedule, and the laws that it broke. rates: of the faults that may strike, instead of those drawn."""
    plan = draw(seed, rates)
    world = World(plan)
    try:
        world.run()
        wrong = [*world.wrong, *broken(world.twin, plan.line)]
    except (ShoalError, AssertionError) as error:
        wrong = [f"stopped: {type(error).__name__}: {error}"]
    return Report(seed, wrong, world.hits, world.twin.turns)


def main(arguments: list[str] | None = None) -> int:
    """0 when every schedule kept every law and every fault struck."""
    options = argparse.ArgumentParser(prog="python -m tests.simulation.run", description=(__doc__ or "").splitlines()[0])
    options.add_argument("--n", type=int, default=1_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options.add_argument("--only", type=int, help="run this schedule alone, and tell what was logged")
    given = options.parse_args(arguments)
    if given.only is not None:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        report = simulate(given.only)
        _say(
            f"schedule {report.seed}: {draw(report.seed)}",
            f"{report.turns} turns, struck: {_counts(report.hits)}",
            *report.broken,
        )
        return 1 if report.broken else 0
    start, hits, turns, wrong = time.monotonic(), Counter[str](), 0, 0
    shown = 0.0
    seeds = range(given.seed * _EACH, given.seed * _EACH + given.n)
    for done, report in enumerate(_reports(seeds, given.processes), 1):
        hits += report.hits
        turns += report.turns
        if report.broken:
            wrong += 1
            if wrong <= _SHOWN:
                _say(f"schedule {report.seed} broke:", *(f"  {sentence}" for sentence in report.broken[:_SHOWN]))
                _say(f"  again: python -m tests.simulation.run --only {report.seed}")
        if time.monotonic() - shown > _SHOWN:
            shown = time.monotonic()
            print(f"{done:,} of {given.n:,}", file=sys.stderr, flush=True)
    _say(f"{turns:,} turns in {time.monotonic() - start:.0f} s; struck: {_counts(hits)}")
    never = [fault for fault in FAULTS if not hits[fault]]
    if never:
        _say(f"never struck: {', '.join(never)}; run more schedules")
    _say(f"{given.n - wrong:,} of {given.n:,} equal")
    return 1 if wrong or never else 0


def _reports(seeds: range, processes: int) -> Iterator[Report]:
    if processes == 1:
        _prepare_process()
        yield from map(simulate, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(processes, _prepare_process) as pool:
        yield from pool.imap_unordered(simulate, seeds, chunksize=8)


def prepare(on: ExitStack, *, references: bool = False) -> None:
    """What the workers say of every injected fault is said to nobody; definitions are read and compiled once a process.

    references: make all undisturbed runs now, before anything is broken.
    """
    logging.disable(logging.CRITICAL)
    on.callback(logging.disable, logging.NOTSET)
    compiled: dict[bytes, Program] = {}

    def once(definitions: Definitions) -> Program:
        data = encode_definitions(definitions)
        if data not in compiled:
            compiled[data] = compile_definitions(definitions)
        return compiled[data]

    on.enter_context(mock.patch("streams.scoring.library.compile_definitions", once))
    on.enter_context(mock.patch("streams.scoring.library.decode_definitions", cache(decode_definitions)))
    for line in range(LINES if references else 0):
        undisturbed(line)


def _prepare_process() -> None:
    prepare(_PREPARED)


def _counts(hits: Counter[str]) -> str:
    return ", ".join(f"{name} {hits[name]:,}" for name in FAULTS if hits[name]) or "nothing"


def _say(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
