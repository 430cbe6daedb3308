"""`python -m streams.embedded` fetches Apache Kafka's jars; it ends with status 3 when Java or Maven is not there."""

import sys

from streams.embedded.errors import LocalBrokerError, MissingPrerequisite
from streams.embedded.jars import fetch_kafka_jars, find_java, jars_folder, jars_present, kafka_version

MISSING = 3


def main() -> int:
    """Fetches them, and speaks only when there is something to fetch."""
    try:
        find_java()
        if not jars_present():
            print(f"fetching Apache Kafka {kafka_version()} into {jars_folder()} (43 MB, once)", flush=True)
            fetch_kafka_jars()
    except MissingPrerequisite as missing:
        print(missing, file=sys.stderr)
        return MISSING
    except LocalBrokerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
