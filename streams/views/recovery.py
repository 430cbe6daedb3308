"""Faust's recovery of tables from their changelogs, with its two races taken out.

Both were seen: restarts that never became ready, and changes that were read and never reached their agent.

- Faust clears the signal of the recovery's end before each record. Given before anybody waits for it, as by a short
  changelog that was fetched already, it is lost, and the wait has no end.
- Faust lets the source partitions flow, then seeks, then empties the agents' queues. What arrives between the last two
  is gone.

These tables are recovered once in a process: all partitions are its own from start to end.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from faust.tables import TableManager
from faust.tables.recovery import Recovery

# Faust's services tell of their starts and stops in the logger of their module, which would be ours.
_STARTS_AND_STOPS = logging.getLogger("faust.tables")


class Latch(asyncio.Event):
    """An event that stays set."""

    def clear(self) -> None:
        """What happened has happened."""


class SingleRecovery(Recovery):
    """Reads the changelogs to their ends, then lets the sources flow."""

    logger = _STARTS_AND_STOPS

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._signal_recovery_end = Latch()

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """Hands the tables over, seeks, empties the queues, and only then opens the sources."""
        app: Any = self.app
        consumer = app.consumer
        self._set_recovery_ended()
        for table in self.tables.values():
            await table.on_recovery_completed(self.actives_for_table[table], self.standbys_for_table[table])
        await consumer.perform_seek()
        self.completed.set()
        app.flow_control.resume()
        consumer.resume_partitions({tp for tp in consumer.assignment() if not self._is_changelog_tp(tp)})
        consumer.resume_flow()
        await app._fetcher.maybe_start()
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        app.on_rebalance_end()


class PromptTables(TableManager):
    """Faust's table manager with this recovery, and without the second that it sleeps before its tables start."""

    logger = _STARTS_AND_STOPS

    @property
    def recovery(self) -> Recovery:
        """The one recovery."""
        if self._recovery is None:
            self._recovery = SingleRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    async def on_start(self) -> None:
        """All tables are declared before the app starts, so there is nothing to wait for."""
        await self._update_channels()
        await self.recovery.start()
