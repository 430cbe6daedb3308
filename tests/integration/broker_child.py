"""A worker in a process of its own, to be killed and stopped: `python -m tests.integration.broker_child`.

It reads one record, produces it to the other topic, says `open`, and waits for a line on its standard input; then it
commits and says how that went.
"""

import sys
from collections.abc import Sequence

from streams.broker.confluent import KafkaBroker
from streams.broker.protocol import TP, Connection
from streams.errors import BrokerError
from streams.settings import Settings


class Owner:
    """Reads everything from the committed offsets on."""

    def __init__(self, link: Connection) -> None:
        self.link = link

    def assigned(self, partitions: Sequence[TP]) -> None:
        self.link.resume(partitions)

    def revoked(self, partitions: Sequence[TP]) -> None:
        """Nothing to finish."""

    def lost(self, partitions: Sequence[TP]) -> None:
        """Nothing to give up."""


def main() -> None:
    """Arguments: the settings as JSON, group, transactional id, input topic, output topic."""
    settings, group, transactional_id, source, target = sys.argv[1:]
    link = KafkaBroker(Settings.model_validate_json(settings)).connection(group, transactional_id)
    link.subscribe([source], Owner(link))
    while not (records := link.poll(1, 0.1)):
        pass
    link.begin()
    link.produce(target, 0, records[0].key(), transactional_id.encode())
    print("open", flush=True)
    sys.stdin.readline()
    try:
        link.commit({TP(source, 0): records[0].offset() + 1})
    except BrokerError as error:
        print(type(error).__name__, flush=True)
    else:
        print("committed", flush=True)


if __name__ == "__main__":
    main()
