"""The Faust tables: memberships, whose changelog is the topic they are read from, and the flows' stored hours."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import faust

from streams.views.flows import Flows

# Faust stops reading while more than a hundred records wait to be sent.
_AT_ONCE = 50

# Faust's services tell of their starts and stops in the logger of their module, which would be ours.
_STARTS_AND_STOPS = logging.getLogger("faust.tables")


class SourceTable(faust.Table[Any, Any]):
    """A table read from a compacted topic, which is its changelog: what is set here is not written a second time."""

    logger = _STARTS_AND_STOPS

    async def on_start(self) -> None:
        """There is no changelog topic to make."""
        await self.add_runtime_dependency(self.data)

    def on_key_set(self, key: Any, value: Any) -> None:
        """Nothing to write: the record that brought the value is in the topic."""

    def on_key_del(self, key: Any) -> None:
        """Nothing to write: the tombstone is in the topic."""


def _partition(key: bytes) -> int:
    return int(key.partition(b"/")[0])


class FlowTable(faust.Table[Any, Any]):
    """The records of `Flows`. Each lies in the partition of the changelog that its key begins with.

    That is the partition of the changes in it, so both are read in one order.
    """

    logger = _STARTS_AND_STOPS

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._sent: list[Any] = []
        self._storing = asyncio.Lock()

    def partition_for_key(self, key: Any) -> int:
        """The partition that the key names; Faust would take that of the record in work, and there is none."""
        return _partition(key)

    def on_key_set(self, key: Any, value: Any) -> None:
        """Sends the entry to the changelog."""
        self._sent.append(self.send_changelog(self.partition_for_key(key), key, value))

    def on_key_del(self, key: Any) -> None:
        """Sends a tombstone to the changelog."""
        self._sent.append(self.send_changelog(self.partition_for_key(key), key, None, value_serializer="raw"))

    async def store(self, flows: Flows) -> None:
        """Writes what changed, then how far it was counted. Raises what kept the broker from it; nothing is lost then."""
        async with self._storing:
            hours, positions = flows.take_records()
            try:
                await self._write(hours)
                await self._write(self._due(positions, {_partition(key) for key in hours}))
            except Exception:
                flows.offer_again(hours)
                raise

    def _due(self, positions: Mapping[bytes, bytes], touched: set[int]) -> dict[bytes, bytes]:
        """The positions that moved, and those of partitions that hours were just written to.

        A partition must not end in a tombstone: compaction would take it away one day, and Faust's recovery, which
        waits for the last offset, would wait for ever.
        """
        return {key: value for key, value in positions.items() if self.data.get(key) != value or _partition(key) in touched}

    async def _write(self, records: Mapping[bytes, bytes | None]) -> None:
        """Returns when the broker has them."""
        for number, (key, value) in enumerate(records.items(), 1):
            if value is not None:
                self[key] = value
            elif key in self.data:
                del self[key]
            if number % _AT_ONCE == 0:
                await self._settled()
        await self._settled()

    async def _settled(self) -> None:
        sent, self._sent = self._sent, []
        await asyncio.gather(*sent)
