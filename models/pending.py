"""Pending samples of one partition: features at t0 and the lifetime counters from which the label will be read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import LayoutError
from models.features import COUNT
from models.kernel import layout as at
from models.kernel.tables import F8, I8
from models.row import LAYOUT_VERSION
from models.table import Table

ENTRY = np.dtype([("layout", "<u2"), ("events", "<u4"), ("orders", "<u4"), ("spent", "<f8"), ("features", "<f4", (COUNT,))])
"""A pending sample's bytes in the changelog."""


@dataclass(frozen=True, slots=True)
class Block:
    """Samples taken at t0 (ms): rows [n] of the table and their entries [n]."""

    t0: int
    rows: I8
    entries: NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Matured:
    """Samples whose horizon is over: labels are differences of lifetime counters."""

    block: Block
    events: I8
    orders: I8
    spent: F8


class Pending:
    """Blocks by age. Blocks never change, so undoing is a matter of keeping the old list."""

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._kept: list[Block] | None = None

    def __len__(self) -> int:
        return sum(len(block.rows) for block in self._blocks)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All blocks, oldest first."""
        return tuple(self._blocks)

    def _keep(self) -> None:
        if self._kept is None:
            self._kept = list(self._blocks)

    def take(self, table: Table, t0: int, rows: I8, features: F8) -> Block:
        """Adds samples of `rows` at `t0`; features [n, COUNT]."""
        self._keep()
        entries = np.zeros(len(rows), ENTRY)
        entries["layout"] = LAYOUT_VERSION
        entries["events"] = table.rows.u4[rows, at.EVENTS]
        entries["orders"] = table.rows.u4[rows, at.ORDERS]
        entries["spent"] = table.rows.f8[rows, at.SPENT]
        entries["features"] = features
        block = Block(t0, rows.copy(), entries)
        self._blocks.append(block)
        return block

    def add(self, block: Block) -> None:
        """Adds a block as restored."""
        self._blocks.append(block)

    def clear(self) -> None:
        """Forgets all of them, for good."""
        self._blocks, self._kept = [], None

    def mature(self, table: Table, until: int) -> Matured | None:
        """Takes the oldest block out, with labels, if its t0 (ms) is not after `until`; else None."""
        if not self._blocks or self._blocks[0].t0 > until:
            return None
        self._keep()
        block = self._blocks.pop(0)
        r, e = block.rows, block.entries
        events = table.rows.u4[r, at.EVENTS].astype(np.int64) - e["events"]
        orders = table.rows.u4[r, at.ORDERS].astype(np.int64) - e["orders"]
        return Matured(block, events, orders, table.rows.f8[r, at.SPENT] - e["spent"])

    def forget(self) -> None:
        """The transaction is durable."""
        self._kept = None

    def roll_back(self) -> None:
        """The transaction is void."""
        if self._kept is not None:
            self._blocks, self._kept = self._kept, None


def decode_entry(data: bytes, where: str) -> NDArray[np.void]:
    """One pending sample from its bytes, shape (1,). Raises LayoutError."""
    if len(data) != ENTRY.itemsize or int.from_bytes(data[:2], "little") != LAYOUT_VERSION:
        found = int.from_bytes(data[:2], "little")
        raise LayoutError(
            f"{where}: a pending sample of layout {found}, {len(data)} bytes; this version reads layout {LAYOUT_VERSION} "
            f"of {ENTRY.itemsize} bytes. Run the version that wrote it, or rebuild the state from the input."
        )
    return np.frombuffer(data, ENTRY)
