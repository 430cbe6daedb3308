"""Breaks a million inputs: `make fuzz INPUTS=1000000 SEED=1`.

python -m tests.fuzz.run --n 1000000 --seed 1 [--target "event decoder"]
"""

from __future__ import annotations

import argparse
import sys
import time
from random import Random

from tests.fuzz.targets import TARGETS, Target

_HANGS_S = 20.0


def fuzz(target: Target, n: int, seed: int) -> tuple[int, int, float]:
    """Inputs, how many were taken, and the longest time that one call took. Raises what the target raises."""
    rng = Random(f"{target.name} {seed}")
    tried = taken = 0
    longest = 0.0
    shown = time.monotonic()
    while tried < n:
        start = time.monotonic()
        state = rng.getstate()
        try:
            more, good = target.once(rng)
        except BaseException:
            rng.setstate(state)
            print(f"{target.name}: failed at input {tried:,} of seed {seed}", flush=True)
            raise
        tried, taken = tried + more, taken + good
        now = time.monotonic()
        longest = max(longest, now - start)
        if now - shown > 10:
            shown = now
            print(f"{target.name}: {tried:,} of {n:,}", file=sys.stderr, flush=True)
    return tried, taken, longest


def main(arguments: list[str] | None = None) -> int:
    """0 when nothing crashed, hung or took nonsense."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=(__doc__ or "").splitlines()[0])
    options.add_argument("--n", type=int, default=1_000_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--target", choices=[target.name for target in TARGETS])
    given = options.parse_args(arguments)
    total = 0
    for target in TARGETS:
        if given.target not in (None, target.name):
            continue
        start = time.monotonic()
        tried, taken, longest = fuzz(target, max(1, round(given.n * target.share)), given.seed)
        total += tried
        seconds = time.monotonic() - start
        print(f"{target.name}: {tried:,} inputs, {taken:,} taken, longest {longest:.2f} s, {seconds:.0f} s", flush=True)
        if longest > _HANGS_S:
            print(f"{target.name}: hangs", flush=True)
            return 1
    print(f"{total:,} inputs: no crash, no hang, no accepted nonsense", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
