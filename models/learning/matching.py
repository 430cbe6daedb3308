"""Keep the ids of kinds of customers over re-seedings: each new centre takes the id of the old one it continues.

Source: H. W. Kuhn, "The Hungarian method for the assignment problem" (1955), as scipy has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from models.learning.batch import F8
from models.learning.scoring import squared_distances

MOST: Final = 255


class Matched(NamedTuple):
    """Ids of the new centres, in their order; those born and those that ended."""

    ids: list[int]
    born: list[int]
    ended: list[int]


def match(old: F8, old_ids: Sequence[int], new: F8, last_id: int) -> Matched:
    """Matches centres [k, d] of one frame. A pair counts if it is within half the distance that old centres have at least.

    Up to the whole of that distance it counts if each is the other's nearest: then it has moved.

    A new id follows `last_id`, the last one given, so that an ended kind's id is not taken up again soon.
    """
    if not len(old):
        ids = [(last_id + i) % MOST + 1 for i in range(len(new))]
        return Matched(ids, list(ids), [])
    distances = squared_distances(new, old)
    rows, columns = linear_sum_assignment(distances)
    between = squared_distances(old, old)
    reach = float(between[np.triu_indices(len(old), 1)].min()) if len(old) > 1 else np.inf
    pairs = {
        int(r): int(old_ids[c])
        for r, c in zip(rows.tolist(), columns.tolist(), strict=True)
        if distances[r, c] <= 0.25 * reach
        or (distances[r, c] < reach and distances[r].argmin() == c and distances[:, c].argmin() == r)
    }
    ids, born, given = [], [], last_id
    taken = set(old_ids)
    for r in range(len(new)):
        if r in pairs:
            ids.append(pairs[r])
            continue
        given = given % MOST + 1
        while given in taken:
            given = given % MOST + 1
        taken.add(given)
        ids.append(given)
        born.append(given)
    return Matched(ids, born, [i for i in old_ids if i not in ids])
