"""Of the conformance suite: batches, pause, resume, seek."""

from __future__ import annotations

import time

import pytest

from streams.broker.protocol import TP, Record
from streams.errors import BrokerError
from tests.integration.broker_site import Site, drive, quiet, read_all, values
from tests.integration.broker_team import Team, fill


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
