"""What a demo stands on: broker, topics and processes, set up together and always taken down again."""

import shutil
import socket
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from streams.broker.confluent import KafkaBroker
from streams.broker.protocol import TP
from streams.demo.children import Child, environment_of, stop_all
from streams.demo.errors import DemoError
from streams.embedded import Kind, RunningBroker, start_broker
from streams.settings import Settings
from streams.topics import create_topics, require_topics

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How the demo is to be set up. `broker`: None takes the one that the settings name. `keep`: leave our broker running."""

    broker: Kind | None
    workers: int = 1
    keep: bool = False


class Stage:
    """A context manager: broker, topics, workers, learner and views run while it is open.

    `settings` are those that everything runs with. Raises ShoalError when something cannot be set up.
    """

    def __init__(self, settings: Settings, plan: Plan, tell: Tell) -> None:
        self._wanted, self._plan, self._tell = settings, plan, tell
        self.settings = settings
        self.folder = Path(tempfile.mkdtemp(prefix="shoal-demo-"))
        self.broker: RunningBroker | None = None
        self.worker_ports: tuple[int, ...] = ()
        self.learner_port = 0
        self.children: list[Child] = []

    def __enter__(self) -> "Stage":
        try:
            self._set_up()
        except BaseException:
            self._take_down()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._take_down()

    def check(self) -> None:
        """Raises DemoError when a process has ended."""
        for child in self.children:
            child.check()

    def _set_up(self) -> None:
        self.settings = self._settle()
        create_topics(self.settings)
        require_topics(self.settings)
        _require_empty(self.settings)
        environment = environment_of(self.settings)
        ports = _free_ports(self._plan.workers + 2)
        self.worker_ports, self.learner_port, views_port = tuple(ports[:-2]), ports[-2], ports[-1]

        def start(name: str, arguments: list[str], metrics_port: int) -> None:
            own = {**environment, "SHOAL_METRICS_PORT": str(metrics_port)}
            self.children.append(Child(name, arguments, own, self.folder / f"{name}.log"))

        self._tell(f"starting {self._plan.workers} worker(s), learner and views")
        for slot, port in enumerate(self.worker_ports):
            # A worker of slot n serves on its port + n.
            start(f"work-{slot}", ["work", "--slot", str(slot)], port - slot)
        start("learn", ["learn"], self.learner_port)
        start("serve", ["serve"], views_port)

    def _settle(self) -> Settings:
        """Starts the broker, if it is to be ours, and finds free ports and a free prefix."""
        chosen: dict[str, object] = {"metrics_host": "127.0.0.1"}
        if self._plan.broker is not None:
            self.broker = start_broker(self._plan.broker, self.folder / "broker", progress=self._tell)
            chosen |= {"bootstrap_servers": self.broker.bootstrap_servers, "kafka": {}, "replication": 1}
        elif self._wanted.prefix == Settings.model_fields["prefix"].default:
            # On a broker that others use, nothing of theirs may be touched.
            chosen["prefix"] = f"shoal-demo-{uuid.uuid4().hex[:6]}."
        if self._plan.broker == "embedded":
            # There a join waits half the session timeout.
            chosen["session_timeout_ms"] = 6_000
        if self._wanted.http_port == 0 or not _is_free(self._wanted.http_port):
            (chosen["http_port"],) = _free_ports(1)
        return self._wanted.model_copy(update=chosen)

    def _take_down(self) -> None:
        stop_all(self.children)
        if self.broker is None:
            return
        if self._plan.keep:
            self._tell(f"the broker runs on: shoal broker stop --folder {self.broker.folder}")
            return
        self.broker.stop()
        # Its log stays with the others; what it stored goes.
        for path in self.broker.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)


def _require_empty(settings: Settings) -> None:
    """What is in the topics already would be counted as the demo's."""
    topic = settings.topic("events")
    reader = KafkaBroker(settings).reader("demo")
    try:
        held = any(reader.watermarks(TP(topic, number))[1] > 0 for number in range(reader.partitions(topic)))
    finally:
        reader.close()
    if held:
        raise DemoError(f"{topic} holds events already: give the demo a prefix of its own, as in --prefix demo2.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
