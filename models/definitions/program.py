"""Compiles definitions into the arrays that the kernel runs. New definitions are new arrays of the same types."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.definitions import opcodes
from models.definitions.postfix import Rule, compile_rule
from models.definitions.schema import decode_definitions, encode_definitions
from models.definitions.segments import RULED, Definitions
from models.definitions.selectors import resolve, segment_keys, segment_names
from models.errors import DefinitionsError
from models.row import SEGMENTATIONS
from models.snapshot import content_hash

RULE_FEATURES = 8

_WITH_CONSTANT = (opcodes.COMPARE_CONST, opcodes.COMPARE_SCALED, opcodes.CONSTANT)


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Definitions as the kernel runs them. No array is empty: lines that nothing refers to fill them up.

    code [n, 2], consts [m]: instructions of all rules (`models.definitions.opcodes`).
    rules [R, 7]: segmentation (7: micro), segment id, start and stop of `when`, of `hold` (-1 if none), confirmations;
    in order of segmentation, then of the file. Those of segmentation s are ranges[s] to ranges[s + 1]; ranges [9].
    rule_features [R, 8]: variables that `when` names, in order of appearance, then -1.
    confirmations [7]: what a move needs by segmentation. affinity [2]: min_share, min_weight;
    affinity_name: a template with {category}.
    priority [P, 2]: segmentation and segment id (0: any) for `primary`, whose id is the line + 1; -1 fills up.
    offers [O, 2]: segmentation and segment id (0: any) of `recommend.offers`, in order; -1 fills up.
    keys, names: texts by segmentation (0 to 7) and segment id, "" where this document does not say.
    stack: room that `evaluate` needs. hash: SHA-256 of `encode_definitions`.
    """

    code: NDArray[np.int32]
    consts: NDArray[np.float64]
    rules: NDArray[np.int32]
    ranges: NDArray[np.int32]
    rule_features: NDArray[np.int32]
    confirmations: NDArray[np.int32]
    affinity: NDArray[np.float64]
    affinity_name: str
    priority: NDArray[np.int32]
    offers: NDArray[np.int32]
    keys: tuple[tuple[str, ...], ...]
    names: tuple[tuple[str, ...], ...]
    hash: str
    stack: int
    definitions: Definitions


@dataclass(frozen=True, slots=True, eq=False)
class Assembly:
    """Rules as arrays: code int32 [n, 2], consts float64 [m], and where each rule starts and stops in the code."""

    code: NDArray[np.int32]
    consts: NDArray[np.float64]
    spans: tuple[tuple[int, int], ...]


def assemble(rules: Sequence[Rule]) -> Assembly:
    """Puts rules one behind the other; constants that are equal bit for bit share a place.

    Raises DefinitionsError if they hold more different numbers than an instruction can name.
    """
    code: list[tuple[int, int]] = []
    places: dict[bytes, int] = {}
    consts: list[float] = []
    spans = []
    for rule in rules:
        start = len(code)
        for one in rule.instructions:
            place = 0
            if one.operation in _WITH_CONSTANT:
                place = places.setdefault(struct.pack("<d", one.constant), len(consts))
                if place == len(consts):
                    consts.append(one.constant)
            code.append((one.operation | one.flags << 8 | one.i << 16 | one.j << 24, place | one.jump << 16))
        spans.append((start, len(code)))
    if len(consts) > opcodes.MOST_CONSTANTS:
        raise DefinitionsError(
            "rules", [f"{len(consts)} different numbers; at most {opcodes.MOST_CONSTANTS}: use fewer, or round them"]
        )
    return Assembly(np.array(code or [(0, 0)], np.int32), np.array(consts or [0.0], np.float64), tuple(spans))


def compile_definitions(definitions: Definitions) -> Program:
    """The program of these definitions. Raises DefinitionsError with every fault, however they were made."""
    data = encode_definitions(definitions)
    definitions = decode_definitions(data, definitions.name)
    compiled: list[Rule] = []
    lines: list[tuple[int, int, int, int, int]] = []  # segmentation, segment, places of when and hold, confirmations
    ranges = []
    for s, segmentation in enumerate((*SEGMENTATIONS, "micro")):
        ranges.append(len(lines))
        for segment, when, hold, confirmations in _rules_of(definitions, segmentation):
            place = len(compiled)
            compiled.append(compile_rule(when, "when"))
            if hold is not None:
                compiled.append(compile_rule(hold, "hold"))
            lines.append((s, segment, place, -1 if hold is None else place + 1, confirmations))
    ranges.append(len(lines))
    assembly = assemble(compiled)
    spans = (*assembly.spans, (-1, -1))
    rules = [(s, segment, *spans[when], *spans[hold], n) for s, segment, when, hold, n in lines]
    named = [compiled[when].variables[:RULE_FEATURES] for _, _, when, _, _ in lines]
    features = [(*some, *[-1] * (RULE_FEATURES - len(some))) for some in named]
    keys = segment_keys(definitions)
    return Program(
        code=assembly.code,
        consts=assembly.consts,
        rules=np.array(rules or [(-1, 0, 0, 0, -1, -1, 1)], np.int32),
        ranges=np.array(ranges, np.int32),
        rule_features=np.array(features or [(-1,) * RULE_FEATURES], np.int32),
        confirmations=_confirmations(definitions),
        affinity=np.array([definitions.affinity.min_share, definitions.affinity.min_weight], np.float64),
        affinity_name=definitions.affinity.name,
        priority=_places(definitions.primary.priority, keys),
        offers=_places([offer.segment for offer in definitions.recommend.offers], keys),
        keys=keys,
        names=segment_names(definitions),
        hash=content_hash(data),
        stack=max((rule.stack for rule in compiled), default=0),
        definitions=definitions,
    )


def _rules_of(definitions: Definitions, segmentation: str) -> list[tuple[int, str, str | None, int]]:
    """(segment id, when, hold, confirmations) of each rule of a segmentation, in order."""
    if segmentation == "micro":
        return [(segment.id, segment.when, segment.hold, 1) for segment in definitions.micro.segments]
    if segmentation not in RULED:
        return []
    ruled = definitions.ruled(segmentation)
    return [
        (place, segment.when, segment.hold, segment.confirmations or ruled.confirmations)
        for place, segment in enumerate(ruled.segments, 1)
    ]


def _confirmations(definitions: Definitions) -> NDArray[np.int32]:
    needed = []
    for segmentation in SEGMENTATIONS:
        if segmentation in RULED:
            needed.append(definitions.ruled(segmentation).confirmations)
        elif segmentation == "behaviour":
            needed.append(definitions.behaviour.confirmations)
        elif segmentation == "affinity":
            needed.append(definitions.affinity.confirmations)
        else:
            needed.append(1)
    return np.array(needed, np.int32)


def _places(selectors: Sequence[str], keys: tuple[tuple[str, ...], ...]) -> NDArray[np.int32]:
    """Segmentation and segment id of each selector, line by line."""
    found = [resolve(selector, keys) for selector in selectors]
    return np.array([(-1, 0) if isinstance(place, str) else place for place in found] or [(-1, 0)], np.int32)
