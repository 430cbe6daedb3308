"""What an event costs in counts, which no other program disturbs: calls made and memory kept, by what the event brings about.

python -m tests.benchmarks.counts [--print | --renew]: compares them with tests/integration/counts.json, prints them, or writes
that file anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import msgspec

from tests.benchmarks.counted_shop import CountedShop
from tests.benchmarks.counter import Calls, blocks, counting
from tests.benchmarks.yardstick import ROOT

EXPECTED = ROOT / "tests" / "integration" / "counts.json"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
RENEW = ".venv/bin/python -m tests.benchmarks.counts --renew"
MARGIN = 0.05
_NAMED_FROM = 0.02
_FIGURES = {
    "changes": ("memberships moved", 0.01),
    "python_calls": ("calls of Python functions", 0.02),
    "c_calls": ("calls into C, libraries and the broker", 0.02),
    "blocks_kept": ("blocks of memory kept after the commit", 0.1),
}
"""What each is called in a sentence, and what it may move by however small it is."""


class Counts(msgspec.Struct, frozen=True):
    """Of one event, or of one customer in a sweep. where: both kinds of calls by function, those that are not rare."""

    changes: float
    python_calls: float
    c_calls: float
    where: dict[str, float]
    blocks_kept: float = 0.0


class Expected(msgspec.Struct, frozen=True):
    """The committed file. Another version of Python counts some calls otherwise."""

    python: str
    of: dict[str, Counts]


@dataclass(frozen=True, slots=True)
class Case:
    """Rounds of events of this name, each of another customer, or sweeps. The first ones, `warm`, do not count."""

    event: str | None
    warm: int
    counted: int
    a_round: int = 500

    def play(self, shop: CountedShop, first: int, last: int) -> int:
        """Rounds first to last; gives how many events, or customers swept, they were."""
        for turn in range(first, last):
            if self.event is None:
                shop.sweep()
            else:
                shop.write(self.event, range(turn * self.a_round, (turn + 1) * self.a_round))
                shop.take()
        return (last - first) * (shop.customers() if self.event is None else self.a_round)


Cases = Mapping[str, Case]
CASES: Cases = {
    "a customer's first event": Case("Product Viewed", 1, 1),
    "an event without a change": Case("Product Viewed", 1, 1),
    "an event with changes": Case("Order Completed", 1, 1),
    "a customer in a sweep": Case(None, 4, 2),
}
"""In this order, of the same customers: each goes on where the one before has left off."""


def _played(cases: Cases) -> Iterator[tuple[str, CountedShop, Callable[[], int]]]:
    """Each case warmed up, with what plays the rounds that count."""
    shop = CountedShop()
    for name, case in cases.items():
        case.play(shop, 0, case.warm)
        yield name, shop, partial(case.play, shop, case.warm, case.warm + case.counted)


def count_calls(cases: Cases = CASES) -> dict[str, Counts]:
    """Changes and calls of each case; of memory nothing."""
    found = {}
    for name, shop, play in _played(cases):
        calls, before = Calls(), shop.changes()
        with shop.watched(partial(counting, calls)):
            units = play()
        named = {place: round(n / units, 3) for place, n in sorted(calls.where().items()) if n / units >= _NAMED_FROM}
        found[name] = Counts(
            changes=round((shop.changes() - before) / units, 3),
            python_calls=round(calls.entered.total() / units, 3),
            c_calls=round(calls.outward.total() / units, 3),
            where=named,
        )
    return found


def count_memory(cases: Cases = CASES) -> dict[str, float]:
    """Blocks that the worker keeps for an event, or a customer, of each case once all is committed."""
    found = {}
    for name, shop, play in _played(cases):
        shop.empty_topics()
        before = blocks()
        units = play()
        shop.empty_topics()
        found[name] = round((blocks() - before) / units, 1) + 0.0
    return found


def count(cases: Cases = CASES) -> dict[str, Counts]:
    """Everything. Memory is counted in a shop of its own: the counter of calls would keep some."""
    calls, memory = count_calls(cases), count_memory(cases)
    return {name: msgspec.structs.replace(counts, blocks_kept=memory[name]) for name, counts in calls.items()}


def differences(expected: Mapping[str, Counts], found: Mapping[str, Counts]) -> list[str]:
    """A sentence for each figure that has moved by more than MARGIN: what, by how much, and where most of it."""
    told = [f"{name}: counted in one of the two only" for name in sorted(expected.keys() ^ found.keys())]
    for name in (name for name in expected if name in found):
        then, now = expected[name], found[name]
        for figure, (called, least) in _FIGURES.items():
            was, has = float(getattr(then, figure)), float(getattr(now, figure))
            if abs(has - was) > max(MARGIN * was, least):
                most = _most_moved(then.where, now.where) if "calls" in figure else ""
                told.append(
                    f"{name}: {called} {'grew' if has > was else 'fell'} from {was:g} to {has:g}{_percent(was, has)}{most}"
                )
    return told


def _percent(was: float, has: float) -> str:
    return f" ({(has / was - 1) * 100:+.0f} %)" if was > 0 else ""


def _most_moved(then: Mapping[str, float], now: Mapping[str, float]) -> str:
    by = {place: now.get(place, 0.0) - then.get(place, 0.0) for place in sorted(then.keys() | now.keys())}
    most = max(by, key=lambda place: abs(by[place]), default=None)
    return "" if most is None or not by[most] else f"; of all calls most in {most}, {by[most]:+.3f}"


def verdict(expected: Expected, found: Mapping[str, Counts]) -> str:
    """Nothing when all is as expected; else what has moved, and what to do."""
    told = differences(expected.of, found)
    if not told:
        return ""
    listed = "\n".join(f"- {sentence}" for sentence in told)
    return (
        f"What an event costs has moved by more than {MARGIN:.0%}:\n{listed}\nIf that was meant, commit what this writes: {RENEW}"
    )


def read_expected() -> Expected:
    """The committed file."""
    return msgspec.json.decode(EXPECTED.read_bytes(), type=Expected)


def main() -> None:
    """Compares, prints or renews; ends with 1 where something has moved."""
    parser = argparse.ArgumentParser(description=__doc__)
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--print", action="store_true", help="print the counts instead")
    instead.add_argument("--renew", action="store_true", help="write the file instead")
    asked, found = parser.parse_args(), count()
    if asked.print:
        print(msgspec.json.encode(found).decode(), flush=True)
    elif asked.renew:
        EXPECTED.write_bytes(msgspec.json.format(msgspec.json.encode(Expected(PYTHON, found)), indent=1) + b"\n")
    elif said := verdict(read_expected(), found):
        raise SystemExit(said)


if __name__ == "__main__":
    main()
