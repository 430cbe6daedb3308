"""What every broker must do: one suite for Apache Kafka, the embedded broker and the in-memory twin.

A test module makes a class of this for its broker, with a fixture `site`; see `broker_site`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from uuid import uuid4

import pytest

from streams.broker.protocol import TP, Message, Reader, Record, Writer
from streams.errors import Aborted, BrokerError, Fenced, TopicError
from tests.integration.broker_site import Site, Worker, drive, quiet, read_all, read_until_refused, values


def unique(name: str) -> str:
    return f"{name}-{uuid4().hex[:8]}"


def fill(site: Site, tp: TP, count: int) -> list[bytes]:
    written = [b"%d" % number for number in range(count)]
    for value in written:
        site.append(tp, b"k" + value, value)
    return written


def read_some(reader: Reader, count: int, limit: int = 10) -> list[Message]:
    """At least `count` records."""
    found: list[Message] = []
    deadline = time.monotonic() + 10
    while len(found) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count} records came"
        found += reader.poll(limit, 0.1)
    return found


def write(writer: Writer, tp: TP, *written: bytes) -> None:
    writer.begin()
    for value in written:
        writer.produce(*tp, value, value)
    writer.commit()


def until_high(site: Site, tp: TP, high: int) -> None:
    """Returns when the high watermark is there: records leave the producer, and markers its coordinator, in their time."""
    with closing(site.broker.reader("conformance")) as reader:
        deadline = time.monotonic() + 10
        while (now := reader.watermarks(tp)[1]) < high:
            assert time.monotonic() < deadline, f"the high watermark stays at {now}, below {high}"
            time.sleep(0.02)


class Team:
    """Makes workers of one group, and closes them."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.group = unique("group")
        self.log: list[tuple[str, str, TP]] = []
        self.open = ExitStack()

    def worker(self, *topics: str, transactional_id: str | None = None) -> Worker:
        worker = Worker(self.site, self.group, transactional_id or unique("worker"), self.log)
        self.open.callback(self._close, worker)
        if topics:
            worker.link.subscribe(topics, worker)
        return worker

    def alone(self, topic: str, partitions: int) -> Worker:
        """A worker that has all partitions of the topic and has read nothing yet."""
        worker = self.worker(topic)
        worker.resumes = False
        drive(lambda: len(worker.owned) == partitions, worker)
        worker.resumes = True
        worker.go_on(sorted(worker.owned))
        return worker

    def writer(self, transactional_id: str | None = None) -> Writer:
        return self.open.enter_context(closing(self.site.broker.writer(transactional_id or unique("writer"))))

    def _close(self, worker: Worker) -> None:
        # A test may have closed it, or fenced it.
        with suppress(BrokerError):
            worker.link.close()


@pytest.fixture
def team(site: Site) -> Iterator[Team]:
    made = Team(site)
    with made.open:
        yield made


