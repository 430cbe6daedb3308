"""What a partition says when other definitions decide."""

from __future__ import annotations

import msgspec

from models.definitions import compile_definitions
from streams.contracts.changes import Change
from streams.presets import load_definitions
from streams.settings import DAY_MS
from tests.chaos.stand import TOPICS, Stand
from tests.unit.partition_records import START, order


def test_a_micro_segment_that_is_no_more_has_a_name_when_it_ends() -> None:
    """Also one with a lower id than those that stayed."""
    stand = Stand().begin()
    stand.commit()
    stand.feed([order()])
    stand.sweep(START + 30 * DAY_MS)
    held = {change.current.segment for change in changes_open(stand) if change.segmentation == "micro" and change.current}
    assert held
    definitions = load_definitions("retail")
    gone = next(segment for segment in definitions.micro.segments if f"micro:{segment.key}" in held or segment.key in held)
    assert gone.id < max(segment.id for segment in definitions.micro.segments)
    left = [segment for segment in definitions.micro.segments if segment is not gone]
    selector = f"micro:{gone.key}"
    without = msgspec.structs.replace(
        definitions,
        micro=msgspec.structs.replace(definitions.micro, segments=left),
        primary=msgspec.structs.replace(definitions.primary, priority=[s for s in definitions.primary.priority if s != selector]),
        recommend=msgspec.structs.replace(
            definitions.recommend, offers=[offer for offer in definitions.recommend.offers if offer.segment != selector]
        ),
    )
    stand.commit()
    stand.partition.adopt_definitions(compile_definitions(without))
    stand.sweep(START + 31 * DAY_MS)
    ended = [change.previous for change in changes_open(stand) if change.segmentation == "micro" and change.current is None]
    assert [(one.segment, one.name) for one in ended if one] == [(f"micro-{gone.id}", f"Former segment {gone.id}")]


def changes_open(stand: Stand) -> list[Change]:
    """Those of the open transaction."""
    return [msgspec.json.decode(record.value or b"", type=Change) for record in stand.open if record.topic == TOPICS.changes]
