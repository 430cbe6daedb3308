"""One partition: what it writes, what an abort takes back, dead letters, the future, quarantine, and who signs memberships."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgspec
import orjson
import pytest

from models.engine import Engine
from streams.contracts import journal
from streams.contracts.changes import Change, CustomerSegments
from streams.contracts.samples import Mark, Sample
from streams.scoring.changelog import CURSOR_KEY
from streams.scoring.digest import entries_of
from streams.scoring.exact import Bad
from streams.settings import DAY_MS
from tests.chaos.stand import PLAN, TOPICS, Stand, program
from tests.unit.partition_records import START, event, order


@pytest.fixture
def stand() -> Stand:
    begun = Stand().begin()
    begun.commit()
    return begun


def changes(stand: Stand) -> list[Change]:
    return [msgspec.json.decode(record.value or b"", type=Change) for record in stand.of(TOPICS.changes)]


def notes(stand: Stand) -> list[journal.Entry]:
    return [journal.decode(record.value or b"") for record in stand.of(TOPICS.journal)]


def test_a_new_partition_writes_the_definitions_it_starts_with(stand: Stand) -> None:
    assert [record.key for record in stand.of(TOPICS.models)] == [b"definitions|" + program().hash.encode()]
    assert [(note.kind, note.what, note.sequence) for note in notes(stand)] == [("start", program().hash, 0)]


def test_an_event_writes_the_row_the_memberships_and_the_changes(stand: Stand) -> None:
    stand.feed([event(), order("bob")])
    stand.commit()
    assert [record.key for record in stand.of(TOPICS.state)][1:] == [b"r|ada", b"r|bob", CURSOR_KEY]
    moved = changes(stand)
    assert {change.customer_id for change in moved} == {"ada", "bob"}
    assert [change.source.offset for change in moved] == sorted(change.source.offset for change in moved)
    held = {r.key: msgspec.json.decode(r.value or b"", type=CustomerSegments) for r in stand.of(TOPICS.segments)}
    for change in moved:
        membership = held[change.customer_id.encode()].memberships.get(change.segmentation)
        assert change.segmentation == "micro" or membership == change.current


def offers_of(held: CustomerSegments) -> list[str]:
    """What the definitions offer to someone with these memberships, in order."""
    keys = {f"{name}:{membership.segment.split(':')[-1]}" for name, membership in held.memberships.items()}
    keys |= {f"micro:{membership.segment.split(':')[-1]}" for membership in held.micro}
    return [one.offer for one in program().definitions.recommend.offers if one.segment in keys]


def test_a_change_offers_what_the_first_segment_held_calls_for(stand: Stand) -> None:
    told = set()
    for day in range(0, 200, 5):
        at, seen = START + day * DAY_MS, len(changes(stand))
        if day < 60:
            cart = event("bob", at, event="Product Added", properties={"category": "kitchen"})
            bought = event(at=at, event="Order Completed", properties={"revenue": 50.0, "category": "garden"})
            stand.feed([bought, cart])
        else:
            stand.sweep(at)
        stand.commit()
        held = {r.key: msgspec.json.decode(r.value or b"", type=CustomerSegments) for r in stand.of(TOPICS.segments)}
        for change in changes(stand)[seen:]:
            offers = offers_of(held[change.customer_id.encode()])
            assert change.recommend.offer == (offers[0] if offers else None)
            assert len(change.recommend.categories) <= program().definitions.recommend.categories
            told.add(change.recommend.offer)
    assert len(told) >= 3


def test_change_ids_are_offset_and_number_and_occur_once(stand: Stand) -> None:
    stand.feed([order(at=START + n * DAY_MS) for n in range(9)])
    stand.sweep(START + 60 * DAY_MS)
    stand.commit()
    ids = [change.id for change in changes(stand)]
    assert len(set(ids)) == len(ids)
    assert ids[0] == "e-0-0-0"
    assert any(identity.startswith(f"s-0-{START + 60 * DAY_MS}-") for identity in ids)
    assert [dict(record.headers)["ce_id"].decode() for record in stand.of(TOPICS.changes)] == ids


def test_an_abort_takes_everything_back(stand: Stand) -> None:
    stand.feed([order()])
    stand.sweep(START + DAY_MS)
    stand.commit()
    entries, cursor, at = entries_of([stand.partition]), stand.partition.cursor, stand.partition.events_at
    stand.feed([order("bob"), event(at=START + 2 * DAY_MS), (b"bob", b"{")])
    stand.adopt(1)
    stand.sweep(START + 2 * DAY_MS)
    assert entries_of([stand.partition]) != entries
    stand.abort()
    assert not stand.partition.dirty
    assert entries_of([stand.partition]) == entries
    assert (stand.partition.cursor, stand.partition.events_at) == (cursor, at)
    assert stand.partition.engine.champions.versions == {}
    assert (stand.partition.counts.applied, stand.partition.counts.dead.total()) == (0, 0)


def test_done_again_after_an_abort_it_writes_the_same(stand: Stand) -> None:
    written = []
    for _ in range(3):
        stand.feed([order(), event("bob")])
        stand.adopt(2)
        stand.sweep(START + DAY_MS)
        stand.partition.flush()
        written.append(stand.open)
        stand.abort()
    assert written[0] == written[1] == written[2]
    assert {record.topic for record in written[0]} >= {TOPICS.state, TOPICS.segments, TOPICS.changes, TOPICS.samples}


def test_a_dead_letter_holds_the_bytes_the_reason_and_the_source(stand: Stand) -> None:
    stand.feed([event(), (b"bob", b"{"), event("carl")])
    stand.commit()
    (letter,) = stand.of(TOPICS.dead)
    headers = dict(letter.headers)
    assert (letter.key, letter.value) == (b"bob", b"{")
    assert (headers["source_topic"], headers["source_partition"], headers["source_offset"]) == (b"events", b"0", b"1")
    assert headers["kind"] == b"not_json"
    assert headers["reason"].startswith(b"not JSON in UTF-8")
    assert "truncated" not in headers
    assert {record.key for record in stand.of(TOPICS.segments)} == {b"ada", b"carl"}


@pytest.mark.parametrize(("key", "value"), [(b"k" * 150_000, b"v" * 890_000), (b"k", b"v" * 1_000_000), (b"k" * 1_000_000, b"v")])
def test_a_dead_letter_fits_into_a_record_whatever_came(stand: Stand, key: bytes, value: bytes) -> None:
    stand.feed([(key, value)])
    stand.commit()
    (letter,) = stand.of(TOPICS.dead)
    size = sum(len(part or b"") for part in (letter.key, letter.value, *(text for _, text in letter.headers)))
    assert size < 999_000, "librdkafka refuses a million bytes, a broker a little more"
    assert b"the first" in dict(letter.headers)["truncated"]
    assert key.startswith(letter.key or b"?")
    assert value.startswith(letter.value or b"?")


def test_a_reason_that_quotes_the_record_stays_short() -> None:
    stand = Stand(max_bytes=1_000_000).begin()
    stand.feed([(b"ada", orjson.dumps({"type": "x" * 900_000, "userId": "ada"}))])
    (letter,) = [record for record in stand.open if record.topic == TOPICS.dead]
    assert 100 < len(dict(letter.headers)["reason"]) <= 1_000


def test_an_event_of_the_future_counts_as_one_of_now(stand: Stand) -> None:
    stand.feed([event(at=START + 4 * DAY_MS), event("bob", at=START + 200_000)], clock=START)
    row = stand.partition.engine.table.row(b"ada")
    assert row is not None
    assert int(row["last"]) == START
    near = stand.partition.engine.table.row(b"bob")
    assert near is not None
    assert int(near["last"]) == START + 200_000, "within the tolerance"
    assert stand.partition.counts.future == 1


def test_what_is_counted_adds_up(stand: Stand) -> None:
    same = event(messageId="m1")
    stand.feed([same, same, event(at=START - DAY_MS), (b"x", b"{"), event("bob", event="Moon Landed")])
    counts = stand.partition.counts
    assert (counts.applied, counts.duplicates, counts.late, counts.dead.total()) == (3, 1, 1, 1)
    assert counts.unknown == {"Moon Landed": 1}
    assert counts.no_message_id == 2


def test_memberships_are_written_in_the_names_of_those_who_decided(stand: Stand) -> None:
    """Another champion takes over before the commit: the wording may not depend on where the commit falls."""
    early, late = stand, Stand().begin()
    late.commit()
    for one, commit_between in ((early, True), (late, False)):
        one.adopt(1)
        one.feed([order(), event("bob")])
        if commit_between:
            one.commit()
        one.adopt(2)
        one.commit()
    newest = [{record.key: record.value for record in one.of(TOPICS.segments)} for one in (early, late)]
    assert newest[0] == newest[1]
    held = msgspec.json.decode(newest[1][b"ada"] or b"", type=CustomerSegments)
    assert held.model is not None
    assert set(held.model.values()) == {1}


def test_a_record_that_was_set_aside_is_a_dead_letter_and_in_the_journal(stand: Stand) -> None:
    stand.partition.quarantined[1] = Bad(0, "quarantined", "the engine failed on it: ValueError: no")
    stand.feed([event()])
    stand.feed([event("bob")])
    stand.commit()
    (letter,) = stand.of(TOPICS.dead)
    assert dict(letter.headers)["kind"] == b"quarantined"
    assert [(note.kind, note.offset) for note in notes(stand)][1:] == [("quarantine", 1)]
    assert stand.partition.events_at == 2
    assert list(stand.partition.engine.table.ids) == [b"ada"]


def test_the_journal_is_a_chain(stand: Stand) -> None:
    for day in range(1, 4):
        stand.feed([order(at=START + day * DAY_MS)])
        stand.adopt(day)
        stand.sweep(START + day * DAY_MS)
        stand.commit()
    entries = notes(stand)
    assert [entry.sequence for entry in entries] == list(range(len(entries)))
    assert [entry.previous for entry in entries[1:]] == [entry.hash for entry in entries[:-1]]
    assert all(journal.sealed(entry) == entry for entry in entries)


def test_a_failing_engine_leaves_the_offset_it_failed_at(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.feed([event()])
    stand.commit()

    def fail(*_: object) -> Iterator[object]:
        raise ValueError("no")

    monkeypatch.setattr(Engine, "apply", fail)
    with pytest.raises(ValueError, match="no"):
        stand.feed([event("bob")])
    assert stand.partition.applying == 1
    stand.abort()
    assert stand.partition.applying is None


def test_a_sweep_is_cut_by_its_cap_and_marked_once_at_its_end() -> None:
    """Wherever the cuts fall, samples and mark are those of an uncut sweep; the cap counts rows that moved nowhere, too."""
    whole = Stand().begin()
    cut = Stand(plan=replace(PLAN, cap=8)).begin()
    stands = (whole, cut)
    parts = [0, 0]
    for number, one in enumerate(stands):
        one.feed([order(f"c{n}", START + n) for n in range(30)])
        one.commit()
        for day in (2, 3, 8):
            while True:
                parts[number] += 1
                done = one.sweep(START + day * DAY_MS)
                assert one is whole or one.partition.engine.table.touched_count() <= 4
                one.commit()
                if done:
                    break
    assert parts[0] == 3
    assert parts[1] > 9
    assert entries_of([whole.partition]) == entries_of([cut.partition])
    for topic in (TOPICS.changes, TOPICS.samples):
        assert whole.of(topic) == cut.of(topic)
    said = [msgspec.json.decode(record.value or b"", type=Sample | Mark) for record in whole.of(TOPICS.samples)]
    between = 0
    for item in said:
        if isinstance(item, Mark):
            assert (item.samples, item.customers) == (between, 30)
            between = -1
        between += 1
    assert sum(isinstance(item, Mark) for item in said) == 3
