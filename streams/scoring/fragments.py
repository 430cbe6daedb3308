"""The parts of changes and memberships that stay the same while the same champions and definitions decide, as encoded JSON.

A change has some forty values, of which a dozen vary; `streams.scoring.render` puts those between these fragments. A test
holds what comes out against the contract (`streams.contracts.changes`).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import msgspec

from models.champions import Champions
from models.definitions import Program
from models.features import CATALOGUE
from models.kernel.decide import HYSTERESIS
from models.kernel.tables import I8, U1
from models.row import CATEGORY_SLOTS, CHANNELS, FLAG_CONSENT, FLAG_HOLDOUT, SEGMENTATIONS
from models.taxonomy import Taxonomy
from streams.scoring.text import starts_of

SEGMENTATION_NAMES = (*SEGMENTATIONS, "micro")
_BEHAVIOUR, _AFFINITY = (SEGMENTATIONS.index(name) for name in ("behaviour", "affinity"))
IDS = 256
_json = msgspec.json.Encoder().encode
_FLAGS = [b',"holdout":%b,"consent":%b}' % (_json(bool(f & FLAG_HOLDOUT)), _json(bool(f & FLAG_CONSENT))) for f in range(256)]

FIXED = (
    b'{"id":"', b'","customer_id":"', b'","segmentation":"', b'","previous":', b',"current":', b"null", b'"}', b',"at":"',
    b',"scores":{"churn":', b',"purchase":', b',"value_365d":', b"}", b'},"recommend":{"channel":', b',"hour":',
    b',"categories":[', b'],"offer":', b',"items":[]}', b'{"customer_id":"', b'","at":"', b'","memberships":{', b'},"micro":[',
    b'],"scores":{"churn":', b',"last_changes":{', b'{"at":"', b'","previous":', b",", b"-", b'"', b'":',
)  # fmt: skip
(
    OPEN, CUSTOMER, SEGMENTATION, PREVIOUS, CURRENT, NULL, END, AT, CHURN, PURCHASE, VALUE, BRACE, RECOMMEND, HOUR,
    CATEGORIES, OFFER, ITEMS, MEMBER_OPEN, MEMBER_AT, MEMBERSHIPS, MICRO_LIST, MEMBER_SCORES, LAST_CHANGES, LAST_AT,
    LAST_PREVIOUS, COMMA, DASH, QUOTE, COLON,
) = range(len(FIXED))  # fmt: skip


class Fragments(NamedTuple):
    """All fragments in one buffer. Fragment f is text[starts[f] : starts[f + 1]]; the first ones are FIXED.

    names: of segmentation s at names + s. openings: of segment g of segmentation s, up to its since, at openings + 256 s + g;
    keys: its quoted key likewise. features: what opens the reason of feature j at features + 2 j, what stands between its
    value and its effect behind it. hysteresis, flags, channels, categories: by code, flags, channel + 1, category.
    offers: by place + 1 in the definitions. before_reasons, model: one each. favourites: how many categories a change names.
    """

    text: U1
    starts: I8
    names: int
    openings: int
    keys: int
    features: int
    hysteresis: int
    flags: int
    channels: int
    categories: int
    offers: int
    before_reasons: int
    model: int
    favourites: int


def fragments(champions: Champions, program: Program, taxonomy: Taxonomy) -> Fragments:
    """The fragments for one set of champions and definitions."""
    pieces: list[bytes] = list(FIXED)

    def add(more: list[bytes]) -> int:
        pieces.extend(more)
        return len(pieces) - len(more)

    segments = [_segments(s, champions, program, taxonomy) for s in range(len(SEGMENTATION_NAMES))]
    thresholds = b'{"churn":%b,"purchase":%b,"value_365d":%b}' % tuple(map(_number, champions.thresholds))
    versions = {str(family): version for family, version in champions.versions.items()} or None
    names = add([name.encode() for name in SEGMENTATION_NAMES])
    openings = add([opening for known in segments for opening, _ in known])
    keys = add([key for known in segments for _, key in known])
    features = add(
        [
            piece
            for feature, usual in zip(CATALOGUE, champions.median.tolist(), strict=True)
            for piece in (
                b'{"feature":%b,"label":%b,"value":' % (_json(feature.name), _json(feature.label)),
                b',"usual":%b,"effect":' % _number(usual),
            )
        ]
    )
    return Fragments(
        names=names,
        openings=openings,
        keys=keys,
        features=features,
        hysteresis=add([b'],"hysteresis":"%b"' % name.encode() for name in HYSTERESIS]),
        flags=add(_FLAGS),
        channels=add([b"null", *(_json(channel) for channel in CHANNELS)]),
        categories=add([_json(slug) for slug in (*taxonomy.categories, *[""] * (CATEGORY_SLOTS - len(taxonomy.categories)))]),
        offers=add([b"null", *(_json(one.offer) for one in program.definitions.recommend.offers)]),
        favourites=program.definitions.recommend.categories,
        before_reasons=add([b',"thresholds":%b,"reasons":[' % thresholds]),
        model=add([b',"model":%b,"definitions":%b' % (_json(versions), _json(program.hash[:12]))]),
        **dict(zip(("text", "starts"), starts_of(pieces), strict=True)),  # type: ignore[arg-type]
    )


def _segments(s: int, champions: Champions, program: Program, taxonomy: Taxonomy) -> list[tuple[bytes, bytes]]:
    """What opens a membership, and the quoted key, by segment id: 256 of them."""
    if s == _BEHAVIOUR:
        named = champions.cluster_names
        known = [(f"kind-{i}", named.get(i, f"Kind {i}")) for i in range(max(named, default=-1) + 1)]
    elif s == _AFFINITY:
        template = program.definitions.affinity.name
        known = [("", "")]
        for slug, name in zip(taxonomy.categories, taxonomy.category_names, strict=False):
            known.append((f"loves:{slug}", template.format(category=name)))
    else:
        known = [
            (key, name or key.removesuffix(":*").capitalize())
            for key, name in zip(program.keys[s], program.names[s], strict=True)
        ]
    unknown = _unknown(s)
    return [*(_opened(*one) if one[0] else unknown[i] for i, one in enumerate(known)), *unknown[len(known) :]]


@cache
def _unknown(s: int) -> list[tuple[bytes, bytes]]:
    """The same of those whom nothing names: a change of definitions may leave customers in a segment that is no more, until
    it moves them."""
    if s == _BEHAVIOUR:
        return [_opened(f"kind-{i}", f"Kind {i}") for i in range(IDS)]
    return [_opened(f"{SEGMENTATION_NAMES[s]}-{i}", f"Former segment {i}") for i in range(IDS)]


def _opened(key: str, name: str) -> tuple[bytes, bytes]:
    quoted = _json(key)
    return b'{"segment":%b,"name":%b,"since":"' % (quoted, _json(name)), quoted


def _number(value: float | None) -> bytes:
    return b"null" if value is None or value != value else b"%.6g" % value
