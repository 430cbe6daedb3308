"""Starts, finds and stops a local broker of either kind; `shoal broker` and the tests stand on this."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, get_args

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.embedded import kafka, tansu
from streams.embedded.errors import LocalBrokerError
from streams.embedded.folder import BrokerFolder, PidFile

Kind = Literal["kafka", "embedded"]
Progress = Callable[[str], None]

_HOST = "127.0.0.1"
_READY_WITHIN = 60.0
_KILLED_WITHIN = 5.0
_TRIES = 3
_POLL = 0.03
# Below the range from which systems take the ports of outgoing connections: one of those would take a free port between
# our look at it and the broker's.
_PORTS = range(20_000, 32_000)


@dataclass(frozen=True)
class RunningBroker:
    """A local broker that answers, or answered when this was made. As a context manager it is stopped at the end."""

    kind: Kind
    bootstrap_servers: str
    folder: Path
    pid: int
    log: Path

    def stop(self) -> None:
        """Ends it in good order, and by force after a deadline; a temporary folder goes with it."""
        stop_broker(self.folder)

    def kill(self) -> None:
        """Ends it as a power cut would (SIGKILL). Its folder stays; a start there goes on with what was stored."""
        _signal(BrokerFolder(self.folder), self.pid, signal.SIGKILL, _KILLED_WITHIN)

    def __enter__(self) -> RunningBroker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def start_broker(
    kind: Kind,
    folder: Path | None = None,
    port: int | None = None,
    progress: Progress | None = None,
    properties: Mapping[str, str] | None = None,
) -> RunningBroker:
    """Starts a broker on 127.0.0.1 and returns when it answers.

    Without `folder` it lives in a temporary one, which goes when it is stopped. Without `port` it takes the one it had
    in this folder before, if that is free, or any free one. `progress` is told in a sentence what is being done.
    properties: Kafka's, besides ours (see `kafka.prepare`).
    Raises MissingPrerequisite and LocalBrokerError.
    """
    if kind not in get_args(Kind):
        raise LocalBrokerError(f"there is no broker of kind {kind!r}: it is one of {', '.join(get_args(Kind))}")
    temporary = folder is None
    home = BrokerFolder(Path(tempfile.mkdtemp(prefix=f"shoal-{kind}-")) if folder is None else folder.absolute())
    tell = progress or _silent
    tries = 1 if port is not None else _TRIES
    for attempt in range(1, tries + 1):
        try:
            started = _spawn(home, kind, port, properties or {}, fresh=attempt > 1, temporary=temporary, tell=tell)
        except LocalBrokerError:
            # Nothing ran: there is no log in it that anyone would want to read.
            if temporary:
                shutil.rmtree(home.path)
            raise
        try:
            seconds = _wait_until_ready(home, started)
        except KeyboardInterrupt:
            stop_broker(home.path, within=0)
            raise
        except LocalBrokerError:
            if attempt == tries or "in use" not in home.last_words(200):
                raise
            tell(f"port {started.port} was taken meanwhile; once more")
        else:
            tell(f"ready after {seconds:.1f} s")
            return _running(home, started)
    raise AssertionError("the last attempt returns or raises")


def broker_status(folder: Path) -> RunningBroker | None:
    """The broker that runs in `folder`; None when none does, whatever a pid file there says."""
    home = BrokerFolder(folder.absolute())
    recorded = home.recorded()
    return _running(home, recorded) if recorded is not None and home.alive() else None


def stop_broker(folder: Path, within: float = 15.0) -> bool:
    """Stops the broker in `folder`: SIGTERM, and SIGKILL if it has not ended `within` seconds. Returns whether one ran.

    A folder that `start_broker` made itself is removed, also when its broker is gone already.
    """
    home = BrokerFolder(folder.absolute())
    recorded = home.recorded()
    if recorded is None:
        return False
    ran = home.alive()
    if ran and not _signal(home, recorded.pid, signal.SIGTERM, within):
        _signal(home, recorded.pid, signal.SIGKILL, _KILLED_WITHIN)
    if ran and home.alive():
        raise LocalBrokerError(f"the broker with pid {recorded.pid} in {home.path} does not end, not even by SIGKILL")
    if recorded.temporary:
        shutil.rmtree(home.path)
    return ran


def _spawn(
    home: BrokerFolder,
    kind: Kind,
    port: int | None,
    properties: Mapping[str, str],
    *,
    fresh: bool,
    temporary: bool,
    tell: Progress,
) -> PidFile:
    """Starts the process; with `fresh` on another port than the last one's."""
    with home.claimed() as lock:
        before = home.recorded()
        if before is not None:
            _check_kind(home, before, kind)
            tell(f"the last broker in {home.path} (pid {before.pid}) is gone")
            temporary = temporary or before.temporary
        chosen = _choose_port(port, None if fresh else before)
        if kind == "kafka":
            command = kafka.prepare(home.path, chosen, free_port(), properties, tell)
        else:
            command = tansu.prepare(chosen)
        tell(f"starting the {kind} broker on {_HOST}:{chosen}")
        return home.spawn(command, lock, kind, chosen, temporary)