class Reading:
    """Batches, pause, resume, seek."""

    def test_reads_in_order_in_batches_of_at_most_the_limit(self, site: Site, team: Team) -> None:
        topic = site.topic(1)
        written = fill(site, TP(topic, 0), 100)
        worker = team.alone(topic, 1)
        batches = [worker.next(7)]
        while len(worker.records) < 100:
            batches.append(worker.next(7))
        assert max(map(len, batches)) == 7
        assert values(worker.records) == written
        assert [record.offset() for record in worker.records] == list(range(100))

    def test_poll_returns_with_the_first_record(self, site: Site, team: Team) -> None:
        topic = site.topic(1)
        worker = team.alone(topic, 1)
        site.append(TP(topic, 0), b"k", b"v")
        begin = time.monotonic()
        assert values(worker.poll(500, 10.0)) == [b"v"]
        assert time.monotonic() - begin < 5.0

    def test_keys_values_headers_and_times_come_as_they_went(self, site: Site, team: Team) -> None:
        topic = site.topic(1)
        tp = TP(topic, 0)
        headers = [("reason", b"\x00\xff"), ("empty", b""), ("reason", b"again")]
        site.append(tp, None, b"no key", headers, timestamp=1_300_000_000_123)
        site.append(tp, b"tombstone", None)
        site.append(tp, b"", b"")
        writer = team.writer()
        writer.begin()
        writer.produce(topic, 0, None, b"tick", headers)
        writer.produce(topic, 0, b"gone", None)
        writer.commit()
        found = read_all(site, topic)
        assert [(record.key(), record.value()) for record in found] == [
            (None, b"no key"),
            (b"tombstone", None),
            (b"", b""),
            (None, b"tick"),
            (b"gone", None),
        ]
        assert found[0].headers() == headers
        assert found[3].headers() == headers
        assert not found[1].headers()
        assert found[0].timestamp() == (1, 1_300_000_000_123)
        assert {(record.topic(), record.partition()) for record in found} == {tuple(tp)}

    def test_records_written_at_once_come_as_they_went(self, site: Site, team: Team) -> None:
        topic = site.topic(1)
        records: list[Record] = [
            (None, b"no key", None),
            (b"k", b"headed", [("empty", b""), ("reason", b"\x00\xff")]),
            (b"gone", None, None),
        ]
        link = team.alone(topic, 1).link
        link.begin()
        link.produce_all(topic, 0, iter(records))
        link.produce_all(topic, 0, [])
        link.produce_all(topic, 0, ((b"%d" % n, b"", None) for n in range(300)))
        link.commit({TP(topic, 0): 0})
        found = read_all(site, topic)
        assert [(record.key(), record.value()) for record in found[:3]] == [record[:2] for record in records]
        assert [record.headers() or None for record in found[:3]] == [record[2] for record in records]
        assert [record.key() for record in found[3:]] == [b"%d" % n for n in range(300)]

    def test_big_records_pass_and_too_big_ones_are_refused(self, site: Site, team: Team) -> None:
        topic = site.topic(1)
        writer = team.writer()
        writer.begin()
        with pytest.raises(BrokerError, match=r"2000000 bytes .*" + topic):
            writer.produce(topic, 0, b"", b"x" * 2_000_000)
        writer.produce(topic, 0, b"big", b"y" * 900_000)
        writer.commit()
        assert values(read_all(site, topic)) == [b"y" * 900_000]

    def test_nothing_is_read_before_resume(self, site: Site, team: Team) -> None:
        topic = site.topic(2)
        for partition in range(2):
            fill(site, TP(topic, partition), 3)
        worker = team.worker(topic)
        worker.resumes = False
        drive(lambda: len(worker.owned) == 2, worker)
        assert not quiet(worker)
        worker.link.resume([TP(topic, 1)])
        drive(lambda: len(worker.records) == 3, worker)
        assert not quiet(worker)
        assert {record.partition() for record in worker.records} == {1}

    def test_pause_keeps_back_what_was_fetched_and_loses_nothing(self, site: Site, team: Team) -> None:
        topic = site.topic(2)
        first, second = TP(topic, 0), TP(topic, 1)
        written = fill(site, first, 300)
        fill(site, second, 300)
        worker = team.alone(topic, 2)
        drive(lambda: len(worker.records) >= 20, worker)
        for _ in range(4):
            worker.link.pause([first])
            before = len([record for record in worker.records if record.partition() == 0])
            worker.poll(10, 0.05)
            # Small batches: more than one of them is ready when it is paused.
            for _ in range(15):
                assert all(record.partition() == 1 for record in worker.poll(10, 0.01))
            worker.link.resume([first])
            target = min(300, before + 60)
            while len([record for record in worker.records if record.partition() == 0]) < target:
                worker.next(10)
        drive(lambda: len(worker.records) == 600, worker)
        assert [record.value() for record in worker.records if record.partition() == 0] == written
        assert not quiet(worker, seconds=0.1)

    def test_seek_goes_back_and_forth_paused_or_running(self, site: Site, team: Team) -> None:
        topic = site.topic(1)
        tp = TP(topic, 0)
        fill(site, tp, 100)
        worker = team.alone(topic, 1)
        link = worker.link

        def next_offset() -> int:
            return worker.next()[0].offset()

        assert next_offset() == 0
        link.seek(tp, 50)
        assert [next_offset(), next_offset()] == [50, 51]
        link.pause([tp])
        link.seek(tp, 10)
        assert not quiet(worker, seconds=0.1)
        link.resume([tp])
        assert next_offset() == 10
        # Nothing is read between: the seek must outlive a pause.
        link.seek(tp, 70)
        link.pause([tp])
        link.resume([tp])
        assert next_offset() == 70
        link.pause([tp])
        link.seek(tp, 5)
        link.pause([tp])
        link.resume([tp])
        assert next_offset() == 5
        link.seek(tp, 99)
        assert next_offset() == 99
        assert not quiet(worker, seconds=0.1)

    def test_seek_drops_what_a_paused_partition_had_ready(self, site: Site, team: Team) -> None:
        topic = site.topic(1)
        tp = TP(topic, 0)
        fill(site, tp, 200)
        worker = team.alone(topic, 1)
        drive(lambda: len(worker.records) > 0, worker)
        worker.link.seek(tp, 0)
        worker.link.pause([tp])
        quiet(worker, seconds=0.1)
        worker.link.seek(tp, 150)
        worker.link.resume([tp])
        worker.records.clear()
        drive(lambda: len(worker.records) >= 50, worker)
        assert [record.offset() for record in worker.records] == list(range(150, 200))

    def test_seek_leaves_behind_what_is_ready_after_a_long_pause(self, site: Site, team: Team) -> None:
        topic = site.topic(1)
        tp = TP(topic, 0)
        fill(site, tp, 200)
        worker = team.alone(topic, 1)
        first = worker.next(5)
        worker.link.pause([tp])
        for _ in range(5):
            assert not worker.poll(5)
        worker.link.resume([tp])
        assert worker.next(2)[0].offset() == len(first)
        worker.link.seek(tp, 150)
        worker.records.clear()
        drive(lambda: len(worker.records) >= 50, worker)
        assert [record.offset() for record in worker.records] == list(range(150, 200))

    def test_what_is_not_assigned_cannot_be_moved(self, site: Site, team: Team) -> None:
        topic = site.topic(1)
        worker = team.alone(topic, 1)
        with pytest.raises(BrokerError, match="not assigned"):
            worker.link.seek(TP(topic, 7), 0)
        with pytest.raises(BrokerError, match="not assigned"):
            worker.link.resume([TP("other", 0)])


