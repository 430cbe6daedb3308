"""What must be true of a deployment that has come to rest after a soak; each gives what is wrong, in sentences."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import numpy as np

from models.row import ROW
from streams.broker.confluent import KafkaBroker
from streams.scoring.changelog import ROW_PREFIX, unpack_rows
from streams.scoring.digest import digest, live_entries
from streams.settings import Settings
from tests.chaos.outcome import unstable
from tests.chaos.program import say
from tests.oracle.topics import disagreements, read_topics
from tests.soak.load import Sent
from tests.soak.recorder import Recorder


def _live(settings: Settings) -> Iterator[tuple[int, dict[bytes, bytes]]]:
    """Of each partition what its changelog holds."""
    reader = KafkaBroker(settings).reader("soak")
    try:
        for partition in range(settings.partitions):
            yield partition, live_entries(reader, settings.topic("state"), [partition])
    finally:
        reader.close()


def miscounted(settings: Settings, recorder: Recorder, made: Sent, least: int) -> list[str]:
    """Everything that was sent is in a row or a dead letter, or was a repetition; at least so many records were sent."""
    applied = customers = 0
    for _, live in _live(settings):
        rows = unpack_rows([value for key, value in live.items() if key.startswith(ROW_PREFIX)], "state").view(ROW)
        applied, customers = applied + int(rows["events"].sum(dtype=np.int64)), customers + len(rows)
    counts = recorder.counts
    dead = counts["events.dlq"]
    say(
        f"{made.records:,} records were sent: applied {applied:,} of {customers:,} customers ({made.late:,} late, {made.early:,} "
        f"early), {made.twice:,} came twice, {dead:,} dead letters; {counts['segment-changes']:,} changes"
    )
    wanted = (
        ("records of the input", counts["events"], made.records),
        ("applied, twice or dead", applied + made.twice + dead, made.records),
        ("dead letters", dead, made.bad),
    )
    wrong = [f"{what}: {got:,} instead of {expected:,}" for what, got, expected in wanted if got != expected]
    if made.records < least:
        wrong.append(f"the load could send {made.records:,} records only, {least:,} are wanted")
    return wrong


def strayed(settings: Settings, rests: Mapping[int, str]) -> list[str]:
    """No transaction is open, and what workers had in memory (digests of partitions) is what their changelogs hold."""
    wrong = [f"a transaction is open in {where}" for where in unstable(settings)]
    for partition, live in _live(settings):
        if partition not in rests:
            wrong.append(f"partition {partition} was in nobody's memory at the end")
        elif rests[partition] != digest(live):
            wrong.append(f"partition {partition} was another one in its worker than in its changelog")
    return wrong


def contradicted(settings: Settings, recorder: Recorder) -> list[str]:
    """What the oracle says otherwise of those who were followed."""
    topics = read_topics(recorder.read)
    began, followed = time.monotonic(), sum(map(len, topics.events))
    wrong = disagreements(topics, settings, recorder.follows)
    say(
        f"the oracle, asked of {followed:,} records, {sum(map(len, topics.changes)):,} changes and "
        f"{sum(map(len, topics.journal)):,} entries of journals: {len(wrong)} disagreements ({time.monotonic() - began:.0f} s)"
    )
    return wrong if followed else [*wrong, "nobody was followed"]
