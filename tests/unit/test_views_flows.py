"""Flows by the hour: each change counted once, from any moment at which the process may have ended."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.views.answers import Flow
from streams.views.flows import HOURS_KEPT, Flows, Moved, hour_of, hour_text


def moved(at: str, previous: str | None = None, current: str | None = "new", segmentation: str = "lifecycle") -> Moved:
    """As it comes out of a record."""
    body = {
        "segmentation": segmentation,
        "previous": previous and {"segment": previous, "name": previous, "since": at},
        "current": current and {"segment": current, "name": current, "since": at},
        "at": at,
        "confidence": 1.0,
    }
    return msgspec.json.decode(msgspec.json.encode(body), type=Moved)


@pytest.mark.parametrize(
    ("at", "hour"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:59:59.999Z", 1),
        ("2011-05-02T10:30:00Z", 362_314),
        ("2011-05-02T12:30:00+02:00", 362_314),
        ("1969-12-31T23:59:59Z", -1),
    ],
)
def test_an_hour_is_utc(at: str, hour: int) -> None:
    assert hour_of(at) == hour
    assert hour_of(hour_text(hour)) == hour
    flows = Flows()
    flows.count(0, 0, moved(at))
    assert flows.newest_hour() == hour


@pytest.mark.parametrize(
    ("at", "why"),
    [("2011-05-02T10:30:00", "no time zone"), ("yesterday", "isoformat"), ("2011-13-02T10:30:00Z", "month"), ("", "iso")],
)
def test_a_time_that_is_none_is_refused(at: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Flows().count(0, 0, moved(at))


def test_moves_are_counted_by_hour_segmentation_and_ends() -> None:
    flows = Flows()
    for offset, change in enumerate([
        moved("2011-05-02T10:00:00Z"),
        moved("2011-05-02T10:59:59Z"),
        moved("2011-05-02T11:00:00Z", "new", "active"),
        moved("2011-05-02T10:30:00Z", "new", None, "offer"),
    ]):  # fmt: skip
        flows.count(offset % 2, offset, change)
    ten, eleven = "2011-05-02T10:00:00Z", "2011-05-02T11:00:00Z"
    window = flows.window(2)
    assert window == (
        hour_of(ten),
        hour_of(eleven),
        [
            Flow(ten, "lifecycle", None, "new", 2),
            Flow(ten, "offer", "new", None, 1),
            Flow(eleven, "lifecycle", "new", "active", 1),
        ],
    )
    assert [flow.segmentation for flow in (flows.window(2, "offer") or (0, 0, []))[2]] == ["offer"]
    assert len((flows.window(1) or (0, 0, []))[2]) == 1


def test_nothing_was_counted_before_the_first_change() -> None:
    assert Flows().window(24) is None
    assert Flows().next_offset(3) == 0


def test_a_change_that_is_delivered_again_is_passed_over() -> None:
    flows = Flows()
    for offset in (4, 5, 4, 5, 7):
        flows.count(0, offset, moved("2011-05-02T10:00:00Z"))
    assert (flows.window(1) or (0, 0, []))[2][0].count == 3
    assert flows.next_offset(0) == 8


def test_hours_that_are_too_old_are_forgotten_and_their_records_removed() -> None:
    flows = Flows()
    flows.count(0, 0, moved(hour_text(1_000)))
    assert set(flows.take_records()[0]) == {f"0/{hour_text(1_000)}".encode()}
    flows.count(0, 1, moved(hour_text(1_000 + HOURS_KEPT)))
    flows.count(0, 2, moved(hour_text(1_000)))
    hours, _ = flows.take_records()
    assert hours[f"0/{hour_text(1_000)}".encode()] is None
    assert len((flows.window(HOURS_KEPT) or (0, 0, []))[2]) == 1
    assert flows.take_records()[0] == {}


def test_records_that_were_not_stored_are_offered_again() -> None:
    flows = Flows()
    flows.count(0, 0, moved("2011-05-02T10:00:00Z"))
    hours, _ = flows.take_records()
    assert flows.take_records()[0] == {}
    flows.offer_again(hours)
    assert flows.take_records()[0] == hours


CHANGE = st.tuples(st.integers(0, 1), st.integers(0, 3), st.sampled_from(["new", "active"]))


@given(
    changes=st.lists(CHANGE, max_size=40),
    stores=st.sets(st.integers(0, 40)),
    ends=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 100)), max_size=4),
)
def test_any_end_at_any_write_counts_each_change_once(
    changes: list[tuple[int, int, str]], stores: set[int], ends: list[tuple[int, int]]
) -> None:
    """Lives that end at any change and in the middle of any series of writes; the next one reads on where it must."""
    topics: dict[int, list[Moved]] = {0: [], 1: []}
    order = []
    for partition, hour, current in changes:
        order.append((partition, len(topics[partition])))
        topics[partition].append(moved(hour_text(400_000 + hour), None, current))
    straight = Flows()
    for partition, offset in order:
        straight.count(partition, offset, topics[partition][offset])

    table: dict[bytes, bytes] = {}
    for last_change, writes in [*ends, (len(changes), 0)]:
        flows = Flows()
        flows.take_back(table)
        unread = [place for place in order if place[1] >= flows.next_offset(place[0])]
        for number, (partition, offset) in enumerate(unread[:last_change]):
            flows.count(partition, offset, topics[partition][offset])
            if number in stores:
                write(table, flows)
        # The process ends when only some of the records of a store were written.
        write(table, flows, writes)
    flows = Flows()
    flows.take_back(table)
    for partition, changes_of in topics.items():
        for offset in range(flows.next_offset(partition), len(changes_of)):
            flows.count(partition, offset, changes_of[offset])
    assert flows.window(10) == straight.window(10)


def write(table: dict[bytes, bytes], flows: Flows, at_most: int | None = None) -> None:
    """As the table does: hours, then positions; at most so many of them."""
    hours, positions = flows.take_records()
    for key, value in [*hours.items(), *positions.items()][:at_most]:
        assert value is not None
        table[key] = value
