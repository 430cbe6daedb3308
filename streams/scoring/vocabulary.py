"""The names that an event is searched for, as arrays: where each may stand, what it must hold, and what its text means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from models.ids import Ids
from models.kernel.jit import flat
from models.kernel.tables import I4, I8, U1, U4, U8, Int
from models.taxonomy import Taxonomy
from streams.scoring.text import starts_of

TEXT, AMOUNT, OBJECT = range(3)
TOP, PROPERTIES, CONTEXT, DEVICE, CAMPAIGN = range(5)
PARENTS = np.array([TOP, TOP, TOP, CONTEXT, CONTEXT])
"""The object in which each of these stands."""

_ENVELOPE = (
    ("type", TOP, TEXT, TOP, False), ("event", TOP, TEXT, TOP, True), ("timestamp", TOP, TEXT, TOP, False),
    ("userId", TOP, TEXT, TOP, True), ("anonymousId", TOP, TEXT, TOP, True), ("messageId", TOP, TEXT, TOP, True),
    ("properties", TOP, OBJECT, PROPERTIES, False), ("context", TOP, OBJECT, CONTEXT, False),
    ("device", CONTEXT, OBJECT, DEVICE, True), ("campaign", CONTEXT, OBJECT, CAMPAIGN, True),
    ("type", DEVICE, TEXT, DEVICE, True), ("medium", CAMPAIGN, TEXT, CAMPAIGN, True),
)  # fmt: skip
TYPE, EVENT, TIMESTAMP, USER, ANONYMOUS, MESSAGE = range(6)
DEVICE_TYPE, MEDIUM = 10, 11
_BUCKETS = 256
UNKNOWN = -1


class Names(NamedTuple):
    """Fields by name: text[starts[f] : starts[f + 1]] in an object levels[f]; kinds: TEXT, AMOUNT, or OBJECT, which is opens[f].

    nullable: 1 if null counts as absent. buckets: first field of a bucket, following: the next one in it, or -1.
    """

    text: U1
    starts: I8
    levels: I4
    kinds: U1
    opens: I4
    nullable: U1
    buckets: I4
    following: I4


class Words(NamedTuple):
    """Texts and what they mean, found as in `models.kernel.index`: codes[row]."""

    slots: I4
    hashes: U8
    text: U1
    ends: U4
    codes: I4


class Vocabulary(NamedTuple):
    """Names, the texts that mean something, and the fields that are money and so on, in order of preference."""

    names: Names
    calls: Words
    behaviours: Words
    categories: Words
    channels: Words
    money: I4
    discount: I4
    coupon: I4
    category: I4
    channel: I4


@flat
def bucket(level: Int, length: Int, first: Int, last: Int) -> Int:
    """Where a name is looked for; names that share a bucket are compared."""
    return (level * 53 + length * 31 + first * 7 + last) & (_BUCKETS - 1)


def vocabulary(taxonomy: Taxonomy, calls: Sequence[str]) -> Vocabulary:
    """What a taxonomy searches events for; calls: what `type` may be."""
    fields = list(_ENVELOPE)
    places: dict[str, int] = {}
    amounts = (*taxonomy.money, *taxonomy.discount)
    for name in dict.fromkeys((*amounts, *taxonomy.coupon, *taxonomy.category, *taxonomy.channel)):
        places[name] = len(fields)
        fields.append((name, PROPERTIES, AMOUNT if name in amounts else TEXT, PROPERTIES, True))

    def placed(names: tuple[str, ...]) -> I4:
        return np.array([places[name] for name in names], np.int32)

    return Vocabulary(
        _names(fields),
        _words(dict.fromkeys(calls, 0)),
        _words(taxonomy.behaviour_codes),
        _words(taxonomy.category_codes),
        _words(taxonomy.channel_codes),
        placed(taxonomy.money),
        placed(taxonomy.discount),
        placed(taxonomy.coupon),
        placed(taxonomy.category),
        placed(taxonomy.channel),
    )


def _names(fields: Sequence[tuple[str, int, int, int, bool]]) -> Names:
    encoded = [name.encode() for name, *_ in fields]
    buckets, following = np.full(_BUCKETS, UNKNOWN, np.int32), np.full(len(fields), UNKNOWN, np.int32)
    for f, (_, level, *_) in enumerate(fields):
        name = encoded[f]
        b = int(bucket(level, len(name), name[0] if name else 0, name[-1] if name else 0))
        following[f], buckets[b] = buckets[b], f
    levels, kinds, opens, nullable = zip(*(rest for _, *rest in fields), strict=True)
    return Names(
        *starts_of(encoded), np.array(levels, np.int32), np.array(kinds, np.uint8), np.array(opens, np.int32),
        np.array(nullable, np.uint8), buckets, following,
    )  # fmt: skip


def _words(codes: Mapping[str, int]) -> Words:
    ids = Ids()
    known = [word.encode() for word in codes if word]
    ids.locate(known)
    return Words(*ids.searched(), np.array([codes[word.decode()] for word in known] or [UNKNOWN], np.int32))
