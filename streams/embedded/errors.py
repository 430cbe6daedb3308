"""What can go wrong with a broker of one's own.

BrokerError
  LocalBrokerError        it cannot be started, found or stopped
    MissingPrerequisite   something must be installed or fetched first; the message says what and how
"""

from streams.errors import BrokerError


class LocalBrokerError(BrokerError):
    """A local broker cannot be started, found or stopped."""


class MissingPrerequisite(LocalBrokerError):
    """Java, Maven, the jars or an extra is missing; the message says what to install or run."""
