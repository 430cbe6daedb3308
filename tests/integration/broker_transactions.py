"""Of the conformance suite: what is written, committed, aborted, and whom that fences."""

from __future__ import annotations

import time

import pytest

from streams.broker.protocol import TP
from streams.errors import Aborted, BrokerError, Fenced
from tests.integration.broker_site import Site, drive, read_all, values
from tests.integration.broker_team import Team, fill, unique, until_high, write


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
