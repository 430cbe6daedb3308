"""Where a restored partition stands: the offsets of its inputs, and who decided when its state was written."""

from __future__ import annotations

from models.definitions import Program
from streams.broker.protocol import TP, Connection
from streams.errors import RestoreError
from streams.scoring.library import Library
from streams.scoring.partition import Partition


def standing(partition: Partition, tp: TP, committed: int, connection: Connection, group: str) -> int:
    """Next offset of an input; `committed`: the group's, -1 where none. Raises RestoreError when state and input do not fit."""
    low, _ = connection.watermarks(tp)
    if committed < 0 and partition.cursor.sequence:
        raise RestoreError(
            f"{tp.topic}[{tp.partition}]: there is state, but group {group} has no offset at "
            "which it stands, so its input would be counted twice: brokers forget the offsets of a group that was away "
            "for longer than offsets.retention.minutes. Raise that, and rebuild the state under another prefix."
        )
    if 0 <= committed < low:
        raise RestoreError(
            f"{tp.topic}[{tp.partition}]: the next offset is {committed}, but the log starts at {low}: {low - committed} "
            "records were deleted before they were read. Raise the topic's retention; to go on without them, reset the "
            f"group's offset to {low} with Kafka's own tools."
        )
    return low if committed < 0 else committed


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
