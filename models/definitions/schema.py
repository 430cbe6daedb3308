"""Reads definitions from TOML, or from their record in the topic `models`, with every fault at once; writes records."""

from __future__ import annotations

import msgspec

from models.definitions.postfix import compile_rule
from models.definitions.reading import Table, read_toml
from models.definitions.segments import (
    MOST_CATEGORIES,
    MOST_CONFIRMATIONS,
    MOST_MICRO,
    MOST_SEGMENTS,
    Affinity,
    Behaviour,
    Definitions,
    Micro,
    MicroSegment,
    Offer,
    Primary,
    Recommend,
    Ruled,
    Segment,
)
from models.definitions.selectors import resolve, segment_keys
from models.errors import UNREADABLE, DefinitionsError

_MOST_RULE = 10_000
"""Rules are measured by the compiler, whose fault says more."""

_encoder = msgspec.json.Encoder(order="deterministic")


def parse_definitions(text: str, where: str) -> Definitions:
    """Definitions written in TOML. Raises DefinitionsError, which names `where` and lists every fault."""
    return _read(read_toml(text, where), where)


def encode_definitions(definitions: Definitions) -> bytes:
    """Canonical JSON: the record in the topic `models`, whose SHA-256 is its key."""
    return _encoder.encode(definitions)


def decode_definitions(data: bytes, where: str = "definitions") -> Definitions:
    """The definitions of a record, checked like a file. Raises DefinitionsError with every fault."""
    try:
        content = msgspec.json.decode(data)
    except UNREADABLE as error:
        raise DefinitionsError(where, [f"not JSON: {error}"]) from error
    return _read(content, where)


def _read(content: object, where: str) -> Definitions:
    faults: list[str] = []
    top = Table(content, "", faults)
    definitions = Definitions(
        version=top.integer("version", 1, 1_000_000),
        name=top.text("name", most=100),
        lifecycle=_ruled(top.table("lifecycle")),
        value=_ruled(top.table("value")),
        intent=_ruled(top.table("intent")),
        offer=_ruled(top.table("offer")),
        behaviour=_behaviour(top.table("behaviour")),
        affinity=_affinity(top.table("affinity")),
        micro=_micro(top.table("micro")),
        primary=_primary(top.table("primary")),
        recommend=_recommend(top.table("recommend")),
    )
    top.close()
    keys = segment_keys(definitions)
    for selector in definitions.primary.priority:
        _note_selector(faults, "primary.priority", resolve(selector, keys))
    for offer in definitions.recommend.offers:
        _note_selector(faults, "recommend.offers", resolve(offer.segment, keys))
    if faults:
        raise DefinitionsError(where, faults)
    return definitions


def _note_selector(faults: list[str], path: str, found: tuple[int, int] | str) -> None:
    if isinstance(found, str):
        faults.append(f"{path}: {found}")


def _rule(table: Table, field: str, needed: bool) -> str | None:
    """The text of a rule, compiled once for its faults."""
    text = table.text(field, None if needed else "", most=_MOST_RULE)
    if text:
        try:
            compile_rule(text, field)
        except DefinitionsError as error:
            for fault in error.faults:
                table.note(f"{field}: {fault}")
    return text or None


def _ruled(table: Table) -> Ruled:
    segments = []
    confirmations = table.integer("confirmations", 1, MOST_CONFIRMATIONS, 1)
    for entry in table.tables("segments"):
        own = entry.integer("confirmations", 1, MOST_CONFIRMATIONS, 0)
        segments.append(
            Segment(
                key=entry.key("key"),
                name=entry.text("name", most=100),
                description=entry.text("description"),
                when=_rule(entry, "when", True) or "",
                hold=_rule(entry, "hold", False),
                confirmations=own or None,
            )
        )
        entry.close()
    if len(segments) > MOST_SEGMENTS:
        table.note(f"{len(segments)} segments; at most {MOST_SEGMENTS}")
    _distinct(table, "key", [segment.key for segment in segments])
    table.close()
    return Ruled(tuple(segments), confirmations)


def _behaviour(table: Table) -> Behaviour:
    behaviour = Behaviour(table.integer("confirmations", 1, MOST_CONFIRMATIONS, Behaviour().confirmations))
    table.close()
    return behaviour


def _affinity(table: Table) -> Affinity:
    usual = Affinity()
    affinity = Affinity(
        min_share=table.number("min_share", 0.0, 1.0, usual.min_share),
        min_weight=table.number("min_weight", 0.0, 1e9, usual.min_weight),
        confirmations=table.integer("confirmations", 1, MOST_CONFIRMATIONS, usual.confirmations),
        name=table.text("name", usual.name, most=100),
    )
    rest = affinity.name.replace("{category}", "", 1)
    if rest == affinity.name or "{" in rest or "}" in rest:
        table.note("name must hold {category} once, and no other braces")
    table.close()
    return affinity


def _micro(table: Table) -> Micro:
    segments = []
    for entry in table.tables("segments"):
        segments.append(
            MicroSegment(
                id=entry.integer("id", 1, MOST_MICRO),
                key=entry.key("key"),
                name=entry.text("name", most=100),
                description=entry.text("description"),
                when=_rule(entry, "when", True) or "",
                approved_by=entry.text("approved_by", most=100),
                hold=_rule(entry, "hold", False),
            )
        )
        entry.close()
    _distinct(table, "key", [segment.key for segment in segments])
    _distinct(table, "id", [str(segment.id) for segment in segments])
    table.close()
    return Micro(tuple(segments))


def _primary(table: Table) -> Primary:
    priority = table.texts("priority", needed=False)
    if len(priority) > MOST_SEGMENTS:
        table.note(f"priority has {len(priority)} entries; at most {MOST_SEGMENTS}")
    table.close()
    return Primary(priority)


def _recommend(table: Table) -> Recommend:
    offers = []
    categories = table.integer("categories", 0, MOST_CATEGORIES, Recommend().categories)
    for entry in table.tables("offers"):
        offers.append(Offer(segment=entry.text("segment", most=100), offer=entry.text("offer", most=200)))
        entry.close()
    table.close()
    return Recommend(categories, tuple(offers))


def _distinct(table: Table, what: str, values: list[str]) -> None:
    for value in dict.fromkeys(value for value in values if value and values.count(value) > 1):
        table.note(f"{values.count(value)} segments have the {what} {value!r}; each needs its own")
