"""Taxonomies and definitions that ship with Shoal, and how to read one's own. May import `models` only."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Final

from models.definitions import Definitions, parse_definitions
from models.definitions.expression import nearest
from models.errors import DefinitionsError
from models.taxonomy import Taxonomy, parse_taxonomy

_DEFINITIONS: Final = "_definitions"


def preset_names() -> tuple[str, ...]:
    """The presets: each is a taxonomy, NAME.toml, and definitions, NAME_definitions.toml."""
    stems = (Path(entry.name) for entry in resources.files(__name__).iterdir())
    return tuple(sorted(file.stem for file in stems if file.suffix == ".toml" and not file.stem.endswith(_DEFINITIONS)))


def load_taxonomy(name_or_path: str) -> Taxonomy:
    """The taxonomy of a preset, or of a TOML file. Raises DefinitionsError with every fault."""
    return parse_taxonomy(*_read(name_or_path, "", "taxonomy"))


def load_definitions(name_or_path: str) -> Definitions:
    """The definitions of a preset, or of a TOML file. Raises DefinitionsError with every fault."""
    return parse_definitions(*_read(name_or_path, _DEFINITIONS, "definitions"))


def _read(name_or_path: str, suffix: str, what: str) -> tuple[str, str]:
    """The text, and what it is called in errors. Whatever holds a slash or ends in .toml is a path."""
    known = preset_names()
    if name_or_path in known:
        file = resources.files(__name__) / f"{name_or_path}{suffix}.toml"
        return file.read_text(encoding="utf-8"), f"preset {name_or_path} ({what})"
    where = f"{what} {name_or_path!r}"
    if not name_or_path.endswith(".toml") and "/" not in name_or_path:
        hint = nearest(name_or_path, known)
        raise DefinitionsError(where, [f"no such preset; the nearest known: {hint}. A file must end in .toml"])
    try:
        return Path(name_or_path).read_text(encoding="utf-8"), name_or_path
    except UnicodeDecodeError as error:
        raise DefinitionsError(where, [f"not a text in UTF-8: {error.reason} at byte {error.start}"]) from error
    except OSError as error:
        raise DefinitionsError(where, [f"cannot be read: {error.strerror or error}"]) from error
