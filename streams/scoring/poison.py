"""A record that the engine cannot take: named, and the worker stops; or set aside, if it was told to."""

from __future__ import annotations

import logging
from collections.abc import Callable

from streams.errors import PoisonError
from streams.scoring.exact import Bad
from streams.scoring.partition import Partition
from streams.scoring.slot import Slot
from streams.settings import Settings

log = logging.getLogger(__name__)


def isolate(slot: Slot, error: Exception, settings: Settings, rewind: Callable[[], None], *, single: bool) -> None:
    """A record that the engine cannot take: found by going one by one, then it is named, or set aside if so configured.

    rewind: gives the open transaction up. single: whether one record alone was given to the engine. Raises PoisonError.
    """
    partition = slot.partition
    if not single:
        log.exception("%s[%d]: a batch failed; going record by record to find out which", *partition.events_tp)
        slot.go_one_by_one(settings.batch)
        rewind()
        return
    offset = _blamed(partition, error, settings.quarantine)
    rewind()
    _set_aside(partition, offset, error)


def _blamed(partition: Partition, error: Exception, quarantine: bool) -> int:
    """The offset of the record at which the engine failed, to be set aside. Raises PoisonError where that is not wanted, or
    where it was no record at all."""
    offset = partition.applying
    topic = f"{partition.events_tp.topic}[{partition.number}]"
    if offset is None:
        raise PoisonError(
            f"{topic} before offset {partition.events_at}: the engine failed in a sweep or in a change of models "
            f"({type(error).__name__}: {error}). Report it with the traceback in the log above"
        ) from error
    where = f"{topic} offset {offset}"
    if not quarantine:
        raise PoisonError(
            f"{where}: the engine failed on this record ({type(error).__name__}: {error}). Report it; to go on without it, "
            "set quarantine = true: it is then put among the dead letters, and the journal says so."
        ) from error
    log.exception("%s is set aside", where)
    return offset


def _set_aside(partition: Partition, offset: int, error: Exception) -> None:
    """When this record comes again it goes to the dead letters."""
    partition.quarantined[offset] = Bad(0, "quarantined", f"the engine failed on it: {type(error).__name__}: {error}")
