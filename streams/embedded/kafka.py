"""Real Apache Kafka as a local broker: one KRaft node, on 127.0.0.1 only, laid out for trying and testing."""

from __future__ import annotations

import os
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from pathlib import Path

from streams.embedded.errors import LocalBrokerError
from streams.embedded.jars import find_java, kafka_version, require_jars

_LONG = 2**63 - 1

_PROPERTIES = """\
# One node of Apache Kafka for trying and testing; written at each start.
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller_port}
log.dirs={storage}

# Topics are made by `shoal topics create` alone; a typing error must not make one.
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1

# One node: the broker's own topics have one replica, and few partitions, so that it starts and stops fast.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1

# History is replayed with its own timestamps, decades old or some days ahead: never refused, never deleted for its age.
log.message.timestamp.before.max.ms={long}
log.message.timestamp.after.max.ms={long}
log.retention.ms=-1

# Killed members and their transactions are noticed within seconds, where production would wait.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=500
group.consumer.heartbeat.interval.ms=1000
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
# After a kill -9 the node waits this long for its own earlier life to expire.
broker.session.timeout.ms=6000
broker.heartbeat.interval.ms=500

# Small: several of these share a laptop.
num.network.threads=2
num.io.threads=4
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=16777216
log.index.size.max.bytes=1048576
"""

# The serial collector starts fastest and takes no thread from the worker beside it; the first compiler alone is ready in
# seconds, where both take a core for a minute (a year of the demo: 62 s with both, 50 s so).
_JVM = (("KAFKA_HEAP_OPTS", "-Xms256m -Xmx512m"), ("KAFKA_JVM_PERFORMANCE_OPTS", "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"))
"""Variables that Kafka's own scripts know, and what is taken where they are not set."""
_LOGGING = [
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
]


def prepare(
    folder: Path, port: int, controller_port: int, properties: Mapping[str, str], progress: Callable[[str], None]
) -> list[str]:
    """Writes server.properties and formats the storage if that was not done; returns the command that runs the broker.

    properties: others than ours; they may speak of {port}, {controller_port} and {storage}.
    Raises MissingPrerequisite without Java or the jars, LocalBrokerError when formatting fails.
    """
    java, libs = find_java(), require_jars()
    storage = folder / "kafka"
    written = folder / "server.properties"
    text = _PROPERTIES + "".join(f"\n{name}={value}" for name, value in properties.items())
    written.write_text(text.format(port=port, controller_port=controller_port, storage=storage, long=_LONG), encoding="utf-8")
    jvm = [option for name, usual in _JVM for option in os.environ.get(name, usual).split()]
    run = [java, *jvm, *_LOGGING, "-cp", f"{libs}/*"]
    if not (storage / "meta.properties").is_file():
        progress(f"formatting {storage} for Apache Kafka {kafka_version()}")
        _format([*run, "kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", str(written)], storage)
    return [*run, "kafka.Kafka", str(written)]


def _format(command: list[str], storage: Path) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        said = "\n".join((ran.stdout + ran.stderr).strip().splitlines()[-5:])
        raise LocalBrokerError(
            f"Kafka's StorageTool could not format {storage}; is the folder writable, and empty? It said:\n{said}"
        )


def _cluster_id() -> str:
    """A random Kafka id: 16 bytes, URL-safe base 64; one that begins with a dash would be read as an option."""
    while (cluster := urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return cluster
