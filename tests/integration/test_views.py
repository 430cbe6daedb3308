"""The views on Apache Kafka: committed records only, each change counted once, rebuilt after any end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from streams.admin import admin
from streams.broker.confluent import KafkaBroker
from streams.broker.protocol import TP
from streams.settings import Settings, load_settings
from streams.topics import create_topics
from streams.views.answers import Status
from streams.views.app import ViewsApp
from streams.views.changelog import prepare_topics
from streams.views.errors import NotFound
from tests.integration.views_site import Serving, Worker, change, customer, free_port, serving

YEAR = 9_600


@dataclass
class Live:
    """Views that run, and who writes what they show. Tests share it, so each has segments of its own."""

    settings: Settings
    worker: Worker
    views: Serving


@pytest.fixture(scope="module")
def live(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    settings = load_settings(bootstrap_servers=kafka, prefix=f"views{free_port()}.")
    create_topics(settings)
    with serving(settings, tmp_path_factory.mktemp("views")) as views:
        views.wait_ready()
        yield Live(settings, Worker(settings), views)


@pytest.fixture
def settings(kafka: str, prefix: str) -> Settings:
    made = load_settings(bootstrap_servers=kafka, prefix=prefix)
    create_topics(made)
    return made


def sizes(views: Serving, segmentation: str = "lifecycle") -> dict[str, int]:
    listed = {each.segmentation: each.segments for each in views.client.segments().segmentations}
    return {size.segment: size.customers for size in listed.get(segmentation, [])}


def counted(views: Serving, segment: str | None = None) -> int:
    """Changes, all or those into a segment."""
    return sum(flow.count for flow in views.client.flows(YEAR).flows if segment in (None, flow.current))


def test_an_aborted_change_never_shows(live: Live, tmp_path: Path) -> None:
    lost = [customer("ghost", "aborted")], [change(1, None, "aborted")]
    kept = [customer("real", "committed")], [change(2, None, "committed")]
    live.worker.write(*lost, commit=False)
    live.worker.write(*kept)

    def shows_the_second_only(views: Serving) -> None:
        assert (counted(views, "committed"), counted(views, "aborted")) == (1, 0)
        assert "aborted" not in sizes(views)
        assert views.client.customer("real") == kept[0][0]
        with pytest.raises(NotFound, match="no customer 'ghost'"):
            views.client.customer("ghost")

    live.views.eventually(lambda: counted(live.views, "committed") and "committed" in sizes(live.views))
    shows_the_second_only(live.views)
    # Nor to views that start when the aborted records are in the topics already.
    with serving(live.settings, tmp_path) as later:
        later.wait_ready()
        shows_the_second_only(later)


def test_what_is_not_committed_yet_does_not_show(live: Live) -> None:
    live.worker.write([customer("mover", "origin")])
    live.views.eventually(lambda: "origin" in sizes(live.views))
    with live.worker.transaction():
        live.worker.put_customer(customer("mover", "destination"))
        live.worker.flush()
        time.sleep(0.5)
        assert live.views.client.customer("mover") == customer("mover", "origin")
    live.views.eventually(lambda: sizes(live.views).get("destination") == 1)
    assert "origin" not in sizes(live.views)


def test_a_tombstone_forgets_a_customer(live: Live) -> None:
    live.worker.write([customer("kept", "remembered"), customer("erased", "remembered")])
    live.views.eventually(lambda: sizes(live.views).get("remembered") == 2)
    live.worker.erase("erased")
    live.views.eventually(lambda: sizes(live.views)["remembered"] == 1)
    with pytest.raises(NotFound):
        live.views.client.customer("erased")
    page = live.views.client.members("lifecycle", "remembered")
    assert [member.customer_id for member in page.members] == ["kept"]


def test_status_tells_positions_and_lag(live: Live) -> None:
    before = {(each.topic, each.partition): each.next for each in live.views.client.status().positions}
    people = [customer(f"counted{number}", "counted") for number in range(40)]
    live.worker.write(people, [change(number, None, "counted") for number in range(40)])

    def settled() -> Status | None:
        status = live.views.client.status()
        return status if status.lag == 0 and sizes(live.views).get("counted") == 40 else None

    status = live.views.eventually(settled)
    assert status is not None
    gained = dict.fromkeys(before, 0)
    for each in status.positions:
        gained[each.topic, each.partition] = each.next - before[each.topic, each.partition]
    # Forty records, and a commit marker in each partition that has any: they land in all four.
    assert sum(gain for (topic, _), gain in gained.items() if topic == live.settings.topic("segments")) == 44
    assert sum(gain for (topic, _), gain in gained.items() if topic == live.settings.topic("segment-changes")) == 44
    assert status.models == {"churn": 3}
    assert (status.definitions, status.reason, status.ready) == ("0123abcd", "", True)


def test_a_kill_and_a_restart_change_no_answer(settings: Settings, tmp_path: Path) -> None:
    worker = Worker(settings)
    worker.write([customer(f"c{n}", "new") for n in range(200)], [change(n, None, "new") for n in range(200)])
    with serving(settings, tmp_path) as views:
        views.wait_ready()
        moves = [change(n, "new", "active", f"2011-05-{2 + n % 3:02d}T{n % 24:02d}:30:00Z") for n in range(300)]
        worker.write([customer(f"c{n}", "active", ["night"]) for n in range(0, 200, 2)], moves)
        views.eventually(lambda: counted(views) == 500 and sizes(views).get("active") == 100)
        before = answers(views)
        views.kill()
    with serving(settings, tmp_path) as views:
        views.wait_ready()
        assert answers(views) == before
        views.kill()
    # While nobody serves, work goes on.
    worker.write([customer("c1", "lapsed")], [change(1, "new", "lapsed", "2011-05-09T01:00:00Z")])
    worker.erase("c3")
    with serving(settings, tmp_path) as views:
        views.wait_ready()
        assert counted(views) == 501
        assert sizes(views) == {"active": 100, "new": 98, "lapsed": 1}
        assert sizes(views, "micro") == {"night": 100}
        assert views.terminate() == 0


def answers(views: Serving) -> tuple[object, ...]:
    """Everything that the views say of their topics."""
    ids = [member.customer_id for member in views.client.members("value", "high", limit=1_000).members]
    people = {customer_id: views.client.customer(customer_id) for customer_id in sorted(ids)}
    return views.client.segments(), views.client.flows(YEAR), people


def test_kills_at_any_moment_double_and_lose_no_flow(settings: Settings, tmp_path: Path) -> None:
    worker, written = Worker(settings), 0
    for life in range(3):
        with serving(settings, tmp_path, store_every=0.2) as views:
            views.wait_ready()
            for _ in range(4 + 3 * life):
                moves = [change(n, "new", "active", f"2011-05-02T{n % 24:02d}:00:00Z") for n in range(written, written + 97)]
                worker.write((), moves)
                written += len(moves)
                # Some kills come before hours are stored, some after, some between.
                time.sleep(0.07)
            views.eventually(lambda: counted(views) > 0)
            views.kill()
    with serving(settings, tmp_path) as views:
        views.wait_ready()
        assert counted(views) == written
        assert {flow.hour: flow.count for flow in views.client.flows(24).flows} == {
            f"2011-05-02T{hour:02d}:00:00Z": len(range(hour, written, 24)) for hour in range(24)
        }


def test_two_views_of_one_prefix_each_show_everything(settings: Settings, tmp_path: Path) -> None:
    worker, folders = Worker(settings), [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    with serving(settings, folders[0], store_every=0.2) as one, serving(settings, folders[1], store_every=0.2) as two:
        one.wait_ready()
        two.wait_ready()
        for batch in range(10):
            moves = [change(n, None, "new", f"2011-05-02T{n % 5:02d}:00:00Z") for n in range(20)]
            worker.write([customer(f"c{batch}-{n}", "new") for n in range(20)], moves)
        one.eventually(lambda: counted(one) == 200 and sizes(one) == {"new": 200})
        two.eventually(lambda: counted(two) == 200 and sizes(two) == {"new": 200})
        one.kill()
        worker.write((), [change(1, "new", "active")])
        two.eventually(lambda: counted(two) == 201)
        assert two.terminate() == 0
    with serving(settings, tmp_path) as third:
        third.wait_ready()
        assert (counted(third), sizes(third)) == (201, {"new": 200})


@pytest.mark.slow
def test_every_one_of_many_restarts_becomes_ready_and_counts_right(settings: Settings) -> None:
    """Short changelogs, read in an instant, are what Faust's own recovery loses its signals and records by."""
    worker = Worker(settings)
    prepare_topics(settings)

    async def one_life(life: int) -> None:
        worker.write((), [change(n, None, "new", f"2011-05-02T{n % 24:02d}:00:00Z") for n in range(97)])
        app = ViewsApp(settings)
        await app.start()
        try:
            async with asyncio.timeout(20):
                while app.ready_after is None:
                    await asyncio.sleep(0.01)
            window = app.flows.window(YEAR)
            assert window is not None
            assert sum(flow.count for flow in window[2]) == 97 * (life + 1)
            await app.store_flows()
        finally:
            await app.stop()

    async def lives() -> None:
        for life in range(25):
            await one_life(life)

    asyncio.run(lives())


