"""Of the conformance suite: who owns which partition, and what a member that is gone can still do."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from streams.broker.protocol import TP
from streams.errors import Aborted, Fenced
from tests.integration.broker_site import Site, drive, read_all, values
from tests.integration.broker_team import Team, fill, until_high


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