class Transactions:
    """Outputs and offsets together, or neither."""

    def test_outputs_and_offsets_appear_together(self, site: Site, team: Team) -> None:
        events, changes = site.topic(1), site.topic(2)
        tp = TP(events, 0)
        fill(site, tp, 10)
        worker = team.alone(events, 1)
        drive(lambda: len(worker.records) == 10, worker)
        worker.link.begin()
        for number in range(6):
            worker.link.produce(changes, number % 2, b"k", b"%d" % number)
        worker.link.commit({tp: 10})
        assert values(read_all(site, changes, 2)) == [b"0", b"2", b"4", b"1", b"3", b"5"]
        assert worker.link.committed([tp]) == {tp: 10}

    def test_offsets_alone_and_nothing_at_all_can_be_committed(self, site: Site, team: Team) -> None:
        topic = site.topic(2)
        worker = team.alone(topic, 2)
        worker.link.begin()
        worker.link.commit({})
        worker.link.begin()
        worker.link.commit({TP(topic, 0): 7})
        assert worker.link.committed([TP(topic, 0), TP(topic, 1)]) == {TP(topic, 0): 7, TP(topic, 1): -1}

    def test_what_was_aborted_is_never_seen(self, site: Site, team: Team) -> None:
        topic = site.topic(1)
        tp = TP(topic, 0)
        writer = team.writer()
        write(writer, tp, b"a", b"b")
        writer.begin()
        writer.produce(*tp, b"c", b"c")
        until_high(site, tp, 4)
        writer.abort()
        write(writer, tp, b"d")
        assert values(read_all(site, topic)) == [b"a", b"b", b"d"]

    def test_after_abort_and_seek_the_input_comes_again(self, site: Site, team: Team) -> None:
        events, changes = site.topic(1), site.topic(1)
        tp = TP(events, 0)
        written = fill(site, tp, 20)
        worker = team.alone(events, 1)
        link = worker.link
        for attempt in range(2):
            worker.records.clear()
            drive(lambda: len(worker.records) == 20, worker)
            assert values(worker.records) == written
            link.begin()
            for record in worker.records:
                link.produce(changes, 0, record.key(), b"%d:%s" % (attempt, record.value() or b""))
            if attempt == 0:
                link.abort()
                link.pause([tp])
                assert link.committed([tp]) == {tp: -1}
                link.seek(tp, 0)
                link.resume([tp])
            else:
                link.commit({tp: 20})
        assert values(read_all(site, changes)) == [b"1:" + value for value in written]

    def test_abort_without_a_transaction_is_nothing_but_commit_is_an_error(self, site: Site, team: Team) -> None:
        topic = site.topic(1)
        writer = team.writer()
        writer.abort()
        with pytest.raises(BrokerError, match="no open transaction"):
            writer.commit()
        writer.begin()
        with pytest.raises(BrokerError):
            writer.begin()
        writer.produce(topic, 0, b"k", b"v")
        writer.commit()
        assert values(read_all(site, topic)) == [b"v"]

    def test_committed_waits_for_a_transaction_that_commits(self, site: Site, team: Team) -> None:
        topic = site.topic(1)
        tp = TP(topic, 0)
        worker = team.alone(topic, 1)
        worker.link.begin()
        worker.link.commit({tp: 3})
        end = site.begin_offsets(team.group, {tp: 9})
        site.while_waiting(lambda: end(True))
        assert worker.link.committed([tp]) == {tp: 9}

    def test_committed_waits_for_a_transaction_that_aborts(self, site: Site, team: Team) -> None:
        topic = site.topic(1)
        tp = TP(topic, 0)
        worker = team.alone(topic, 1)
        worker.link.begin()
        worker.link.commit({tp: 3})
        end = site.begin_offsets(team.group, {tp: 9})
        site.while_waiting(lambda: end(False))
        assert worker.link.committed([tp]) == {tp: 3}

    def test_a_second_writer_with_the_same_id_fences_the_first(self, site: Site, team: Team) -> None:
        topic = site.topic(1)
        name = unique("learner")
        first = site.broker.writer(name)
        first.begin()
        first.produce(topic, 0, b"k", b"first")
        second = team.writer(name)
        with pytest.raises(Fenced, match=name):
            first.commit()
        with pytest.raises(Fenced):
            first.begin()
        first.close()
        write(second, TP(topic, 0), b"second")
        assert values(read_all(site, topic)) == [b"second"]

    def test_a_crash_leaves_no_output_and_no_offset(self, site: Site, team: Team) -> None:
        events, changes = site.topic(1), site.topic(1)
        tp = TP(events, 0)
        fill(site, tp, 5)
        name = unique("worker")
        crashed = team.worker(events, transactional_id=name)
        drive(lambda: len(crashed.records) == 5, crashed)
        crashed.link.begin()
        crashed.link.produce(changes, 0, b"k", b"of the crashed")
        site.silence(team.group, name)
        begin = time.monotonic()
        successor = team.worker(events, transactional_id=name)
        drive(lambda: len(successor.records) == 5, successor)
        successor.link.begin()
        successor.link.produce(changes, 0, b"k", b"of the successor")
        successor.link.commit({tp: 5})
        # The id ended the open transaction; nobody waited for transaction.timeout.ms, which is 10 s here.
        assert time.monotonic() - begin < 8.0
        assert values(read_all(site, changes)) == [b"of the successor"]
        with pytest.raises((Fenced, Aborted)):
            crashed.link.commit({tp: 5})


