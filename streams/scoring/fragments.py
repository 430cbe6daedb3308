"""The parts of a change event that stay the same while the same champions and definitions decide, as encoded JSON.

A change has some forty values, of which a dozen vary. Encoding only those costs a fifth of encoding the whole; a test
holds what comes out against the contract (`streams.contracts.changes.Change`).
"""

from __future__ import annotations

from functools import cache

import msgspec

from models.champions import Champions
from models.definitions import Program
from models.features import CATALOGUE
from models.row import SEGMENTATIONS
from models.taxonomy import Taxonomy

SEGMENTATION_NAMES = (*SEGMENTATIONS, "micro")
_BEHAVIOUR, _AFFINITY = SEGMENTATIONS.index("behaviour"), SEGMENTATIONS.index("affinity")
_IDS = 256
_json = msgspec.json.Encoder().encode


def number(value: float) -> bytes:
    """Six significant digits, or null for what is not a number."""
    return b"%.6g" % value if value == value else b"null"


class Fragments:
    """Encoded pieces for one set of champions and definitions."""

    def __init__(self, champions: Champions, program: Program, taxonomy: Taxonomy) -> None:
        self._names = [_segments(s, champions, program, taxonomy) for s in range(len(SEGMENTATION_NAMES))]
        churn, purchase, high = (float("nan") if v is None else v for v in champions.thresholds)
        thresholds = scores(churn, purchase, high)
        model = _json({str(f): v for f, v in champions.versions.items()}) if champions.versions else b"null"
        self.before_reasons = b',"thresholds":' + thresholds + b',"reasons":['
        self.model = b',"model":' + model + b',"definitions":' + _json(program.hash[:12])
        self.reasons = [
            (
                b'{"feature":' + _json(feature.name) + b',"label":' + _json(feature.label) + b',"value":',
                b',"usual":' + number(usual) + b',"effect":',
            )
            for feature, usual in zip(CATALOGUE, champions.median.tolist(), strict=True)
        ]
        self.move = cache(self._move)
        self.member = cache(self._member)

    def key(self, s: int, segment: int) -> str:
        """The stable key of a segment."""
        return self._names[s][segment][0]

    def _opening(self, s: int, segment: int) -> bytes:
        key, name = self._names[s][segment]
        return b'{"segment":' + _json(key) + b',"name":' + _json(name) + b',"since":"'

    def _move(self, s: int, previous: int, current: int) -> tuple[bytes, bytes, bytes]:
        """What stands before the previous since, between the two, and behind the current one."""
        first = b',"segmentation":' + _json(SEGMENTATION_NAMES[s]) + b',"previous":'
        between = b'"},"current":'
        if previous:
            first += self._opening(s, previous)
        else:
            between = b'null,"current":'
        if current:
            return first, between + self._opening(s, current), b'"},"at":"'
        return first, between + b"null", b',"at":"'

    def _member(self, s: int, segment: int) -> bytes:
        """A membership up to its since."""
        return self._opening(s, segment)


def scores(churn: float, purchase: float, value: float) -> bytes:
    """A `Scores` object."""
    return b'{"churn":%b,"purchase":%b,"value_365d":%b}' % (number(churn), number(purchase), number(value))


def _segments(s: int, champions: Champions, program: Program, taxonomy: Taxonomy) -> list[tuple[str, str]]:
    """Key and name by segment id."""
    if s == _BEHAVIOUR:
        return [(f"kind-{i}", champions.cluster_names.get(i, f"Kind {i}")) for i in range(_IDS)]
    if s == _AFFINITY:
        template = program.definitions.affinity.name
        slots = [
            (f"loves:{slug}", template.format(category=name))
            for slug, name in zip(taxonomy.categories, taxonomy.category_names, strict=False)
        ]
        return [("", ""), *slots]
    named = [(key, name or key) for key, name in zip(program.keys[s], program.names[s], strict=True)]
    # A definitions change may leave customers in a segment that is no more, until it moves them.
    return named + [(f"{SEGMENTATION_NAMES[s]}-{i}", f"Former segment {i}") for i in range(len(named), _IDS)]
