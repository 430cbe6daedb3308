"""A whole deployment checked by the oracle from what stands in its topics, when it has come to rest: all input committed.

One oracle follows each partition by journal and input (`tests.oracle.following`), and says what must stand in the outputs; what
it keeps in the end is compared with the changelog (`tests.oracle.standing`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streams.presets import load_taxonomy
from streams.settings import Settings
from tests.oracle.archive import Archive
from tests.oracle.comparing import Findings
from tests.oracle.following import Follower
from tests.oracle.kept import Kept, Only, Part

__all__ = ["Kept", "Topics", "disagreements", "read_topics"]


@dataclass(frozen=True)
class Topics:
    """Committed records, in order; by partition, but for `models`."""

    events: Sequence[Sequence[Kept]]
    commands: Sequence[Sequence[Kept]]
    journal: Sequence[Sequence[Kept]]
    changes: Sequence[Sequence[Kept]]
    samples: Sequence[Sequence[Kept]]
    state: Sequence[Sequence[Kept]]
    segments: Sequence[Sequence[Kept]]
    dead: Sequence[Sequence[Kept]]
    models: Sequence[Kept]

    def part(self, number: int) -> Part:
        """What belongs to one partition."""
        topics = (
            self.events, self.commands, self.journal, self.changes, self.samples, self.state, self.segments, self.dead,
        )  # fmt: skip
        return Part(number, *(topic[number] for topic in topics))


def read_topics(read: Callable[[str], Sequence[Sequence[Kept]]]) -> Topics:
    """All of them. read: the committed records of a topic, given its name without prefix, by partition."""
    (models,) = read("models")
    return Topics(
        events=read("events"),
        commands=read("commands"),
        journal=read("journal"),
        changes=read("segment-changes"),
        samples=read("samples"),
        state=read("state"),
        segments=read("segments"),
        dead=read("events.dlq"),
        models=models,
    )


def disagreements(topics: Topics, settings: Settings, only: Only | None = None) -> list[str]:
    """Where the topics are not what the oracle says: sentences that begin with what is wrong, a few of a kind and partition.

    `only`: the customers, by id, who are followed and compared; what needs all of them (dead letters, marks' counts, totals) is
    then left out.
    """
    findings, archive, taxonomy = Findings(), Archive(topics.models), load_taxonomy(settings.taxonomy)
    for number in range(len(topics.events)):
        Follower(topics.part(number), settings, taxonomy, archive, findings, only).follow()
    return findings.sentences()