def test_the_changelog_never_ends_in_a_tombstone(settings: Settings, tmp_path: Path) -> None:
    """Compaction would remove it, and Faust's recovery would wait for its offset for ever."""
    worker = Worker(settings)
    with serving(settings, tmp_path, store_every=0.2) as views:
        views.wait_ready()
        worker.write((), [change(n, None, "new", "2009-01-01T00:00:00Z") for n in range(8)])
        views.eventually(lambda: counted(views) == 8)
        time.sleep(1.0)
        # A move two years later, in one partition: the hours before are dropped from all of them.
        worker.write((), [change(0, "new", "active", "2011-01-01T00:00:00Z")])
        views.eventually(lambda: counted(views) == 1)
        assert views.terminate() == 0
    reader = KafkaBroker(settings).reader("tests")
    changelog = settings.topic("views-flows-changelog")
    partitions = [TP(changelog, number) for number in range(settings.partitions)]
    reader.assign(dict.fromkeys(partitions, -2))
    last, tombstones = {}, 0
    while any(reader.position(partition) < reader.watermarks(partition)[1] for partition in partitions):
        for message in reader.poll(100, 1.0):
            tombstones += message.value() is None
            last[message.partition()] = message.value()
    reader.close()
    assert tombstones == settings.partitions
    assert all(value is not None for value in last.values())
    assert len(last) == settings.partitions


def test_a_record_that_cannot_be_used_ends_the_process(settings: Settings, tmp_path: Path) -> None:
    with serving(settings, tmp_path) as views:
        views.wait_ready()
        Worker(settings).write_raw("segments", b"somebody", b'{"customer_id": "somebody"}')
        assert views.process.wait(20) not in (0, None)
        said = views.log.read_text()
        assert f"{settings.topic('segments')}[0] offset 0 cannot be used" in said
        assert "somebody" not in said


def test_changes_in_a_topic_made_anew_are_not_taken_for_the_old_ones(settings: Settings, tmp_path: Path) -> None:
    Worker(settings).write((), [change(n, None, "new") for n in range(40)])
    with serving(settings, tmp_path) as views:
        views.wait_ready()
        assert views.terminate() == 0
    changes = settings.topic("segment-changes")
    client = admin(settings)
    client.delete_topics([changes])[changes].result()
    for _ in range(100):
        # A deleted topic lingers for a moment.
        if changes in create_topics(settings):
            break
        time.sleep(0.1)
    with serving(settings, tmp_path) as views:
        assert views.process.wait(30) not in (0, None)
        assert f"Delete {settings.topic('views-flows-changelog')}" in views.log.read_text()
