"""Selectors name a segment across segmentations: `lifecycle:at_risk`, or `affinity:*` for any segment of one."""

from __future__ import annotations

from typing import Final

from models.definitions.expression import nearest
from models.definitions.segments import RULED, Definitions
from models.row import SEGMENTATIONS

MICRO: Final = len(SEGMENTATIONS)
"""The index of micro-segments, after those of `models.row.SEGMENTATIONS`."""

ANY: Final = 0
_NAMED: Final = {**{name: i for i, name in enumerate(SEGMENTATIONS) if name != "primary"}, "micro": MICRO}


def segment_keys(definitions: Definitions) -> tuple[tuple[str, ...], ...]:
    """Keys by segmentation (MICRO last) and segment id; "" for id 0, free ids, and what is not written down here.

    Of `primary`, the selectors in order of priority: its id is the place in that list, from 1. Clusters and favourite
    categories have their names elsewhere.
    """
    keys: list[tuple[str, ...]] = []
    for segmentation in SEGMENTATIONS:
        if segmentation in RULED:
            keys.append(("", *(segment.key for segment in definitions.ruled(segmentation).segments)))
        elif segmentation == "primary":
            keys.append(("", *definitions.primary.priority))
        else:
            keys.append(("",))
    return (*keys, _by_id({segment.id: segment.key for segment in definitions.micro.segments}))


def segment_names(definitions: Definitions) -> tuple[tuple[str, ...], ...]:
    """Names by segmentation and id, shaped like `segment_keys`; of `primary`, "" where the selector is for any."""
    keys = segment_keys(definitions)
    names: list[tuple[str, ...]] = []
    for segmentation in SEGMENTATIONS:
        if segmentation in RULED:
            names.append(("", *(segment.name for segment in definitions.ruled(segmentation).segments)))
        else:
            names.append(("",))
    names.append(_by_id({segment.id: segment.name for segment in definitions.micro.segments}))
    primary = [""]
    for selector in definitions.primary.priority:
        found = resolve(selector, keys)
        primary.append("" if isinstance(found, str) else names[found[0]][found[1]])
    names[SEGMENTATIONS.index("primary")] = tuple(primary)
    return tuple(names)


def _by_id(texts: dict[int, str]) -> tuple[str, ...]:
    return tuple(texts.get(i, "") for i in range(max(texts, default=0) + 1))


def resolve(selector: str, keys: tuple[tuple[str, ...], ...]) -> tuple[int, int] | str:
    """(segmentation, segment id or ANY) of a selector, given `segment_keys`; else the fault, as a sentence."""
    segmentation, colon, key = selector.partition(":")
    if not colon or not key:
        return f"{selector!r} must be written as segmentation:segment, such as lifecycle:at_risk or affinity:*"
    if segmentation not in _NAMED:
        return f"{selector!r} names an unknown segmentation; the nearest known: {nearest(segmentation, tuple(_NAMED))}"
    s = _NAMED[segmentation]
    if key == "*":
        return s, ANY
    if segmentation not in RULED and segmentation != "micro":
        return f"{selector!r}: the segments of {segmentation} are not written down here; write {segmentation}:*"
    known = tuple(filter(None, keys[s]))
    if key not in known:
        hint = f"the nearest known: {nearest(key, known)}" if known else f"{segmentation} has none"
        return f"{selector!r} names an unknown segment; {hint}"
    return s, keys[s].index(key)
