"""Of the conformance suite: where a consumer stands, and what of its input is gone."""

from __future__ import annotations

import time
from contextlib import closing

import pytest

from streams.broker.protocol import TP
from streams.errors import BrokerError, TopicError
from tests.integration.broker_site import Site, drive, read_until_refused, values
from tests.integration.broker_team import Team, fill, read_some, until_high, write


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
