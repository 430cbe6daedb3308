"""A Kafka that can be harmed: killed and started again, behind proxies, on a disk that can fill up."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from streams.embedded import RunningBroker, start_broker
from streams.embedded.control import free_port
from tests.chaos.proxy import Proxy

DISK_MB = 2_000
NOTHING_MORE: Mapping[str, str] = MappingProxyType({})
_PIECE = 1 << 20
WAYS = ("A", "B")
"""Listeners, each behind a proxy of its own: whoever comes by one does not feel what happens to the other."""


@dataclass(slots=True)
class Ground:
    """One broker in a folder. `disk`: whether the folder is a file system of its own, so that it can be filled."""

    folder: Path
    disk: bool
    properties: dict[str, str]
    proxies: dict[str, Proxy]
    running: RunningBroker

    def servers(self, way: str) -> str:
        """What a client that comes by this way is given; the broker tells it the same address."""
        return f"127.0.0.1:{self.proxies[way].port}"

    @property
    def used_mb(self) -> float:
        """Of the file system that the folder is on."""
        return shutil.disk_usage(self.folder).used / _PIECE

    def kill(self) -> None:
        """kill -9 of the broker; what it had written to its files stays."""
        self.running.kill()

    def start(self) -> None:
        """Starts it again in its folder, at its port."""
        port = int(self.running.bootstrap_servers.rpartition(":")[2])
        self.running = start_broker("kafka", folder=self.folder, port=port, properties=self.properties)

    def fill(self) -> None:
        """Takes all room on the disk."""
        with self._ballast.open("wb", buffering=0) as out:
            for size in (_PIECE, 4_096):
                with suppress(OSError):  # there is no room for one more
                    while True:
                        out.write(bytes(size))

    def free(self) -> None:
        """Gives the room back."""
        self._ballast.unlink()

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"


@contextmanager
def ground(disk_mb: int = DISK_MB, more: Mapping[str, str] = NOTHING_MORE) -> Iterator[Ground]:
    """Starts a broker whose topics' files are gone a second after the topics. Needs root for the disk; without, it has none.

    more: properties of the broker.
    """
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="shoal-chaos-kafka-")))
        disk = _mounted(folder, disk_mb)
        if disk:
            held.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=True)
        ports = {way: free_port() for way in WAYS}
        proxies = {way: Proxy(port) for way, port in ports.items()}
        for proxy in proxies.values():
            held.callback(proxy.close)
        properties = _properties(ports, {way: proxy.port for way, proxy in proxies.items()}) | dict(more)
        running = start_broker("kafka", folder=folder, properties=properties)
        there = Ground(folder, disk, properties, proxies, running)
        held.callback(lambda: there.running.stop())
        yield there


def _mounted(folder: Path, megabytes: int) -> bool:
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "shoal-chaos", str(folder)], capture_output=True, check=False
    )
    return made.returncode == 0


def _properties(ports: dict[str, int], told: dict[str, int]) -> dict[str, str]:
    ways = list(ports)
    listeners = [f"{way}://127.0.0.1:{ports[way]}" for way in ways]
    advertised = [f"{way}://127.0.0.1:{told[way]}" for way in ways]
    return {
        "listeners": ",".join(["PLAINTEXT://127.0.0.1:{port}", *listeners, "CONTROLLER://127.0.0.1:{controller_port}"]),
        "advertised.listeners": ",".join(["PLAINTEXT://127.0.0.1:{port}", *advertised]),
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in ("PLAINTEXT", "CONTROLLER", *ways)),
        "inter.broker.listener.name": "PLAINTEXT",
        "file.delete.delay.ms": "1000",
        "broker.session.timeout.ms": "2000",
        # A worker of either group protocol is missed after as long (`tests.chaos.site`).
        "group.consumer.session.timeout.ms": "3000",
        "group.consumer.heartbeat.interval.ms": "500",
    }
