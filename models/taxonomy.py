"""The taxonomy: what a shop's event names, categories and channels mean, and where an event keeps its money.

Everything is looked up by exact text, once an event; so each name is there in its usual spellings beforehand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Final

import msgspec

from models.definitions.expression import nearest
from models.definitions.reading import KEY, Table, read_toml
from models.errors import UNREADABLE, DefinitionsError
from models.row import BEHAVIOURS, CATEGORY_SLOTS, CHANNELS
from models.snapshot import content_hash

OTHER_CATEGORY: Final = CATEGORY_SLOTS - 1
"""The slot of categories that the taxonomy does not name."""

OTHER: Final = "other"
CALLS: Final = {"page": "page", "screen": "page", "identify": "account", "group": "account", "alias": "account"}
"""What Segment's calls without an event name mean, unless the taxonomy says otherwise."""

_MOST_NAMES: Final = 5000
_WORDS: Final = re.compile(r"[ _\-]+")
_encoder = msgspec.json.Encoder(order="deterministic")


class Taxonomy(msgspec.Struct, frozen=True, dict=True):
    """One version of a taxonomy, in the shape of its TOML.

    behaviours: event name or Segment call -> one of BEHAVIOURS. categories: slugs, whose slot is their place (at most
    15; the last slot is for others); category_labels: slug -> words; category_aliases: text -> slug.
    channels: campaign medium, device type or channel property -> one of CHANNELS; the medium counts before the device.
    money, discount, coupon, category, channel: names of properties, in order of preference.
    """

    version: int
    name: str
    behaviours: dict[str, str]
    categories: tuple[str, ...]
    category_labels: dict[str, str]
    category_aliases: dict[str, str]
    channels: dict[str, str]
    money: tuple[str, ...]
    discount: tuple[str, ...]
    coupon: tuple[str, ...]
    category: tuple[str, ...]
    channel: tuple[str, ...]

    @cached_property
    def behaviour_codes(self) -> dict[str, int]:
        """Event name, or Segment call for events without one, -> place in BEHAVIOURS."""
        return _spelled({name: BEHAVIOURS.index(behaviour) for name, behaviour in self.behaviours.items()})

    @cached_property
    def category_codes(self) -> dict[str, int]:
        """Category as an event writes it -> slot. What is not there belongs into OTHER_CATEGORY."""
        slots = {slug: slot for slot, slug in enumerate(self.categories)} | {OTHER: OTHER_CATEGORY}
        labels = {label: slots[slug] for slug, label in self.category_labels.items()}
        aliases = {alias: slots[slug] for alias, slug in self.category_aliases.items()}
        return _spelled(labels | aliases | slots)

    @cached_property
    def channel_codes(self) -> dict[str, int]:
        """Campaign medium, device type or channel property -> place in CHANNELS."""
        return _spelled({text: CHANNELS.index(channel) for text, channel in self.channels.items()})

    @cached_property
    def category_names(self) -> tuple[str, ...]:
        """What people read, by slot: CATEGORY_SLOTS texts, "" for free slots."""
        names = [self.category_labels.get(slug, slug.replace("_", " ")) for slug in self.categories]
        return (*names, *[""] * (OTHER_CATEGORY - len(names)), OTHER)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical record."""
        return content_hash(encode_taxonomy(self))


def parse_taxonomy(text: str, where: str) -> Taxonomy:
    """A taxonomy written in TOML. Raises DefinitionsError, which names `where` and lists every fault."""
    return _read(read_toml(text, where), where)


def encode_taxonomy(taxonomy: Taxonomy) -> bytes:
    """Canonical JSON: the record in the topic `models`, whose SHA-256 is its key."""
    return _encoder.encode(taxonomy)


def decode_taxonomy(data: bytes, where: str = "taxonomy") -> Taxonomy:
    """The taxonomy of a record, checked like a file. Raises DefinitionsError with every fault."""
    try:
        content = msgspec.json.decode(data)
    except UNREADABLE as error:
        raise DefinitionsError(where, [f"not JSON: {error}"]) from error
    return _read(content, where)


def _read(content: object, where: str) -> Taxonomy:
    faults: list[str] = []
    top = Table(content, "", faults)
    taxonomy = Taxonomy(
        version=top.integer("version", 1, 1_000_000),
        name=top.text("name", most=100),
        behaviours=CALLS | _meanings(top, "behaviours", BEHAVIOURS, "behaviour"),
        categories=top.texts("categories", needed=False),
        category_labels=top.mapping("category_labels", needed=False),
        category_aliases=top.mapping("category_aliases", needed=False),
        channels=_meanings(top, "channels", CHANNELS, "channel"),
        money=top.texts("money"),
        discount=top.texts("discount", needed=False),
        coupon=top.texts("coupon", needed=False),
        category=top.texts("category", needed=False),
        channel=top.texts("channel", needed=False),
    )
    top.close()
    _check_categories(top, taxonomy)
    if "order" not in taxonomy.behaviours.values() and top.has("behaviours"):
        top.note('behaviours: no event means "order", so nobody would ever buy')
    amounts = (*taxonomy.money, *taxonomy.discount)
    for name in dict.fromkeys((*taxonomy.coupon, *taxonomy.category, *taxonomy.channel)):
        if name in amounts:
            top.note(f"property {name!r} is an amount (money, discount) and a text (coupon, category, channel)")
    for name in taxonomy.discount:
        if name in taxonomy.money:
            top.note(f"property {name!r} is both money and discount")
    if faults:
        raise DefinitionsError(where, faults)
    return taxonomy


def _meanings(top: Table, field: str, known: tuple[str, ...], what: str) -> dict[str, str]:
    meanings = top.mapping(field)
    if len(meanings) > _MOST_NAMES:
        top.note(f"{field} has {len(meanings)} names; at most {_MOST_NAMES}")
    for name, meaning in meanings.items():
        if meaning not in known:
            top.note(f"{field}: {name!r} is an unknown {what} {meaning!r}; the nearest known: {nearest(meaning, known)}")
    return meanings


def _check_categories(top: Table, taxonomy: Taxonomy) -> None:
    slugs = taxonomy.categories
    if len(slugs) > OTHER_CATEGORY:
        top.note(f"categories has {len(slugs)} slugs; at most {OTHER_CATEGORY}, so leave the rarest out")
    for slug in slugs:
        if slug == OTHER or not KEY.fullmatch(slug):
            top.note(f"categories: {slug!r} must be of a-z, 0-9 and _, begin with a letter, and not be {OTHER!r}")
    for slug in taxonomy.category_labels:
        if slug not in slugs:
            top.note(f"category_labels: unknown category {slug!r}; the nearest known: {nearest(slug, slugs)}")
    for alias, slug in taxonomy.category_aliases.items():
        if slug not in slugs and slug != OTHER:
            hint = nearest(slug, (*slugs, OTHER))
            top.note(f"category_aliases: {alias!r} stands for an unknown category {slug!r}; the nearest known: {hint}")
        if alias in slugs and alias != slug:
            top.note(f"category_aliases: {alias!r} is a category itself")


def _spelled(codes: dict[str, int]) -> dict[str, int]:
    """The codes under every usual spelling: what is written down wins, then names in alphabetical order."""
    spelled = dict(codes)
    for name in sorted(codes):
        for spelling in _spellings(name):
            spelled.setdefault(spelling, codes[name])
    return spelled


def _spellings(name: str) -> Iterator[str]:
    """Product Viewed, product viewed, PRODUCT_VIEWED, product-viewed, productViewed and so on."""
    words = [word for word in _WORDS.split(name) if word]
    for joint in (" ", "_", "-"):
        joined = joint.join(words)
        yield from (joined, joined.lower(), joined.upper(), joined.capitalize())
        yield joint.join(word[:1].upper() + word[1:].lower() for word in words)
    pascal = "".join(word[:1].upper() + word[1:].lower() for word in words)
    yield from (pascal, pascal[:1].lower() + pascal[1:])