class Positions:
    """Readers, positions and watermarks: what a restore stands on."""

    def test_position_moves_past_markers_and_aborted_records(self, site: Site, team: Team) -> None:
        topic = site.topic(1)
        tp = TP(topic, 0)
        writer = team.writer()
        write(writer, tp, b"a", b"b")
        writer.begin()
        writer.produce(*tp, b"c", b"c")
        until_high(site, tp, 4)
        writer.abort()
        until_high(site, tp, 5)
        reader = team.open.enter_context(closing(site.broker.reader("conformance")))
        reader.assign({tp: 0})
        assert reader.watermarks(tp) == (0, 5)
        deadline = time.monotonic() + 10
        while reader.position(tp) < 5 and time.monotonic() < deadline:
            reader.poll(1, 0.1)
        assert reader.position(tp) == 5

    def test_position_stays_below_an_open_transaction_and_the_watermark_counts_it(self, site: Site, team: Team) -> None:
        topic = site.topic(1)
        tp = TP(topic, 0)
        writer, other = team.writer(), team.writer()
        write(writer, tp, b"a", b"b")
        writer.begin()
        writer.produce(topic, 0, b"c", b"c")
        until_high(site, tp, 4)
        write(other, tp, b"d")
        until_high(site, tp, 6)
        reader = team.open.enter_context(closing(site.broker.reader("conformance")))
        reader.assign({tp: 0})
        high = reader.watermarks(tp)[1]
        assert high == 6
        seen: list[bytes | None] = []
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            seen += values(reader.poll(10, 0.05))
            assert reader.position(tp) <= 3
        assert seen == [b"a", b"b"]
        writer.commit()
        deadline = time.monotonic() + 10
        while reader.position(tp) < high and time.monotonic() < deadline:
            seen += values(reader.poll(10, 0.1))
        assert seen == [b"a", b"b", b"c", b"d"]
        until_high(site, tp, 7)
        assert reader.watermarks(tp)[1] == 7

    def test_a_reader_starts_where_it_is_told(self, site: Site, team: Team) -> None:
        topic = site.topic(2)
        first, second = TP(topic, 0), TP(topic, 1)
        fill(site, first, 10)
        fill(site, second, 10)
        reader = team.open.enter_context(closing(site.broker.reader("conformance")))
        reader.assign({first: 7, second: -2})
        assert reader.position(first) == 7
        assert reader.position(second) == 0
        found = read_some(reader, 13, limit=4)
        assert sorted((record.partition(), record.offset()) for record in found) == [
            *((0, offset) for offset in range(7, 10)),
            *((1, offset) for offset in range(10)),
        ]
        reader.assign({first: 9})
        assert [record.offset() for record in read_some(reader, 1)] == [9]

    def test_a_reader_refuses_offsets_that_are_gone_or_not_there_yet(self, site: Site, team: Team) -> None:
        topic = site.topic(1)
        tp = TP(topic, 0)
        fill(site, tp, 3)
        for offset in (-1, 8):
            with pytest.raises(BrokerError, match=topic):
                read_until_refused(site, tp, offset)

    def test_retention_moves_the_low_watermark(self, site: Site, team: Team) -> None:
        topic = site.topic(1)
        tp = TP(topic, 0)
        fill(site, tp, 10)
        site.delete_before(tp, 6)
        reader = team.open.enter_context(closing(site.broker.reader("conformance")))
        assert reader.watermarks(tp) == (6, 10)
        reader.assign({tp: -2})
        assert reader.position(tp) == 6
        assert [record.offset() for record in read_some(reader, 4)] == [6, 7, 8, 9]
        with pytest.raises(BrokerError, match="not in the log any more"):
            read_until_refused(site, tp, 2)

    def test_records_that_are_deleted_before_they_are_read_are_missed_aloud(self, site: Site, team: Team) -> None:
        topic = site.topic(1)
        tp = TP(topic, 0)
        fill(site, tp, 10)
        worker = team.alone(topic, 1)
        drive(lambda: len(worker.records) == 10, worker)
        site.delete_before(tp, 6)
        worker.link.pause([tp])
        worker.link.seek(tp, 3)
        worker.link.resume([tp])
        with pytest.raises(BrokerError, match="not in the log any more"):
            drive(lambda: False, worker)

    def test_missing_topics_have_a_name_in_the_error(self, site: Site, team: Team) -> None:
        topic = site.topic(3)
        reader = team.open.enter_context(closing(site.broker.reader("conformance")))
        assert reader.partitions(topic) == 3
        with pytest.raises(TopicError, match="no-such-topic"):
            reader.partitions("no-such-topic")
        with pytest.raises(TopicError, match=f"{topic}-9"):
            reader.watermarks(TP(topic, 9))


