"""Turns a file into events: `read(path, mapping)` yields them in the file's order.

Lines of JSON that are Segment calls already go through byte for byte; everything else is built from its columns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import orjson

from models.errors import UNREADABLE
from streams.replay.errors import BadRows, ReplayError, RowError
from streams.replay.event import ReplayEvent, iso, to_ms
from streams.replay.mapping import EVENT_NAMES, PROPERTY, Mapping
from streams.replay.rows import Line, Row, check_file, csv_rows, file_format, json_lines, json_row, parquet_rows
from streams.replay.values import ValueFault, Values

MAX_KEY_BYTES = 256

T = TypeVar("T")


class Call(msgspec.Struct, frozen=True):
    """What has to be known of a Segment call to put it in its place."""

    type: str
    timestamp: str
    userId: str | None = None  # noqa: N815  # the spec's names
    anonymousId: str | None = None  # noqa: N815


def read(path: Path, mapping: Mapping | None = None, bad: BadRows | None = None) -> Iterator[ReplayEvent]:
    """The events of a file. Raises ReplayError, for a bad row too unless `bad` skips those."""
    mapping = mapping or Mapping()
    bad = bad or BadRows()
    check_file(path)
    match file_format(path):
        case "csv":
            yield from _from_rows(path, csv_rows(path, mapping.delimiter, bad), mapping, bad)
        case "parquet":
            yield from _from_rows(path, parquet_rows(path), mapping, bad)
        case "jsonl":
            yield from _from_json(path, mapping, bad)


def _from_json(path: Path, mapping: Mapping, bad: BadRows) -> Iterator[ReplayEvent]:
    """The first line that is an object decides whether the file holds Segment calls or rows."""
    lines = json_lines(path)
    for line in lines:
        try:
            row = json_row(path, line)
        except RowError as error:
            bad.take(error)
            continue
        rest = chain([line], lines)
        if not mapping.columns and "type" in row and ("userId" in row or "anonymousId" in row):
            yield from _from_calls(path, rest, bad)
        else:
            yield from _from_rows(path, _json_rows(path, rest, bad), mapping, bad)


def _json_rows(path: Path, lines: Iterator[Line], bad: BadRows) -> Iterator[tuple[int, Row]]:
    for line in lines:
        try:
            yield line.number, json_row(path, line)
        except RowError as error:
            bad.take(error)


def _from_calls(path: Path, lines: Iterator[Line], bad: BadRows) -> Iterator[ReplayEvent]:
    decoder = msgspec.json.Decoder(Call)
    values = Values(Mapping())
    for line in lines:
        try:
            call = decoder.decode(line.text)
            customer = call.userId or call.anonymousId
            if not customer:
                raise ValueFault("neither userId nor anonymousId: every call needs one")
            yield ReplayEvent(_key(customer), to_ms(values.moment(call.timestamp)), line.text)
        except (*UNREADABLE, ValueFault) as error:
            bad.take(RowError(path, line.number, f"no Segment call: {error}"))


def _from_rows(path: Path, rows: Iterator[tuple[int, Row]], mapping: Mapping, bad: BadRows) -> Iterator[ReplayEvent]:
    first = next(rows, None)
    if first is None:
        return
    columns = list(first[1])
    nested = [f"{column}.{name}" for column, value in first[1].items() for name in _object(value)]
    build = RowReader(path, mapping.resolve(columns + nested, str(path)))
    for number, row in chain([first], rows):
        try:
            yield build.event(number, row)
        except RowError as error:
            bad.take(error)


class RowReader:
    """Builds the event of a row."""

    def __init__(self, path: Path, mapping: Mapping) -> None:
        self._path = path
        self._mapping = mapping
        self._values = Values(mapping)
        self._columns = mapping.columns
        # Columns of JSON that a meaning reaches into: read once a row.
        self._nested = {column.partition(".")[0] for column in mapping.columns.values() if "." in column}
        self._free = [
            (meaning.removeprefix(PROPERTY), column)
            for meaning, column in mapping.columns.items()
            if meaning.startswith(PROPERTY)
        ]

    def event(self, number: int, row: Row) -> ReplayEvent:
        """Raises RowError."""
        row = {**row, **{name: _object(row[name]) for name in self._nested if name in row}}
        customer = self._customer(number, row)
        moment = self._read(number, row, "timestamp", self._values.moment)
        assert moment is not None
        amount = self._optional(number, row, "amount", self._values.number)
        name = self._name(number, row, amount)
        at = to_ms(moment)
        properties = self._properties(number, row, amount)
        context = self._context(row)
        body: dict[str, Any] = {
            "type": "track",
            "event": name,
            "messageId": self._message_id(number, row, customer, at, name, properties),
            "userId": customer,
            "timestamp": iso(moment),
            "properties": properties,
        }
        if context:
            body["context"] = context
        return ReplayEvent(customer.encode(), at, orjson.dumps(body))

    def _customer(self, number: int, row: Row) -> str:
        value = self._get(row, "customer_id")
        # Spreadsheets and data frames write whole numbers as 17850.0.
        text = str(int(value)) if isinstance(value, float) and value.is_integer() else _text(value)
        fault = "is empty: every row needs its customer" if not text else ""
        if len(text.encode("utf-8", "surrogatepass")) > MAX_KEY_BYTES:
            fault = f"is longer than {MAX_KEY_BYTES} bytes; use a shorter id"
        if fault:
            raise RowError(self._path, number, f"column {self._columns['customer_id']!r} {fault}")
        return text

    def _name(self, number: int, row: Row, amount: float | None) -> str:
        given = _text(self._get(row, "event"))
        if not given:
            return self._mapping.refund_event if amount is not None and amount < 0 else self._mapping.event
        if self._mapping.events and given not in self._mapping.events:
            known = ", ".join(self._mapping.events)
            fault = f"column {self._columns['event']!r} is {given!r}, which [events] of the mapping does not have ({known})"
            raise RowError(self._path, number, fault)
        if not self._mapping.events:
            return EVENT_NAMES.get(given.lower(), given)
        return self._mapping.events[given]

    def _properties(self, number: int, row: Row, amount: float | None) -> dict[str, Any]:
        properties: dict[str, Any] = dict(self._mapping.constants)
        if amount is not None:
            properties["revenue"] = abs(amount)
        for meaning in ("discount", "price", "quantity"):
            value = self._optional(number, row, meaning, self._values.number)
            if value is not None:
                properties[meaning] = int(value) if meaning == "quantity" and value.is_integer() else abs(value)
        for meaning in ("category", "coupon"):
            text = _text(self._get(row, meaning))
            if text:
                properties[meaning] = text
        for name, column in self._free:
            value = self._at(row, column)
            if value is not None and value != "":
                properties[name] = value if isinstance(value, (int, float, bool)) else str(value)
        return properties

    def _context(self, row: Row) -> dict[str, Any]:
        device, medium, country = (_text(self._get(row, name)) for name in ("device", "medium", "country"))
        context: dict[str, Any] = {}
        if device:
            context["device"] = {"type": device.lower()}
        if medium:
            context["campaign"] = {"medium": medium.lower()}
        if country:
            context["location"] = {"country": country}
        return context

    def _message_id(self, number: int, row: Row, customer: str, at: int, name: str, properties: dict[str, Any]) -> str:
        """The row's own id; without one, its line and content: the same for the same file, unlike any other row's."""
        given = _text(self._get(row, "message_id"))
        if not given:
            content = orjson.dumps([customer, at, name, properties])
            given = f"{number}-{hashlib.blake2b(content, digest_size=8).hexdigest()}"
        return self._mapping.message_prefix + given

    def _get(self, row: Row, meaning: str) -> Any:
        column = self._columns.get(meaning)
        return None if column is None else self._at(row, column)

    @staticmethod
    def _at(row: Row, column: str) -> Any:
        if column in row:
            return row[column]
        value: Any = row
        for step in column.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        return value

    def _optional(self, number: int, row: Row, meaning: str, parse: Callable[[object], T]) -> T | None:
        value = self._get(row, meaning)
        return None if value is None or value == "" else self._read(number, row, meaning, parse)

    def _read(self, number: int, row: Row, meaning: str, parse: Callable[[object], T]) -> T:
        try:
            return parse(self._get(row, meaning))
        except ValueFault as fault:
            raise RowError(self._path, number, f"column {self._columns[meaning]!r}: {fault}") from fault


def _object(value: object) -> dict[str, Any]:
    """A JSON object, also one that stands in the column as text; empty for anything else."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return {}
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _key(customer: str) -> bytes:
    key = customer.encode()
    if len(key) > MAX_KEY_BYTES:
        raise ValueFault(f"the id is longer than {MAX_KEY_BYTES} bytes")
    return key


__all__ = ["BadRows", "Mapping", "ReplayError", "ReplayEvent", "read"]
