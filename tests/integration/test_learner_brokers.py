"""The learner as a process on real brokers: killed and started again it says the same; SIGTERM ends it in order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from models.check import decode_manifest
from streams.broker.confluent import KafkaBroker
from streams.broker.protocol import TP
from streams.settings import Settings
from streams.topics import create_topics
from tests.chaos.site import remove
from tests.integration.learner_input import manifests, said, settings_for, write_epoch, write_epochs
from tests.unit.learning_samples import at, records

EPOCHS = 24
WITHIN_S = 90.0


@contextmanager
def learner(settings: Settings, hash_seed: str = "0") -> Iterator[subprocess.Popen[str]]:
    """`shoal learn` as a process; killed at the end if it still runs."""
    root = Path(__file__).parents[2]
    environment = {
        **os.environ,
        "PYTHONHASHSEED": hash_seed,
        "SHOAL_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "SHOAL_PREFIX": settings.prefix,
        "SHOAL_PARTITIONS": str(settings.partitions),
        "SHOAL_CLOCK": settings.clock,
        "SHOAL_HORIZON_DAYS": str(settings.horizon_days),
        "SHOAL_SAMPLE_EVERY_DAYS": str(settings.sample_every_days),
    }
    command = [sys.executable, "-c", "from streams.cli.main import main; main()", "learn"]
    process = subprocess.Popen(command, cwd=root, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def prepared(servers: str, prefix: str) -> tuple[Settings, KafkaBroker]:
    settings = settings_for(prefix, bootstrap_servers=servers)
    create_topics(settings)
    return settings, KafkaBroker(settings)


def wait_for(broker: KafkaBroker, settings: Settings, n: int) -> None:
    """Until so many manifests are there."""
    models = TP(settings.topic("models"), 0)
    reader = broker.reader("test-wait")
    reader.assign({models: -2})
    deadline, there = time.monotonic() + WITHIN_S, 0
    while there < n:
        there += sum((m.key() or b"").startswith(b"manifest|") for m in reader.poll(500, 0.1))
        assert time.monotonic() < deadline, f"{there} manifests instead of {n}"
    reader.close()


def test_it_learns_on_each_broker_and_ends_at_sigterm(broker: str, prefix: str) -> None:
    settings, link = prepared(broker, prefix)
    for epoch, day in enumerate(records(4)):
        write_epoch(link, settings, epoch, [r for r in day if r.customer_id < "c0040"])
    with learner(settings) as process:
        wait_for(link, settings, 4)
        process.send_signal(signal.SIGTERM)
        _, said_last = process.communicate(timeout=20)
    assert process.returncode == 0, said_last
    assert "ended" in said_last
    assert [decode_manifest(m, name="m").epoch for m in manifests(link, settings)] == [at(e) for e in range(4)]


@pytest.mark.timeout(300)
def test_killed_and_started_again_it_says_the_same(kafka: str, prefix: str) -> None:
    told = []
    settings, link = prepared(kafka, prefix)
    write_epochs(link, settings, enumerate(records(EPOCHS)))
    for moments in ((), (2, 13, 14)):
        # The same samples for both, not only alike ones: how much of an aborted transaction reaches the log is a matter of
        # time, and so are the offsets behind it, which are part of what the learner says.
        remove(settings, ["models"])
        create_topics(settings)
        kills = 0
        for moment in (*moments, EPOCHS):
            with learner(settings, hash_seed=str(17 + moment)):
                wait_for(link, settings, moment)
            kills += moment < EPOCHS
        assert kills == len(moments)
        told.append(said(link, settings))
    assert told[0] == told[1]
    assert any(key.startswith(b"snapshot|") for key, _ in told[0])


def test_the_second_learner_stays_and_the_first_ends_with_a_sentence(kafka: str, prefix: str) -> None:
    settings, link = prepared(kafka, prefix)
    days = records(3)
    write_epoch(link, settings, 0, days[0])
    with learner(settings) as first:
        wait_for(link, settings, 1)
        with learner(settings) as second:
            assert second.stderr is not None
            while "going on after epoch" not in second.stderr.readline():
                assert second.poll() is None
            write_epoch(link, settings, 1, days[1])
            _, sentence = first.communicate(timeout=WITHIN_S)
            assert first.returncode == 2
            assert "another learner has taken over" in sentence
            wait_for(link, settings, 2)
            assert second.poll() is None
    assert len(manifests(link, settings)) == 2