class Membership:
    """Rebalances, zombies and fencing."""

    def test_a_partition_of_two_topics_stays_together(self, site: Site, team: Team) -> None:
        events, commands = site.topic(4), site.topic(4)
        first = team.worker(events, commands)
        drive(lambda: len(first.owned) == 8, first)
        second = team.worker(events, commands)
        drive(lambda: len(first.owned) == 4 and len(second.owned) == 4, first, second)
        for worker in (first, second):
            numbers = {topic: {tp.partition for tp in worker.owned if tp.topic == topic} for topic in (events, commands)}
            assert numbers[events] == numbers[commands]
            assert len(numbers[events]) == 2
        assert first.owned.isdisjoint(second.owned)

    def test_a_partition_is_given_up_before_another_has_it(self, site: Site, team: Team) -> None:
        topic = site.topic(4)
        for partition in range(4):
            fill(site, TP(topic, partition), 10)
        first = team.alone(topic, 4)
        second = team.worker(topic)
        drive(lambda: len(first.owned) == 2 and len(second.owned) == 2, first, second)
        holder: dict[TP, str] = {}
        for what, name, tp in team.log:
            if what == "assigned":
                assert tp not in holder, f"{name} got {tp} while {holder[tp]} held it"
                holder[tp] = name
            else:
                assert holder.pop(tp) == name

    def test_what_is_committed_on_revoke_is_where_the_next_one_starts(self, site: Site, team: Team) -> None:
        events, changes = site.topic(1), site.topic(1)
        tp = TP(events, 0)
        fill(site, tp, 10)
        first = team.alone(events, 1)
        drive(lambda: len(first.records) == 10, first)
        first.link.begin()
        first.link.produce(changes, 0, b"k", b"first")
        first.on_revoked = lambda: first.link.commit({tp: 10})
        first.link.close()
        site.append(tp, b"k", b"later")
        second = team.alone(events, 1)
        drive(lambda: len(second.records) == 1, second)
        assert values(second.records) == [b"later"]
        assert first.told("revoked") == [tp]
        assert values(read_all(site, changes)) == [b"first"]

    def test_closing_gives_the_partitions_to_the_others_at_once(self, site: Site, team: Team) -> None:
        topic = site.topic(2)
        first = team.worker(topic)
        second = team.worker(topic)
        drive(lambda: len(first.owned) == 1 and len(second.owned) == 1, first, second)
        begin = time.monotonic()
        first.link.close()
        drive(lambda: len(second.owned) == 2, second)
        assert time.monotonic() - begin < 5.0
        assert not first.owned
        assert first.told("lost") == []

    def test_who_was_expelled_is_told_that_all_is_lost(self, site: Site, team: Team) -> None:
        topic = site.topic(2)
        first = team.alone(topic, 2)
        site.silence(team.group, first.name)
        second = team.worker(topic)
        drive(lambda: len(second.owned) == 2, second)
        drive(lambda: len(first.owned) == 1 and len(second.owned) == 1, first, second)
        assert first.told("lost") == [TP(topic, 0), TP(topic, 1)]
        assert first.told("revoked") == []

    def test_a_zombie_cannot_commit(self, site: Site, team: Team) -> None:
        events, changes = site.topic(1), site.topic(1)
        tp = TP(events, 0)
        fill(site, tp, 5)
        zombie = team.alone(events, 1)
        drive(lambda: len(zombie.records) == 5, zombie)
        zombie.link.begin()
        zombie.link.produce(changes, 0, b"k", b"zombie")
        until_high(site, TP(changes, 0), 1)
        site.silence(team.group, zombie.name)
        heir = team.worker(events)
        drive(lambda: len(heir.records) == 5, heir)
        heir.link.begin()
        heir.link.produce(changes, 0, b"k", b"heir")
        heir.link.commit({tp: 5})
        with pytest.raises((Aborted, Fenced)):
            zombie.link.commit({tp: 3})
        with suppress(Fenced):
            zombie.link.abort()
        assert heir.link.committed([tp]) == {tp: 5}
        assert values(read_all(site, changes)) == [b"heir"]

    def test_who_was_expelled_can_come_back(self, site: Site, team: Team) -> None:
        events, changes = site.topic(1), site.topic(1)
        tp = TP(events, 0)
        fill(site, tp, 5)
        worker = team.alone(events, 1)
        drive(lambda: len(worker.records) == 5, worker)
        worker.link.begin()
        worker.link.produce(changes, 0, b"k", b"before")
        site.silence(team.group, worker.name)
        with pytest.raises(Aborted):
            worker.link.commit({tp: 5})
        worker.link.abort()
        worker.records.clear()
        drive(lambda: len(worker.records) == 5, worker)
        assert worker.told("lost") == [tp]
        worker.link.begin()
        worker.link.produce(changes, 0, b"k", b"after")
        worker.link.commit({tp: 5})
        assert values(read_all(site, changes)) == [b"after"]

    def test_what_an_owner_raises_comes_out_of_poll_and_nothing_read_is_lost(self, site: Site, team: Team) -> None:
        topic = site.topic(2)
        for partition in range(2):
            fill(site, TP(topic, partition), 5)
        first = team.alone(topic, 2)
        drive(lambda: len(first.records) == 10, first)

        def refuse() -> None:
            raise Aborted("cannot finish")

        first.on_revoked = refuse
        second = team.worker(topic)
        with pytest.raises(Aborted, match="cannot finish"):
            drive(lambda: False, first, second)
        drive(lambda: len(first.owned) == 1 and len(second.owned) == 1, first, second)


class BrokerConformance(Reading, Transactions, Positions, Membership):
    """All of it."""
