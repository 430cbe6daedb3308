"""`shoal contracts`: JSON Schema of every record, the AsyncAPI document and the generated pages of docs/."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from models.definitions import Definitions
from models.snapshot import Approval, Manifest, Snapshot
from streams.contracts import asyncapi, pages
from streams.contracts.changes import Change, CustomerSegments
from streams.contracts.control import Command, Tick
from streams.contracts.events import Event
from streams.contracts.journal import Entry
from streams.contracts.samples import Mark, Sample
from streams.contracts.status import Status

RECORDS: tuple[type[msgspec.Struct], ...] = (
    Event, Tick, Command, Change, CustomerSegments, Sample, Mark, Snapshot, Manifest, Approval, Definitions, Status, Entry,
)  # fmt: skip

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def documents() -> dict[str, str]:
    """Every generated document: path below docs/, and its text."""
    texts = {f"contracts/{_file_name(record)}.schema.json": _json(json_schema(record)) for record in RECORDS}
    _, components = msgspec.json.schema_components(RECORDS, ref_template="#/components/schemas/{name}")
    schemas = {name: _finished(name, schema) for name, schema in sorted(components.items())}
    texts["contracts/asyncapi.json"] = _json(asyncapi.document(schemas))
    texts["features.md"] = pages.features_page()
    texts["row-layout.md"] = pages.row_layout_page()
    return texts


def write(docs: Path, texts: Mapping[str, str]) -> list[str]:
    """Writes those of the texts that are not current and returns their paths below `docs`."""
    changed = stale(docs, texts)
    for path in changed:
        (docs / path).parent.mkdir(parents=True, exist_ok=True)
        (docs / path).write_text(texts[path], encoding="utf-8")
    return changed


def stale(docs: Path, texts: Mapping[str, str]) -> list[str]:
    """The paths below `docs` of the texts that are missing or not current."""
    return [path for path, text in texts.items() if _read(docs / path) != text]


def json_schema(record: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON Schema of one record, whole: its parts are in `$defs`."""
    schema = msgspec.json.schema(record)
    definitions = {name: _finished(name, part) for name, part in sorted(schema["$defs"].items())}
    whole = definitions.pop(record.__name__)
    return {"$schema": DIALECT, **whole, **({"$defs": definitions} if definitions else {})}


def _finished(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """What a type cannot say: its docstring without the indentation, and that an event needs one of two ids."""
    described: dict[str, Any] = _without_discriminators(schema)
    if "description" in described:
        described["description"] = inspect.cleandoc(described["description"])
    if name == Event.__name__:
        described["anyOf"] = [{"required": ["userId"]}, {"required": ["anonymousId"]}]
    return described


def _without_discriminators(part: Any) -> Any:
    """OpenAPI's `discriminator` means something else to AsyncAPI and nothing to JSON Schema; the tags' enums say it all."""
    if isinstance(part, dict):
        return {name: _without_discriminators(inner) for name, inner in part.items() if name != "discriminator"}
    return [_without_discriminators(inner) for inner in part] if isinstance(part, list) else part


def _file_name(record: type[msgspec.Struct]) -> str:
    """`CustomerSegments` -> `customer-segments`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", record.__name__).lower()


def _json(document: dict[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
