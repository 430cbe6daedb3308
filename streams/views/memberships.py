"""Who is in which segment: columns of small numbers, a row a customer, with the sizes kept as they change."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from streams.contracts.changes import CustomerSegments, Membership
from streams.views.errors import ViewsError

MICRO = "micro"
"""The one segmentation in which a customer may be in several segments at once."""

_CODES = 65_535


@dataclass(slots=True)
class Known:
    """A segment that was seen: its place in the catalogue is its code. `at` is the time of the record that named it."""

    segment: str
    name: str
    at: str
    customers: int = 0


@dataclass(slots=True)
class _Column:
    """One segmentation: its segments, and for each row the codes of those held (0: none), one array a place."""

    catalogue: list[Known] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)
    places: list[array[int]] = field(default_factory=list)
    customers: int = 0

    def code(self, membership: Membership, at: str) -> int:
        code = self.codes.get(membership.segment)
        if code is None:
            if len(self.catalogue) == _CODES:
                raise ViewsError(f"a segmentation with more than {_CODES} segments, the last {membership.segment!r}")
            self.catalogue.append(Known(membership.segment, membership.name, at))
            code = self.codes[membership.segment] = len(self.catalogue)
            return code
        known = self.catalogue[code - 1]
        if known.name != membership.name and at >= known.at:
            known.name, known.at = membership.name, at
        return code


class Memberships:
    """The index over the table of memberships: sizes in no time, members of a segment without looking at all customers.

    Costs about 200 bytes a customer beside the table. `apply` and `remove` follow the records of `segments`.
    """

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._ids: list[str | None] = []
        self._free: list[int] = []
        self._columns: dict[str, _Column] = {}
        self._newest = ""
        self.models: dict[str, int] | None = None
        self.definitions: str | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def apply(self, customer: CustomerSegments) -> None:
        """Takes a customer's memberships of now in place of what was known."""
        row = self._rows.get(customer.customer_id)
        if row is None:
            row = self._new_row(customer.customer_id)
        for segmentation, membership in customer.memberships.items():
            self._put(row, segmentation, [membership], customer.at)
        if customer.micro:
            self._put(row, MICRO, customer.micro, customer.at)
        for segmentation, column in self._columns.items():
            if segmentation not in customer.memberships and not (segmentation == MICRO and customer.micro):
                self._clear(row, column)
        if customer.at >= self._newest:
            self._newest, self.models, self.definitions = customer.at, customer.model, customer.definitions

    def remove(self, customer_id: str) -> None:
        """Forgets a customer; nothing happens if there is none."""
        row = self._rows.pop(customer_id, None)
        if row is None:
            return
        for column in self._columns.values():
            self._clear(row, column)
        self._ids[row] = None
        self._free.append(row)

    def segmentations(self) -> list[str]:
        """Names of the segmentations that have customers, in alphabetical order."""
        return sorted(name for name, column in self._columns.items() if column.customers)

    def sizes(self, segmentation: str) -> tuple[int, list[Known]]:
        """Customers of a segmentation, each once, and its segments that have any, the largest first."""
        column = self._columns.get(segmentation)
        if column is None:
            return 0, []
        held = [known for known in column.catalogue if known.customers]
        return column.customers, sorted(held, key=lambda known: (-known.customers, known.segment))

    def segment(self, segmentation: str, segment: str) -> Known | None:
        """A segment that has customers."""
        column = self._columns.get(segmentation)
        code = column.codes.get(segment) if column else None
        if column is None or code is None:
            return None
        known = column.catalogue[code - 1]
        return known if known.customers else None

    def members(self, segmentation: str, segment: str, after: int, limit: int) -> tuple[list[str], int | None]:
        """At most `limit` members with a row above `after` (-1: all), and the row of the last if there are more."""
        column = self._columns[segmentation]
        found = self._rows_of(column, column.codes[segment], after + 1)
        rows = [row for row, _ in zip(found, range(limit + 1), strict=False)]
        ids = [customer for customer in (self._ids[row] for row in rows[:limit]) if customer is not None]
        return ids, rows[limit - 1] if len(rows) > limit else None

    def _rows_of(self, column: _Column, code: int, start: int, step: int = 65_536) -> Iterator[int]:
        """Rows from `start` on that hold the code, looked up a block at a time."""
        for begin in range(start, len(self._ids), step):
            end = min(begin + step, len(self._ids))
            hit = np.zeros(end - begin, np.bool_)
            for place in column.places:
                hit |= np.array(place[begin:end], np.uint16) == code
            yield from (begin + np.flatnonzero(hit)).tolist()

    def _new_row(self, customer_id: str) -> int:
        if self._free:
            row = self._free.pop()
            self._ids[row] = customer_id
        else:
            row = len(self._ids)
            self._ids.append(customer_id)
            for column in self._columns.values():
                for place in column.places:
                    place.append(0)
        self._rows[customer_id] = row
        return row

    def _put(self, row: int, segmentation: str, memberships: list[Membership], at: str) -> None:
        column = self._columns.get(segmentation)
        if column is None:
            column = self._columns[segmentation] = _Column()
        while len(column.places) < len(memberships):
            column.places.append(array("H", bytes(2 * len(self._ids))))
        held = False
        for number, place in enumerate(column.places):
            before = place[row]
            after = column.code(memberships[number], at) if number < len(memberships) else 0
            held = held or before > 0
            if before == after:
                continue
            if before:
                column.catalogue[before - 1].customers -= 1
            if after:
                column.catalogue[after - 1].customers += 1
            place[row] = after
        if not held:
            column.customers += 1

    def _clear(self, row: int, column: _Column) -> None:
        held = False
        for place in column.places:
            if before := place[row]:
                column.catalogue[before - 1].customers -= 1
                place[row] = 0
                held = True
        if held:
            column.customers -= 1
