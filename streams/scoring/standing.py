"""Where a restored partition stands: the offsets of its inputs, and who decided when its state was written."""

from __future__ import annotations

import logging

from models.definitions import Program
from streams.broker.protocol import TP, Connection
from streams.errors import RestoreError
from streams.scoring.library import Library
from streams.scoring.partition import Partition

log = logging.getLogger(__name__)


def standing(partition: Partition, tp: TP, stood: int, committed: int, connection: Connection, group: str) -> int:
    """Next offset of an input. `stood`: at which the state was written; `committed`: the group's; -1 where none.

    The state knows best: it and where it stands are records of one partition, visible together or not at all, where the
    group's offsets are elsewhere, may be forgotten, and were seen to be wrong. They count where the state says nothing, and
    where a person has set them behind a hole. Raises RestoreError when state and input do not fit.
    """
    low, _ = connection.watermarks(tp)
    if stood < 0 and committed < 0 and partition.cursor.sequence:
        raise RestoreError(
            f"{tp.topic}[{tp.partition}]: there is state, of a version that did not say where it stands, and group {group} has "
            "no offset, so its input would be counted twice: brokers forget the offsets of a group that was away for longer "
            "than offsets.retention.minutes. Raise that, and rebuild the state under another prefix."
        )
    offset = committed if stood < 0 or stood < low <= committed else stood
    if 0 <= offset < low:
        raise RestoreError(
            f"{tp.topic}[{tp.partition}]: the next offset is {offset}, but the log starts at {low}: {low - offset} "
            "records were deleted before they were read. Raise the topic's retention; to go on without them, reset the "
            f"group's offset to {low} with Kafka's own tools."
        )
    if offset != committed:
        log.warning("%s[%d]: group %s says %d, the state stands at %d", tp.topic, tp.partition, group, committed, offset)
    return low if offset < 0 else offset


def adopt_standing(partition: Partition, library: Library, own: Program, models: str) -> None:
    """The champions and definitions that decided when the state was written go on deciding. `own`: this worker's definitions.

    Raises RestoreError when topic `models` does not hold them.
    """
    cursor = partition.cursor
    if cursor.manifest:
        held = library.by_hash(cursor.manifest)
        if held is None:
            library.open()
            held = library.by_hash(cursor.manifest)
        if held is None:
            raise _missing(partition, f"manifest {cursor.manifest[:12]}", models)
        partition.engine.adopt(champions=library.champions(held.manifest))
        partition.one_in = held.manifest.one_in
    if cursor.definitions:
        program = own if own.hash == cursor.definitions else library.program(cursor.definitions)
        if program is None:
            library.open()
            program = library.program(cursor.definitions)
        if program is None:
            raise _missing(partition, f"definitions {cursor.definitions[:12]}", models)
        partition.engine.adopt(program=program)


def _missing(partition: Partition, what: str, topic: str) -> RestoreError:
    return RestoreError(
        f"partition {partition.number} stands on {what}, which {topic} does not hold. Was that topic deleted or replaced? "
        "Restore it, or rebuild the state from the input under another prefix."
    )
