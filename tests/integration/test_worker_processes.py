"""`shoal work --processes N`: N workers that share the partitions, and end with the process that started them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams.settings import load_settings
from streams.topics import create_topics

ROOT = Path(__file__).parents[2]


@contextmanager
def workers(kafka: str, prefix: str, count: int) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """The command, and the pids of its workers once all have joined the group."""
    create_topics(load_settings(bootstrap_servers=kafka, prefix=prefix, partitions=count))
    command = [sys.executable, "-m", "streams.cli.main", "work", "-b", kafka, "--prefix", prefix, "--partitions", str(count)]
    process = subprocess.Popen(
        [*command, "--processes", str(count)], cwd=ROOT, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"}
    )
    try:
        runs = 0
        assert process.stderr is not None
        while runs < count:
            line = process.stderr.readline()
            assert line, "the workers ended before they had their partitions"
            runs += " runs from offset " in line
        yield process, children_of(process.pid)
    finally:
        process.kill()
        process.communicate()


def children_of(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if int(line.split()[1]) == pid]


def alive(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout.strip()
    return bool(state) and not state.startswith("Z")


def all_gone(pids: list[int], within: float = 30.0) -> bool:
    deadline = time.monotonic() + within
    while any(map(alive, pids)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_sigterm_ends_all_in_order(kafka: str, prefix: str) -> None:
    with workers(kafka, prefix, 2) as (process, children):
        assert len(children) == 2
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert all_gone(children, 0)


def test_killed_it_takes_its_workers_along(kafka: str, prefix: str) -> None:
    with workers(kafka, prefix, 2) as (process, children):
        assert len(children) == 2
        process.kill()
        process.wait()
        assert all_gone(children)


def test_one_that_dies_ends_the_others_with_an_error(kafka: str, prefix: str) -> None:
    with workers(kafka, prefix, 2) as (process, children):
        os.kill(children[0], signal.SIGKILL)
        assert process.wait(30) == 2
        assert all_gone(children, 0)
