"""Replays into a real topic: what stands there, in which order, and that it is the same every time."""

from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from streams.contracts.control import Tick
from streams.errors import BrokerError, TopicError
from streams.replay import online_retail, replay_file, replay_online_retail
from streams.replay.event import to_ms
from streams.replay.mapping import Mapping
from streams.replay.values import Values
from streams.settings import DAY_MS, Settings
from streams.topics import create_topics

Log = list[tuple[bytes | None, bytes]]
"""Key and value of each record of a partition; their offsets are their places."""


class Timed(msgspec.Struct):
    timestamp: str


def settings_for(servers: str, prefix: str, clock: str = "ticks") -> Settings:
    return Settings.model_validate({"bootstrap_servers": servers, "prefix": prefix, "clock": clock, "partitions": 3})


def read_topic(servers: str, topic: str, partitions: int) -> list[Log]:
    """All partitions from the start to the end; fails on a gap between offsets."""
    options = {"group.id": "reader", "enable.partition.eof": True, "fetch.wait.max.ms": 20}
    consumer = Consumer({"bootstrap.servers": servers, **options})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
    logs: list[Log] = [[] for _ in range(partitions)]
    ended: set[int] = set()
    try:
        while len(ended) < partitions:
            message = consumer.poll(10)
            assert message is not None, f"nothing more after {[len(log) for log in logs]} records, and no end"
            error, partition, value = message.error(), message.partition(), message.value()
            assert partition is not None
            # The embedded broker's watermark is not the log's end, so the end has to be met.
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                ended.add(partition)
                continue
            assert error is None
            assert value is not None
            assert message.offset() == len(logs[partition])
            logs[partition].append((message.key(), value))
    finally:
        consumer.close()
    return logs


def as_tick(value: bytes) -> Tick | None:
    return msgspec.json.decode(value, type=Tick) if b"shoal.tick" in value else None


def event_time(value: bytes) -> int:
    return to_ms(Values(Mapping()).moment(msgspec.json.decode(value, type=Timed).timestamp))


def check_ticks(log: Log) -> list[int]:
    """Each tick stands after what came before its time and before the rest; returns their times."""
    ticks: list[int] = []
    now = 0
    for key, value in log:
        tick = as_tick(value)
        if tick is None:
            at = event_time(value)
            assert at >= now
            assert not ticks or at >= ticks[-1]
            now = at
        else:
            assert key is None
            assert tick.at > now
            ticks.append(tick.at)
    return ticks


def test_a_year_of_a_shop_stands_between_its_ticks_in_every_partition(broker: str, prefix: str) -> None:
    settings = settings_for(broker, prefix)
    create_topics(settings)
    report = replay_online_retail(settings)
    assert (report.events, report.customers) == (22_190, 4_372)

    events = read_topic(broker, settings.topic("events"), 3)
    commands = read_topic(broker, settings.topic("commands"), 3)
    times = [check_ticks(log) for log in events]
    assert times[0] == list(range(times[0][0], times[0][-1] + 1, DAY_MS))
    assert all(log == times[0] for log in times)
    assert len(times[0]) == report.ticks == 374
    assert [[tick.at for _, value in log if (tick := as_tick(value))] for log in commands] == times
    assert all(len(log) == report.ticks for log in commands)
    for log in events + commands:
        finals = [tick.final for _, value in log if (tick := as_tick(value))]
        assert finals == [False] * (report.ticks - 1) + [True]
    sent = sorted((event.key, event.value) for event in online_retail())
    assert sorted((key, value) for log in events for key, value in log if key is not None) == sent


def test_the_same_file_gives_the_same_bytes_at_the_same_offsets(broker: str, prefix: str, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    rows = [f"c{n % 97},2024-03-{n // 100 + 1:02d}T{n % 24:02d}:00,{n}.5" for n in range(2_500)]
    file.write_text("customer,date,amount\n" + "\n".join(rows) + "\n")
    logs = []
    for run in ("a", "b"):
        settings = settings_for(broker, f"{prefix}{run}.")
        create_topics(settings)
        report = replay_file(settings, file, trail_days=3.5)
        assert (report.events, report.customers, report.sorted) == (2_500, 97, True)
        logs.append([read_topic(broker, settings.topic(name), 3) for name in ("events", "commands")])
        assert check_ticks(logs[-1][0][0])[-1] == (report.last or 0) // DAY_MS * DAY_MS + 5 * DAY_MS
    assert logs[0] == logs[1]


def test_under_the_wall_clock_there_are_no_ticks(embedded: str, prefix: str, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("customer,date,amount\na,2024-03-01T10:00,1\nb,2024-03-05T10:00,2\n")
    settings = settings_for(embedded, prefix, clock="wall")
    create_topics(settings)
    report = replay_file(settings, file, shift_to=1_800_000_000_000)
    assert (report.ticks, report.last) == (0, 1_800_000_000_000)
    logs = read_topic(embedded, settings.topic("events"), 3)
    assert sorted(event_time(value) for log in logs for _, value in log) == [1_799_654_400_000, 1_800_000_000_000]


def test_a_missing_topic_is_said(embedded: str, prefix: str) -> None:
    with pytest.raises(TopicError, match="shoal topics create"):
        replay_online_retail(settings_for(embedded, prefix))


def test_a_missing_broker_is_said(prefix: str) -> None:
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1:1 .*--bootstrap-servers"):
        replay_online_retail(settings_for("127.0.0.1:1", prefix))