def _running(home: BrokerFolder, recorded: PidFile) -> RunningBroker:
    kind: Kind = "kafka" if recorded.kind == "kafka" else "embedded"
    return RunningBroker(kind, f"{_HOST}:{recorded.port}", home.path, recorded.pid, home.log)


def _check_kind(home: BrokerFolder, before: PidFile, kind: Kind) -> None:
    if before.kind != kind:
        raise LocalBrokerError(
            f"{home.path} is the folder of a broker of kind {before.kind}, not {kind}: give another, or remove it"
        )


def _choose_port(asked: int | None, before: PidFile | None) -> int:
    if asked is not None:
        if not _is_free(asked):
            raise LocalBrokerError(
                f"port {asked} on {_HOST} is taken by another program: give another with --port, or none for a free one"
            )
        return asked
    return before.port if before is not None and _is_free(before.port) else free_port()


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens now. Raises LocalBrokerError."""
    for port in random.SystemRandom().sample(_PORTS, k=200):
        if _is_free(port):
            return port
    raise LocalBrokerError(f"found no free port from {_PORTS.start} to {_PORTS.stop} on {_HOST}: give one with --port")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the brokers do it: connections that are merely winding down do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True


def _wait_until_ready(home: BrokerFolder, started: PidFile) -> float:
    """Seconds until the broker named itself to a client."""
    begin = time.monotonic()
    while (waited := time.monotonic() - begin) < _READY_WITHIN:
        if not home.alive():
            raise LocalBrokerError(
                f"the {started.kind} broker ended while it started; its log {home.log} ends:\n{home.last_words()}"
            )
        if not _is_free(started.port) and _answers(started.port):
            return waited
        time.sleep(_POLL)
    _signal(home, started.pid, signal.SIGKILL, _KILLED_WITHIN)
    raise LocalBrokerError(
        f"the {started.kind} broker on {_HOST}:{started.port} did not answer within {_READY_WITHIN:.0f} s; its log "
        f"{home.log} ends:\n{home.last_words()}"
    )


def _answers(port: int) -> bool:
    try:
        # A log level of 0: that it refuses connections while it starts is no news.
        cluster = AdminClient({"bootstrap.servers": f"{_HOST}:{port}", "log_level": 0}).list_topics(timeout=2)
    except KafkaException:
        return False
    return bool(cluster.brokers)


def _signal(home: BrokerFolder, pid: int, number: signal.Signals, within: float) -> bool:
    """Signals the broker and waits until it has ended, at most `within` seconds; returns whether it has."""
    # Only a process that holds the folder's lock is signalled: a stale pid may be another program's by now.
    if not home.alive():
        return True
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return True
    deadline = time.monotonic() + within
    while home.alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def _silent(_: str) -> None:
    """Progress for those who want none."""
