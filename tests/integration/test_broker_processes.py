"""Killed and stopped processes on real Kafka: what they left behind is never seen, and no zombie commits."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from streams.broker.protocol import TP
from streams.settings import load_settings
from tests.integration.broker_kafka_site import KafkaSite
from tests.integration.broker_site import drive, read_all, values
from tests.integration.broker_team import Team, team, unique

__all__ = ["team"]


@pytest.fixture(params=["classic", "consumer"])
def site(request: pytest.FixtureRequest, kafka: str) -> Iterator[KafkaSite]:
    site = KafkaSite(load_settings(bootstrap_servers=kafka, protocol=request.param, session_timeout_ms=1_500))
    yield site
    site.close()


class Child:
    """A worker with an open transaction in a process of its own."""

    def __init__(self, site: KafkaSite, team: Team, source: str, target: str) -> None:
        self.name = unique("child")
        # Its polls end when it says `open`: it must not be taken for silent.
        settings = site.settings.model_copy(update={"kafka": {}})
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.integration.broker_child",
                settings.model_dump_json(),
                team.group,
                self.name,
                source,
                target,
            ],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        team.open.callback(self.end)
        assert self.says() == "open"
        # librdkafka sends what was produced within its linger time.
        time.sleep(0.2)

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def commit(self) -> str:
        """Lets it commit and returns what it says of that."""
        assert self.process.stdin is not None
        self.process.stdin.write("commit\n")
        self.process.stdin.flush()
        return self.says()

    def end(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.communicate()


def test_an_undisturbed_child_commits(site: KafkaSite, team: Team) -> None:
    source, target = site.topic(1), site.topic(1)
    site.append(TP(source, 0), b"k", b"v")
    child = Child(site, team, source, target)
    assert child.commit() == "committed"
    assert values(read_all(site, target)) == [child.name.encode()]


def test_a_killed_process_holds_nobody_up_once_its_successor_opens(site: KafkaSite, team: Team) -> None:
    source, target = site.topic(1), site.topic(1)
    site.append(TP(source, 0), b"k", b"v")
    child = Child(site, team, source, target)
    child.process.send_signal(signal.SIGKILL)
    child.process.wait()
    begin = time.monotonic()
    successor = team.worker(source, transactional_id=child.name)
    # read_all waits until the reader has come to the high watermark: past the killed one's record and marker.
    assert values(read_all(site, target)) == []
    assert time.monotonic() - begin < 5.0
    drive(lambda: len(successor.records) == 1, successor)
    successor.link.begin()
    successor.link.produce(target, 0, b"k", b"successor")
    successor.link.commit({TP(source, 0): 1})
    assert values(read_all(site, target)) == [b"successor"]


@pytest.mark.parametrize("rest_s", [0.0, 3.0], ids=["at once", "after its client noticed"])
def test_a_stopped_process_cannot_commit_when_it_goes_on(site: KafkaSite, team: Team, rest_s: float) -> None:
    source, target = site.topic(1), site.topic(1)
    tp = TP(source, 0)
    site.append(tp, b"k", b"v")
    child = Child(site, team, source, target)
    child.process.send_signal(signal.SIGSTOP)
    heir = team.worker(source)
    drive(lambda: len(heir.records) == 1, heir)
    heir.link.begin()
    heir.link.produce(target, 0, b"k", b"heir")
    heir.link.commit({tp: 1})
    child.process.send_signal(signal.SIGCONT)
    deadline = time.monotonic() + rest_s
    while time.monotonic() < deadline:
        heir.poll()
    assert child.commit() in {"Aborted", "Fenced"}
    assert heir.link.committed([tp]) == {tp: 1}
    child.end()
    # Its transaction ends with its time, or with the next life under its id.
    team.writer(child.name)
    assert values(read_all(site, target)) == [b"heir"]
