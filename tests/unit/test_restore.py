"""Rebuilding a partition from its changelog: up to the high watermark and no less, and nothing that is not understood."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from models.errors import LayoutError
from models.row import LAYOUT_VERSION, ROW_BYTES
from streams.broker.memory import MemoryBroker, MemoryCluster
from streams.broker.protocol import TP
from streams.errors import RestoreError, ShoalError
from streams.replay.event import iso_ms
from streams.scoring import restore
from streams.scoring.changelog import CURSOR_KEY, Cursor, decode_cursor, encode_cursor, pending_key, row_key, split_pending_key
from streams.scoring.digest import digest, entries_of
from streams.scoring.partition import Partition
from streams.scoring.restore import Restorer
from streams.settings import DAY_MS
from tests.chaos.stand import TOPICS, Stand, Written

START = 19_000 * DAY_MS
STATE = TP(TOPICS.state, 0)
LAYOUT = LAYOUT_VERSION.to_bytes(2, "little")


def lived(days: int, stand: Stand | None = None) -> Stand:
    """A partition with customers, samples under way and champions; goes on with one that is given."""
    stand = stand or Stand().begin()
    begin = len(stand.partition.engine.table) // 5
    for day in range(begin, begin + days):
        at = START + day * DAY_MS
        stand.feed([(b"c%d" % n, _order(f"c{n}", at + n)) for n in range(5 * day, 5 * day + 5)])
        stand.adopt(1 + day % 2)
        stand.sweep(at + DAY_MS)
        stand.commit()
    return stand


def _order(customer: str, at: int) -> bytes:
    body = {"type": "track", "event": "Order Completed", "userId": customer, "timestamp": iso_ms(at)}
    return msgspec.json.encode({**body, "properties": {"revenue": 9}})


def publish(cluster: MemoryCluster, records: Sequence[Written], transactional_id: str = "worker-0") -> None:
    """These records in one transaction."""
    writer = MemoryBroker(cluster).writer(transactional_id)
    writer.begin()
    for record in records:
        writer.produce(record.topic, 0, record.key, record.value)
    writer.commit()


def cluster_of(stand: Stand) -> MemoryCluster:
    cluster = MemoryCluster()
    cluster.create_topic(TOPICS.state, 1)
    if stand.durable:
        publish(cluster, stand.of(TOPICS.state))
    return cluster


def run(restorer: Restorer, most: int = 50) -> list[Partition]:
    for _ in range(most):
        if done := restorer.step(0.0):
            return done
    return []


def refused(key: bytes, value: bytes | None) -> ShoalError:
    cluster = cluster_of(Stand())
    cluster.append(TOPICS.state, 0, key, value)
    restorer = Restorer(MemoryBroker(cluster).reader("restore"))
    restorer.begin(Stand().partition, None)
    with pytest.raises(ShoalError) as raised:
        run(restorer)
    return raised.value


def test_it_is_whole_when_the_changelog_is_read_to_its_end() -> None:
    live, other = lived(6), Stand()
    restorer = Restorer(MemoryBroker(cluster_of(live)).reader("restore"))
    restorer.begin(other.partition, None)
    assert run(restorer) == [other.partition]
    assert not restorer.busy
    assert digest(entries_of([other.partition])) == digest(entries_of([live.partition]))
    assert len(other.partition.engine.pending) > 0
    assert other.partition.cursor == live.partition.cursor


def test_an_empty_changelog_is_a_new_partition() -> None:
    restorer, other = Restorer(MemoryBroker(cluster_of(Stand())).reader("restore")), Stand()
    restorer.begin(other.partition, None)
    assert run(restorer) == [other.partition]
    assert other.partition.cursor == Cursor()


def test_a_changelog_is_compacted_in_the_meantime() -> None:
    live, other = lived(6), Stand()
    cluster = cluster_of(live)
    cluster.compact(TOPICS.state, 0, tombstones=True)
    restorer = Restorer(MemoryBroker(cluster).reader("restore"))
    restorer.begin(other.partition, None)
    assert run(restorer) == [other.partition]
    assert entries_of([other.partition]) == entries_of([live.partition])


def test_it_waits_for_a_marker_that_is_under_way() -> None:
    """The transaction is decided, its offsets may be stable elsewhere already; its marker has not come to `state` yet."""
    live, other = lived(2), Stand()
    cluster = cluster_of(live)
    seen = len(live.durable)
    lived(1, live)
    cluster.hold_markers(True)
    publish(cluster, [record for record in live.durable[seen:] if record.topic == TOPICS.state])
    restorer = Restorer(MemoryBroker(cluster).reader("restore"))
    restorer.begin(other.partition, None)
    assert run(restorer) == []
    assert len(other.partition.engine.table) == 10, "what lies before the open transaction"
    assert 0.0 < restorer.progress() < 1.0
    for owner, target in cluster.under_way():
        cluster.deliver(owner, target)
    assert run(restorer) == [other.partition]
    assert entries_of([other.partition]) == entries_of([live.partition])


def test_it_says_what_it_waits_for_when_nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore, "_STALLED_SECONDS", 0.0)
    cluster = cluster_of(lived(1))
    cluster.hold_markers(True)
    publish(cluster, [Written(TOPICS.state, CURSOR_KEY, encode_cursor(Cursor()), ())])
    restorer = Restorer(MemoryBroker(cluster).reader("restore"))
    restorer.begin(Stand().partition, None)
    with pytest.raises(RestoreError, match=r"no progress .* state\[0\] at \d+ of \d+.*open"):
        run(restorer)


def test_it_reads_on_if_the_changelog_has_grown_since() -> None:
    live, other = lived(2), Stand()
    cluster = cluster_of(live)
    restorer = Restorer(MemoryBroker(cluster).reader("restore"))
    restorer.begin(other.partition, None)
    run(restorer)
    assert not restorer.catch_up(other.partition)
    seen = len(live.durable)
    lived(4, live)
    publish(cluster, [record for record in live.durable[seen:] if record.topic == TOPICS.state])
    assert restorer.catch_up(other.partition)
    assert run(restorer) == [other.partition]
    assert entries_of([other.partition]) == entries_of([live.partition])
    assert not restorer.catch_up(other.partition)


def test_a_table_that_was_held_takes_in_only_what_others_wrote_since() -> None:
    live = lived(4)
    cluster = cluster_of(live)
    held = live.restored([live.changelog()])
    high = cluster.watermarks(STATE)[1]
    seen = len(live.durable)
    lived(4, live)
    publish(cluster, [record for record in live.durable[seen:] if record.topic == TOPICS.state])
    cluster.delete_before(TOPICS.state, 0, high)
    restorer = Restorer(MemoryBroker(cluster).reader("restore"))
    restorer.begin(held.partition, high)
    assert run(restorer) == [held.partition]
    assert entries_of([held.partition]) == entries_of([live.partition])


def test_several_are_restored_side_by_side_and_one_may_be_given_up() -> None:
    live = lived(3)
    cluster = MemoryCluster()
    cluster.create_topic(TOPICS.state, 3)
    writer = MemoryBroker(cluster).writer("worker-0")
    writer.begin()
    for record in live.of(TOPICS.state):
        for partition in range(3):
            writer.produce(record.topic, partition, record.key, record.value)
    writer.commit()
    restorer = Restorer(MemoryBroker(cluster).reader("restore"))
    stands = [Stand() for _ in range(3)]
    for number, stand in enumerate(stands):
        stand.partition.number = number
        restorer.begin(stand.partition, None)
    restorer.cancel(1)
    found: list[Partition] = []
    while restorer.busy:
        found += restorer.step(0.0)
    assert sorted(partition.number for partition in found) == [0, 2]
    for number in (0, 2):
        assert entries_of([stands[number].partition]) == entries_of([live.partition])


def test_rows_of_another_layout_are_refused_with_both_versions() -> None:
    other = (LAYOUT_VERSION + 1).to_bytes(2, "little")
    for value in (other + bytes(ROW_BYTES), other + bytes(ROW_BYTES + 6), other, b""):
        error = refused(row_key(b"ada"), value)
        assert isinstance(error, LayoutError)
        assert f"reads layout {LAYOUT_VERSION}" in str(error)
        assert "another prefix" in str(error)


def test_a_row_of_the_right_layout_whose_words_are_not_those_it_marks_is_refused() -> None:
    for value in (LAYOUT + bytes(ROW_BYTES), LAYOUT, LAYOUT + bytes(6), LAYOUT + b"\1" + bytes(13), LAYOUT + bytes(13) + b"\x80"):
        error = refused(row_key(b"ada"), value)
        assert isinstance(error, RestoreError)
        assert f"a row of {len(value)} bytes" in str(error)


def test_samples_of_another_layout_are_refused() -> None:
    other = (LAYOUT_VERSION + 1).to_bytes(2, "little")
    for value in (other + bytes(200), LAYOUT + bytes(3), b""):
        error = refused(pending_key(b"ada", START), value)
        assert isinstance(error, LayoutError)
        assert "state[0] offset 0" in str(error)


def test_a_cursor_of_another_layout_or_shape_is_refused() -> None:
    newer = msgspec.structs.replace(Cursor(), layout=LAYOUT_VERSION + 1)
    for value in (encode_cursor(newer), b"{", b'{"swept":"yesterday"}'):
        assert isinstance(refused(CURSOR_KEY, value), LayoutError)


def test_a_key_that_is_not_known_is_refused() -> None:
    assert "does not know" in str(refused(b"q|ada", b"?"))
    assert "does not know" in str(refused(b"", b"?"))


def test_an_erased_customer_is_refused_by_a_version_that_does_not_erase() -> None:
    assert "erased" in str(refused(row_key(b"ada"), None))


def test_a_sample_without_its_customer_is_refused() -> None:
    live = lived(2)
    value = next(r.value for r in live.of(TOPICS.state) if (r.key or b"").startswith(b"p|") and r.value is not None)
    assert "without a row" in str(refused(pending_key(b"nobody", START), value))


@pytest.mark.parametrize("customer", [b"ada", b"a|b", b"|", b"|1|2", "zoë".encode()])
def test_keys_of_samples_come_apart_again(customer: bytes) -> None:
    assert split_pending_key(pending_key(customer, START), "here") == (customer, START)


def test_a_cursor_survives_its_bytes() -> None:
    cursor = Cursor(swept=5, sweeping=7, place=3, skipped=[1, 2], manifest="m", epoch=5, sequence=9, entry="e", changes="c" * 64)
    assert decode_cursor(encode_cursor(cursor), "here") == cursor
