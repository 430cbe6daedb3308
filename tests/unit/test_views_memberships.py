"""The index of memberships: sizes as they change, pages of members, whatever the order of records."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts.changes import CustomerSegments, Membership, Scores
from streams.views import memberships as module
from streams.views.errors import ViewsError
from streams.views.memberships import MICRO, Memberships

AT = "2011-05-02T10:00:00Z"


def record(
    customer_id: str, held: dict[str, str], micro: tuple[str, ...] = (), at: str = AT, names: str = "{}"
) -> CustomerSegments:
    memberships = {name: Membership(segment, names.format(segment), AT) for name, segment in held.items()}
    listed = [Membership(segment, names.format(segment), AT) for segment in micro]
    return CustomerSegments(customer_id, at, memberships, listed, Scores(), {}, {"churn": len(at)}, at)


def sizes(index: Memberships, segmentation: str) -> dict[str, int]:
    return {known.segment: known.customers for known in index.sizes(segmentation)[1]}


def everyone(index: Memberships, segmentation: str, segment: str, limit: int) -> list[str]:
    """All pages."""
    found, after = [], -1
    while True:
        ids, last = index.members(segmentation, segment, after, limit)
        found += ids
        if last is None:
            return found
        assert len(ids) == limit
        after = last


def test_a_move_changes_both_sizes() -> None:
    index = Memberships()
    index.apply(record("a", {"lifecycle": "new"}))
    index.apply(record("b", {"lifecycle": "new"}))
    index.apply(record("a", {"lifecycle": "active"}))
    assert index.sizes("lifecycle")[0] == 2
    assert sizes(index, "lifecycle") == {"active": 1, "new": 1}


def test_a_segment_without_customers_is_not_listed() -> None:
    index = Memberships()
    index.apply(record("a", {"lifecycle": "new"}))
    index.apply(record("a", {"value": "high"}))
    assert index.segmentations() == ["value"]
    assert index.sizes("lifecycle") == (0, [])
    assert index.segment("lifecycle", "new") is None
    assert index.segment("mood", "happy") is None


def test_a_customer_of_several_micro_segments_is_counted_once_in_all_and_once_in_each() -> None:
    index = Memberships()
    index.apply(record("a", {}, ("night", "gifts")))
    index.apply(record("b", {}, ("gifts",)))
    assert index.sizes(MICRO)[0] == 2
    assert sizes(index, MICRO) == {"gifts": 2, "night": 1}
    assert everyone(index, MICRO, "gifts", 10) == ["a", "b"]
    # The places within the list say nothing.
    index.apply(record("a", {}, ("gifts", "night", "weekend")))
    assert sizes(index, MICRO) == {"gifts": 2, "night": 1, "weekend": 1}


def test_the_newest_record_names_a_segment() -> None:
    index = Memberships()
    index.apply(record("a", {"behaviour": "b1"}, at="2011-05-03T00:00:00Z", names="New {}"))
    index.apply(record("b", {"behaviour": "b1"}, at="2011-05-02T00:00:00Z", names="Old {}"))
    assert [known.name for known in index.sizes("behaviour")[1]] == ["New b1"]
    index.apply(record("b", {"behaviour": "b1"}, at="2011-05-04T00:00:00Z", names="Newest {}"))
    assert [known.name for known in index.sizes("behaviour")[1]] == ["Newest b1"]
    assert index.definitions == "2011-05-04T00:00:00Z"


def test_a_place_that_became_free_is_taken_again() -> None:
    index = Memberships()
    for customer_id in ("a", "b", "c"):
        index.apply(record(customer_id, {"lifecycle": "new"}, ("night",)))
    index.remove("b")
    index.remove("nobody")
    assert (len(index), sizes(index, "lifecycle"), sizes(index, MICRO)) == (2, {"new": 2}, {"night": 2})
    index.apply(record("d", {"lifecycle": "active"}))
    assert everyone(index, "lifecycle", "active", 10) == ["d"]
    assert everyone(index, "lifecycle", "new", 10) == ["a", "c"]
    assert everyone(index, MICRO, "night", 10) == ["a", "c"]


def test_members_are_found_beyond_a_block_of_rows() -> None:
    index = Memberships()
    for number in range(70_000):
        index.apply(record(f"c{number}", {"lifecycle": "rare" if number % 30_000 == 29_999 else "usual"}))
    assert everyone(index, "lifecycle", "rare", 1) == ["c29999", "c59999"]


def test_too_many_segments_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CODES", 2)
    index = Memberships()
    index.apply(record("a", {"affinity": "shoes"}))
    index.apply(record("a", {"affinity": "bags"}))
    with pytest.raises(ViewsError, match="more than 2 segments, the last 'hats'"):
        index.apply(record("a", {"affinity": "hats"}))


HELD = st.dictionaries(st.sampled_from(["lifecycle", "value"]), st.sampled_from(["s1", "s2", "s3"]))
MICROS = st.lists(st.sampled_from(["m1", "m2", "m3", "m4"]), unique=True, max_size=4).map(tuple)
RECORDS = st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | st.tuples(HELD, MICROS)), max_size=40)


@given(RECORDS, st.integers(1, 4))
def test_the_index_is_what_the_newest_records_say(
    records: list[tuple[str, tuple[dict[str, str], tuple[str, ...]] | None]], limit: int
) -> None:
    index = Memberships()
    newest: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {}
    for customer_id, held in records:
        if held is None:
            index.remove(customer_id)
            newest.pop(customer_id, None)
        else:
            index.apply(record(customer_id, *held))
            newest[customer_id] = held
    in_segments: Counter[tuple[str, str]] = Counter()
    in_segmentations: Counter[str] = Counter()
    for memberships, micro in newest.values():
        in_segments.update([*memberships.items(), *((MICRO, segment) for segment in micro)])
        in_segmentations.update([*memberships, *([MICRO] if micro else [])])
    assert len(index) == len(newest)
    assert index.segmentations() == sorted(in_segmentations)
    for segmentation in ("lifecycle", "value", MICRO):
        assert index.sizes(segmentation)[0] == in_segmentations[segmentation]
        for segment, customers in sizes(index, segmentation).items():
            assert customers == in_segments[segmentation, segment]
            members = everyone(index, segmentation, segment, limit)
            assert sorted(members) == sorted(
                customer_id
                for customer_id, (memberships, micro) in newest.items()
                if segment in (micro if segmentation == MICRO else (memberships.get(segmentation),))
            )
    listed = sum(len(sizes(index, segmentation)) for segmentation in index.segmentations())
    assert listed == len(in_segments)
