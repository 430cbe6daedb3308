"""`make quality`: how well the kinds found agree with simulated personas, whose truth is known.

    python -m tests.quality.personas --customers 20000 --days 75 --seed 4

Prints the adjusted Rand index of `behaviour` against the truth, with the kinds' names and their personas; status 1 below .8.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

import numpy as np

from models.learning.config import DAY_MS
from models.row import ROW, SEGMENTATIONS
from streams.simulator.generate import generate_events, truth
from streams.simulator.population import Config
from tests.quality.engine_run import Played, play, rand_index

WANTED = 0.8


def played(shop: Config) -> Played:
    """The shop's days, through the engine and the learner."""
    days = enumerate(generate_events(shop))
    return play((shop.start_ms + (number + 1) * DAY_MS, events) for number, events in days)


def memberships(shop: Config, played: Played) -> tuple[np.ndarray, np.ndarray]:
    """Persona and kind of each customer, as the engine has it."""
    ids = played.engine.table.ids
    personas = {line.customer.encode(): line.persona for line in truth(shop)}
    images = played.engine.table.rows.u1[: len(ids)]
    segments = np.frombuffer(images, ROW)["segment"][:, SEGMENTATIONS.index("behaviour")]
    return np.array([personas[i] for i in ids]), segments


def main() -> int:
    """0 when the index is what is wanted."""
    options = argparse.ArgumentParser(prog="make quality", description=(__doc__ or "").splitlines()[0])
    options.add_argument("--customers", type=int, default=20_000)
    options.add_argument("--days", type=int, default=75)
    options.add_argument("--seed", type=int, default=4)
    given = options.parse_args()
    shop = Config(customers=given.customers, days=given.days, seed=given.seed)
    found = played(shop)
    personas, segments = memberships(shop, found)
    for kind in found.kinds().clusters:
        who = Counter(personas[segments == kind.id].tolist()).most_common(3)
        print(f"{kind.name:50s} {', '.join(f'{n:,} {persona}' for persona, n in who)}")
    index = rand_index(personas, segments)
    print(f"{len(personas):,} customers, {given.days} days: adjusted Rand index {index:.3f}")
    return 0 if index >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
