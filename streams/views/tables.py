"""The Faust tables: memberships, whose changelog is the topic they are read from, and the flows' stored hours."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import faust
import msgspec
from faust.tables import TableManager

from streams.views.flows import Flows, StoredHour, hour_of, hour_text

_POSITION = "position"
# Faust stops reading while more than a hundred records wait to be sent.
_AT_ONCE = 50

# Faust's services tell of their starts and stops in the logger of their module, which would be ours.
_STARTS_AND_STOPS = logging.getLogger("faust.tables")

_encode = msgspec.json.Encoder().encode


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


class FlowTable(faust.Table[Any, Any]):
    """The stored hours of `Flows`, keyed `<partition>/<hour>`, and one position a partition, `<partition>/position`.

    An entry lies in the partition of the changelog that has the number of the changes' partition.
    """

    logger = _STARTS_AND_STOPS

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._sent: list[Any] = []

    def partition_for_key(self, key: Any) -> int:
        """The partition that the key names; Faust would take that of the record in work, and there is none."""
        return int(key.partition(b"/")[0])

    def on_key_set(self, key: Any, value: Any) -> None:
        """Sends the entry to the changelog."""
        self._sent.append(self.send_changelog(self.partition_for_key(key), key, value))

    def on_key_del(self, key: Any) -> None:
        """Sends a tombstone to the changelog."""
        self._sent.append(self.send_changelog(self.partition_for_key(key), key, None, value_serializer="raw"))

    async def settled(self) -> None:
        """Returns when the broker has what was set. Raises what kept it from it."""
        sent, self._sent = self._sent, []
        for future in sent:
            await future

    async def store(self, flows: Flows) -> None:
        """Writes what changed, then how far it was counted: a position never tells of an hour that is not there."""
        positions = dict(flows.positions())
        changed = list(flows.take_changed())
        try:
            for number, (partition, hour, stored) in enumerate(changed):
                self._set(f"{partition}/{hour_text(hour)}".encode(), None if stored is None else _encode(stored))
                if number % _AT_ONCE == 0:
                    await self.settled()
            await self.settled()
            for partition, next_offset in positions.items():
                self._set(f"{partition}/{_POSITION}".encode(), str(next_offset).encode())
            await self.settled()
        except Exception:
            self._sent.clear()
            for partition, hour, _ in changed:
                flows.mark_changed(partition, hour)
            raise

    def restore(self, flows: Flows) -> None:
        """Hands what was recovered from the changelog to `flows`."""
        for partition, name, value in self._entries():
            if name == _POSITION:
                flows.restore_position(partition, int(value))
            else:
                flows.restore_hour(partition, hour_of(name), msgspec.json.decode(value, type=StoredHour))

    def _set(self, key: bytes, value: bytes | None) -> None:
        if value is not None and self.data.get(key) != value:
            self[key] = value
        elif value is None and key in self.data:
            del self[key]

    def _entries(self) -> Iterator[tuple[int, str, bytes]]:
        for key, value in self.data.items():
            partition, _, name = key.decode().partition("/")
            yield int(partition), name, value


class PromptTables(TableManager):
    """Faust's table manager without the second that it sleeps before its tables start."""

    logger = _STARTS_AND_STOPS

    async def on_start(self) -> None:
        """All tables are declared before the app starts, so there is nothing to wait for."""
        await self._update_channels()
        await self.recovery.start()
