"""Reads the tables of a document (TOML or JSON) field by field, noting every fault instead of stopping at one."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Final

from models.definitions.expression import nearest
from models.errors import DefinitionsError

KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,47}")
MOST_TEXT: Final = 500
MOST_BYTES: Final = 1_000_000


def read_toml(text: str, where: str) -> dict[str, object]:
    """The document's top table. Raises DefinitionsError if it is not TOML or over MOST_BYTES characters."""
    if len(text) > MOST_BYTES:
        raise DefinitionsError(where, [f"{len(text)} characters; at most {MOST_BYTES} are read"])
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise DefinitionsError(where, [f"not TOML: {error}"]) from error


class Table:
    """One table being read. `path` names it in faults; each field is taken once, and `close` refuses what is left.

    A missing or faulty field gives the default, or an empty value where none is set: whoever reads goes on, and throws
    the result away if `faults` holds anything at the end.
    """

    def __init__(self, content: object, path: str, faults: list[str]) -> None:
        self.path = path
        self.faults = faults
        self.taken: list[str] = []
        self.content: dict[str, object] = {}
        if isinstance(content, dict):
            self.content = {str(key): value for key, value in content.items() if value is not None}
        else:
            self.note(f"must be a table, not {_kind(content)}")

    def note(self, fault: str) -> None:
        self.faults.append(f"{self.path}: {fault}" if self.path else fault)

    def has(self, key: str) -> bool:
        return key in self.content

    def _take(self, key: str, needed: bool) -> object:
        self.taken.append(key)
        if key not in self.content and needed:
            self.note(f"{key} is missing")
        return self.content.get(key)

    def text(self, key: str, default: str | None = None, most: int = MOST_TEXT) -> str:
        """A text without line breaks, trimmed, not empty; empty itself only if missing and the default is."""
        value = self._take(key, default is None)
        if value is None:
            return default or ""
        if not isinstance(value, str):
            self.note(f"{key} must be a text in quotes, not {_kind(value)}")
            return default or ""
        value = " ".join(value.split())
        if not value:
            self.note(f"{key} is empty")
        elif len(value) > most:
            self.note(f"{key} has {len(value)} characters; at most {most}")
        elif not value.isprintable():
            self.note(f"{key} has characters that cannot be printed")
        return value

    def key(self, key: str) -> str:
        """A stable name for machines, e.g. at_risk."""
        value = self.text(key)
        if value and not KEY.fullmatch(value):
            self.note(f"{key} {value!r} must be of a-z, 0-9 and _, begin with a letter and have at most 48 characters")
        return value

    def integer(self, key: str, least: int, most: int, default: int | None = None) -> int:
        value = self._take(key, default is None)
        if value is None:
            return least if default is None else default
        if isinstance(value, bool) or not isinstance(value, int):
            self.note(f"{key} must be a whole number, not {_kind(value)}")
        elif not least <= value <= most:
            self.note(f"{key} is {value}; it must lie between {least} and {most}")
        else:
            return value
        return least

    def number(self, key: str, least: float, most: float, default: float) -> float:
        value = self._take(key, False)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.note(f"{key} must be a number, not {_kind(value)}")
        elif not least <= value <= most:
            self.note(f"{key} is {value}; it must lie between {least:g} and {most:g}")
        else:
            return float(value)
        return default

    def texts(self, key: str, needed: bool = True) -> tuple[str, ...]:
        """A list of distinct texts."""
        value = self._take(key, needed)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
            self.note(f"{key} must be a list of texts in quotes")
            return ()
        for twice in sorted({item for item in value if value.count(item) > 1}):
            self.note(f"{key} has {twice!r} twice")
        return tuple(value)

    def mapping(self, key: str, needed: bool = True) -> dict[str, str]:
        """A table of texts by text, in the order of the document."""
        value = self._take(key, needed)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.note(f"{key} must be a table, not {_kind(value)}")
            return {}
        found = {}
        for name, item in value.items():
            if not isinstance(item, str) or not item.strip() or not name.strip():
                self.note(f"{key}: {name!r} must have a text in quotes, not {_kind(item)}")
            else:
                found[name] = item
        return found

    def table(self, key: str) -> Table:
        """The table of that name; an empty one if missing."""
        value = self._take(key, False)
        return Table({} if value is None else value, self._below(key), self.faults)

    def tables(self, key: str) -> Iterator[Table]:
        """The tables of an array; a table's key, if it has one, stands in its path."""
        value = self._take(key, False)
        if value is None:
            return
        if not isinstance(value, list):
            self.note(f"{key} must be written as [[{self._below(key)}]]")
            return
        for place, item in enumerate(value, 1):
            name = item.get("key") if isinstance(item, dict) else None
            called = f"{name!r} (no. {place})" if isinstance(name, str) else f"no. {place}"
            yield Table(item, f"{self._below(key)} {called}", self.faults)

    def close(self) -> None:
        """Notes the fields that nobody asked for, with the nearest that exist."""
        for key in self.content:
            if key not in self.taken:
                self.note(f"unknown field {key!r}; the nearest known: {nearest(key, tuple(self.taken))}")

    def _below(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key


def _kind(value: object) -> str:
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return f"the number {value}"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "a table"
    return type(value).__name__
