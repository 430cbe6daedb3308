"""A simulated shop on a real broker: the same log twice, bad records among the good ones."""

from itertools import chain
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, TopicPartition

from streams.replay import ReplayReport
from streams.settings import Settings
from streams.simulator import Config, generate_events, simulate
from streams.topics import create_topics

Log = list[tuple[bytes | None, bytes | None]]


def settings_for(servers: str, prefix: str) -> Settings:
    options = {"bootstrap_servers": servers, "prefix": prefix, "clock": "ticks", "partitions": 2}
    return Settings.model_validate(options)


def read_events(settings: Settings) -> list[Log]:
    """Both partitions of `events` to their ends."""
    options = {"group.id": "reader", "enable.partition.eof": True, "fetch.wait.max.ms": 20}
    consumer = Consumer({"bootstrap.servers": settings.bootstrap_servers, **options})
    consumer.assign([TopicPartition(settings.topic("events"), partition, 0) for partition in range(2)])
    logs: list[Log] = [[], []]
    ended: set[int | None] = set()
    try:
        while len(ended) < 2:
            message = consumer.poll(10)
            assert message is not None
            error, partition = message.error(), message.partition()
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                ended.add(partition)
                continue
            assert error is None
            assert partition is not None
            logs[partition].append((message.key(), message.value()))
    finally:
        consumer.close()
    return logs


def simulated(settings: Settings, tmp_path: Path, bad: int = 0) -> ReplayReport:
    create_topics(settings)
    return simulate(settings, customers=300, days=10, seed=3, bad=bad, truth=tmp_path / "truth.jsonl")


def test_the_same_seed_gives_the_same_log(broker: str, prefix: str, tmp_path: Path) -> None:
    logs = []
    for run in ("a", "b"):
        settings = settings_for(broker, f"{prefix}{run}.")
        report = simulated(settings, tmp_path)
        logs.append(read_events(settings))
        assert report.ticks == 10
        assert sum(map(len, logs[-1])) == report.events + 2 * report.ticks
    assert logs[0] == logs[1]
    sent = chain.from_iterable(generate_events(Config(customers=300, days=10, seed=3)))
    arrived = [(key, value) for log in logs[0] for key, value in log if key is not None and value is not None]
    assert sorted(arrived) == sorted((event.key, event.value) for event in sent)
    assert len((tmp_path / "truth.jsonl").read_text().splitlines()) == 300


def test_bad_records_stand_among_the_good_ones(broker: str, prefix: str, tmp_path: Path) -> None:
    bad = 100
    settings = settings_for(broker, prefix)
    report = simulated(settings, tmp_path, bad)
    assert report.raw == bad
    records = [record for log in read_events(settings) for record in log]
    assert len(records) == report.events + bad + 2 * report.ticks
    good = {event.value for event in chain.from_iterable(generate_events(Config(customers=300, days=10, seed=3)))}
    assert sum(value in good for _, value in records) == report.events
