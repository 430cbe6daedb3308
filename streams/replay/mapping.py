"""Which column of a file means what, and how its times and numbers are written."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping as MappingABC
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from streams.replay.errors import ReplayError

ALIASES: Final[MappingABC[str, tuple[str, ...]]] = {
    "customer_id": ("customerid", "customer", "userid", "user", "clientid", "client", "shopperid", "memberid", "cid"),
    "timestamp": (
        "timestamp", "time", "date", "datetime", "orderdate", "purchasedate", "invoicedate", "createdat", "created",
        "eventtime", "occurredat", "orderedat", "paidat",
    ),
    "amount": ("amount", "revenue", "total", "ordertotal", "totalprice", "sales", "spend", "value", "sum", "paid"),
    "event": ("event", "eventname", "eventtype", "kind", "action", "type"),
    # Not an order's id: where each line of an order is a row, all but the first would count as duplicates.
    "message_id": ("messageid", "eventid"),
    "discount": ("discount", "discountamount", "totaldiscount"),
    "coupon": ("coupon", "couponcode", "vouchercode", "voucher", "discountcode"),
    "category": ("category", "productcategory", "department"),
    "quantity": ("quantity", "qty", "units"),
    "price": ("price", "unitprice"),
    "device": ("device", "devicetype"),
    "medium": ("medium", "utmmedium", "channel"),
    "country": ("country",),
}  # fmt: skip
"""Meaning -> the names, without case, blanks, dots and underscores, that a column may have when nobody maps it."""

EVENT_NAMES: Final[MappingABC[str, str]] = {
    "purchase": "Order Completed",
    "order": "Order Completed",
    "sale": "Order Completed",
    "buy": "Order Completed",
    "refund": "Order Refunded",
    "return": "Order Refunded",
    "view": "Product Viewed",
    "search": "Products Searched",
    "cart": "Product Added",
    "add_to_cart": "Product Added",
    "addtocart": "Product Added",
    "remove_from_cart": "Product Removed",
    "checkout": "Checkout Started",
    "begin_checkout": "Checkout Started",
    "wishlist": "Product Added to Wishlist",
    "login": "Signed In",
    "email_open": "Email Opened",
    "email_click": "Email Link Clicked",
    "review": "Product Reviewed",
}
"""What usual values of an event column are called in the Segment spec; any other value is a name already."""

MEANINGS: Final = tuple(ALIASES)
NEEDED: Final = ("customer_id", "timestamp")
PROPERTY: Final = "properties."


@dataclass(frozen=True, slots=True)
class Mapping:
    """How rows become events.

    `columns`: meaning (one of MEANINGS, or `properties.NAME` for anything else) -> column; `a.b` reaches into a
    column a that holds JSON. `events`: value of the event column -> event name of the Segment spec; empty takes
    EVENT_NAMES. `event`: the name where there is no event column; `refund_event`: the same where the amount is
    negative. `constants`: property -> text that every event carries. `timestamp_format`: as `strptime` has it; empty
    reads ISO 8601 and seconds or milliseconds since 1970. `timezone` of times that name none. `decimal` mark of
    numbers. `message_prefix` makes ids of this file unlike those of another. `guess`: look for unmapped meanings among
    the usual column names.
    """

    columns: MappingABC[str, str] = field(default_factory=dict)
    events: MappingABC[str, str] = field(default_factory=dict)
    event: str = "Order Completed"
    refund_event: str = "Order Refunded"
    constants: MappingABC[str, str] = field(default_factory=dict)
    timestamp_format: str = ""
    timezone: str = "UTC"
    decimal: str = "."
    delimiter: str = ","
    message_prefix: str = ""
    guess: bool = True

    def faults(self) -> list[str]:
        """What is wrong with it, each a sentence."""
        faults = [
            f"no such meaning: {meaning!r}; take one of {', '.join(MEANINGS)}, or {PROPERTY}NAME"
            for meaning in self.columns
            if meaning not in MEANINGS and not (meaning.startswith(PROPERTY) and len(meaning) > len(PROPERTY))
        ]
        if self.decimal not in (".", ","):
            faults.append(f"decimal is {self.decimal!r}; take '.' or ','")
        if len(self.delimiter) != 1:
            faults.append(f"delimiter is {self.delimiter!r}; take one character, such as ';'")
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            faults.append(f"no such time zone: {self.timezone!r}; write it as in Europe/Berlin")
        return faults

    def resolve(self, columns: Sequence[str], where: str) -> Mapping:
        """With every meaning that the file's columns have, the first of two that would do.

        Raises ReplayError when a needed one is not to be found.
        """
        unknown = [column for column in self.columns.values() if column not in columns and "." not in column]
        if unknown:
            raise ReplayError(f"{where} has no column {', '.join(map(repr, unknown))}; it has {', '.join(columns)}")
        found = dict(self.columns)
        if self.guess:
            free = [column for column in reversed(columns) if column not in found.values()]
            plain = {_plain(column.rpartition(".")[2]): column for column in free}
            for meaning, names in ALIASES.items():
                match = next((plain[name] for name in names if name in plain), None)
                if meaning not in found and match is not None:
                    found[meaning] = match
        missing = [meaning for meaning in NEEDED if meaning not in found]
        if missing:
            options = " ".join(f"--map {meaning}=COLUMN" for meaning in missing)
            raise ReplayError(f"{where}: no column for {' and '.join(missing)} among {', '.join(columns)}; say {options}")
        return replace(self, columns=found)


class _File(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A mapping file, section by section."""

    columns: dict[str, str] = {}
    events: dict[str, str] = {}
    constants: dict[str, str] = {}
    event: str = "Order Completed"
    refund_event: str = "Order Refunded"
    timestamp_format: str = ""
    timezone: str = "UTC"
    decimal: str = "."
    delimiter: str = ","
    message_prefix: str = ""
    guess: bool = True


def load_mapping(path: Path | None = None, options: Sequence[str] = ()) -> Mapping:
    """A mapping from a TOML file and `meaning=Column` options, which win. Raises ReplayError with every fault."""
    mapping = Mapping() if path is None else _load(path)
    columns = dict(mapping.columns)
    faults = []
    for option in (part for text in options for part in text.split(",")):
        meaning, equals, column = option.partition("=")
        if not equals or not column:
            faults.append(f"--map {option}: write it as customer_id=CustomerID")
        else:
            columns["amount" if meaning.strip() == "revenue" else meaning.strip()] = column.strip()
    mapping = replace(mapping, columns=columns)
    faults += mapping.faults()
    if faults:
        raise ReplayError(f"mapping{'' if path is None else f' {path}'}: " + "; ".join(faults))
    return mapping


def _load(path: Path) -> Mapping:
    try:
        file = msgspec.convert(tomllib.loads(path.read_text("utf-8")), _File)
    except OSError as error:
        raise ReplayError(f"mapping {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ReplayError(f"mapping {path} is not TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise ReplayError(f"mapping {path}: {error}") from error
    return Mapping(**{name: getattr(file, name) for name in file.__struct_fields__})


def _plain(column: str) -> str:
    return "".join(letter for letter in column.casefold() if letter.isalnum())
