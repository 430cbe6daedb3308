"""Reads times and numbers as people write them into files."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo

from streams.replay.mapping import Mapping

NOON = time(12)
"""The hour of an event of which only the day is known."""

_SECONDS_END = 100_000_000_000
"""Numbers below are seconds since 1970 (until the year 5138), from here on milliseconds."""


class ValueFault(Exception):
    """What is wrong with a value and what to do; the caller knows file, line and column."""


class Values:
    """Times and numbers under one mapping."""

    def __init__(self, mapping: Mapping) -> None:
        self._format = mapping.timestamp_format
        self._zone: tzinfo = UTC if mapping.timezone == "UTC" else ZoneInfo(mapping.timezone)
        self._comma = mapping.decimal == ","

    def moment(self, value: object) -> datetime:
        """An aware datetime. Raises ValueFault."""
        match value:
            case datetime():
                return self._aware(value)
            case date():
                return self._aware(datetime.combine(value, NOON))
            case bool() | None:
                raise ValueFault("there is no time")
            case int() | float() | Decimal():
                return self._since_1970(float(value))
            case _:
                return self._text(str(value).strip())

    def number(self, value: object) -> float:
        """A finite number. Raises ValueFault."""
        if isinstance(value, bool):
            raise ValueFault(f"{value} is no number")
        try:
            number = float(self._digits(value)) if isinstance(value, str) else float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError) as error:
            hint = "" if self._comma else "; for 1.234,50 set decimal = ',' in a mapping file"
            raise ValueFault(f"{value!r} is no number{hint}") from error
        if not math.isfinite(number):
            raise ValueFault(f"{value!r} is no finite number")
        return number

    def _digits(self, text: str) -> str:
        text = text.strip().lstrip("$€£").replace("\u00a0", "").replace(" ", "").replace("_", "x")
        return text.replace(".", "").replace(",", ".") if self._comma else text

    def _text(self, text: str) -> datetime:
        if not text:
            raise ValueFault("there is no time")
        if self._format:
            return self._formatted(text)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            if text.replace(".", "", 1).isdigit() and len(text) >= 9:
                return self._since_1970(float(text))
            raise ValueFault(
                f"{text!r} is no ISO 8601 time; say how it is written, e.g. timestamp_format = '%d/%m/%Y %H:%M' in a mapping file"
            ) from None
        # fromisoformat also takes compact forms; twelve digits are rather milliseconds.
        if text.isdigit() and len(text) > 8:
            return self._since_1970(float(text))
        return self._aware(datetime.combine(moment.date(), NOON) if len(text) <= 10 else moment)

    def _formatted(self, text: str) -> datetime:
        try:
            moment = datetime.strptime(text, self._format)  # noqa: DTZ007  # the zone is given by the mapping
        except ValueError as error:
            raise ValueFault(f"{text!r} is not written as {self._format!r}; correct timestamp_format") from error
        if "%H" not in self._format and "%I" not in self._format and "%c" not in self._format and "%X" not in self._format:
            moment = datetime.combine(moment.date(), NOON)
        return self._aware(moment)

    def _aware(self, moment: datetime) -> datetime:
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=self._zone)

    def _since_1970(self, number: float) -> datetime:
        try:
            return datetime.fromtimestamp(number if abs(number) < _SECONDS_END else number / 1000, self._zone)
        except (ValueError, OverflowError, OSError) as error:
            raise ValueFault(f"{number} is no time since 1970 in seconds or milliseconds") from error
