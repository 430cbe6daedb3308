"""What no run may say, finished or not: the same thing twice, or a change that does not go on where the one before ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from streams.contracts.changes import Change
from streams.contracts.samples import MARK_KEY, Mark, Sample

_change = msgspec.json.Decoder(Change).decode
_sample = msgspec.json.Decoder(Sample | Mark).decode


def in_changes(partitions: Sequence[Sequence[bytes]]) -> Iterator[str]:
    """Of `segment-changes`, in order: values by partition."""
    held: dict[tuple[str, str], str | None] = {}
    seen: set[str] = set()
    for value in (value for partition in partitions for value in partition):
        change = _change(value)
        if change.id in seen:
            yield f"twice: change {change.id}"
        seen.add(change.id)
        if change.segmentation == "micro":
            continue  # several at once
        place = change.customer_id, change.segmentation
        previous = None if change.previous is None else change.previous.segment
        if held.get(place) != previous:
            yield f"links: change {change.id} begins at {previous}, the one before ended at {held.get(place)}"
        held[place] = None if change.current is None else change.current.segment


def in_samples(partitions: Sequence[Sequence[tuple[bytes | None, bytes | None]]]) -> Iterator[str]:
    """Of `samples`, in order: keys and values by partition."""
    for number, records in enumerate(partitions):
        seen = Counter[tuple[str, int, bool]]()
        before = 0
        for key, value in records:
            said = _sample(value or b"")
            if isinstance(said, Sample):
                seen[said.customer_id, said.t0, said.label is None] += 1
                before += 1
                continue
            if key != MARK_KEY or said.samples != before:
                yield f"marks: partition {number}, epoch {said.epoch}: it counts {said.samples} samples, {before} are there"
            before = 0
        twice = [f"{customer} at {t0}" for (customer, t0, _), count in seen.items() if count > 1]
        if twice:
            yield f"twice: partition {number}: {len(twice)} samples, the first of {twice[0]}"
