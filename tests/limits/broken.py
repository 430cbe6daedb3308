"""Definitions as nobody should write them, made from good ones: records of `models` that a worker must refuse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from models.definitions import Definitions, encode_definitions
from models.snapshot import content_hash
from streams.contracts.keys import DEFINITIONS_IN_FORCE, definitions_key
from streams.contracts.status import Status

Record = tuple[bytes, bytes | None]
_AT = 1_700_000_000_000
_DEEP = 100_000
_HUGE = 900_000
"""Bytes: a little less than a broker takes."""


@dataclass(frozen=True, slots=True)
class Broken:
    """what: in a few words. records: as they are written. refused: how many of them are refused by themselves.

    A pointer to what is not there is refused by nobody: what it names may still come.
    """

    what: str
    records: Sequence[Record] = field(repr=False)
    refused: int = 1


def _named(data: bytes) -> Record:
    """Under its own hash, as it should be."""
    return definitions_key(content_hash(data)), data


def in_force(name: str) -> Record:
    """The record that says that definitions of this hash decide."""
    return DEFINITIONS_IN_FORCE, msgspec.json.encode(Status(name, "limits", _AT))


def _altered(good: bytes, old: bytes, new: bytes) -> bytes:
    if old not in good:
        raise ValueError(f"the definitions do not have {old!r}")
    return good.replace(old, new, 1)


def broken(definitions: Definitions) -> Iterator[Broken]:
    """All of them."""
    good = encode_definitions(definitions)
    when = b'"when":"orders == 0"'
    for what, data in (
        ("no JSON", b"version = 1"),
        ("no text", _altered(good, b'"name":"', b'"name":"\xff')),
        ("cut off", good[: len(good) // 2]),
        ("another kind of JSON", b"[1,2,3]"),
        ("deep", b"[" * _DEEP),
        ("a rule that runs a program", _altered(good, when, b'"when":"__import__(\'os\').abort()"')),
        ("a rule of an unknown feature", _altered(good, when, b'"when":"shoe_size > 40"')),
        ("a rule that does not end", _altered(good, when, b'"when":"orders == ("')),
        ("a rule that is far too long", _altered(good, when, b'"when":"orders' + b" + orders" * 1_000 + b' == 0"')),
        ("a rule that is no text", _altered(good, when, b'"when":7')),
        ("a field that nobody knows", _altered(good, b'"version":', b'"colour":"red","version":')),
        ("a version that is no number", _altered(good, b'"version":', b'"version":"one","was":')),
        ("the same segment twice", _altered(good, b'"key":"new"', b'"key":"visitor"')),
        ("huge", _altered(good, b'"name":"', b'"name":"' + b"x" * _HUGE)),
        ("ten thousand segments", _altered(good, b'"segments":[', b'"segments":[' + _segments(10_000))),
    ):
        # Whoever puts them in force as well does not change that they are refused.
        name, record = content_hash(data), _named(data)
        yield Broken(what, [record, in_force(name)])
    yield Broken("under another's hash", [(definitions_key("0" * 64), good), in_force("0" * 64)])
    yield Broken("removed", [(definitions_key("1" * 64), None), in_force("1" * 64)], 0)
    yield Broken("a pointer to what is not there", [in_force("2" * 64)], 0)
    for what, pointer in (
        ("a pointer that is no JSON", b"the good ones"),
        ("a pointer that is no text", b'{"hash":"\xff","by":"limits","at":1}'),
        ("a pointer without a hash", b'{"by":"limits","at":1}'),
        ("a pointer that is deep", b'{"hash":"x","by":"limits","at":1,"more":' + b"[" * _DEEP + b"]" * _DEEP + b"}"),
        ("a pointer that is nothing", b""),
    ):
        yield Broken(what, [(DEFINITIONS_IN_FORCE, pointer)])
    yield Broken("a pointer that was removed", [(DEFINITIONS_IN_FORCE, None)], 0)


def _segments(n: int) -> bytes:
    return b"".join(b'{"key":"s%d","name":"S","description":"","when":"orders == 0"},' % k for k in range(n))
