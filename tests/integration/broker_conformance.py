"""What every broker must do: one suite for Apache Kafka, the embedded broker and the in-memory twin.

A test module makes a class of this for its broker, with a fixture `site` (see `broker_site`), and takes in the fixture `team`.
"""

from tests.integration.broker_membership import Membership
from tests.integration.broker_positions import Positions
from tests.integration.broker_reading import Reading
from tests.integration.broker_team import team
from tests.integration.broker_transactions import Transactions

__all__ = ["BrokerConformance", "team"]


class BrokerConformance(Reading, Transactions, Positions, Membership):
    """All of it."""
