"""A person's word: makes a candidate champion, or an older version champion again, with the learner's next epoch."""

from __future__ import annotations

from models.snapshot import Approval, encode
from streams.broker.protocol import TP, Broker
from streams.clock import Clock
from streams.learning.keys import approval_key
from streams.learning.past import Word, approved
from streams.settings import Settings


def promote(settings: Settings, broker: Broker, clock: Clock, approval: Approval) -> None:
    """Writes the word to `models`. Raises SnapshotError when there is no such snapshot, or it is of another family."""
    models = TP(settings.topic("models"), 0)
    value = encode(approval)
    approved(broker, models, clock, Word(-1, value))
    writer = broker.writer(f"{settings.prefix}promote")
    try:
        writer.begin()
        writer.produce(models.topic, 0, approval_key(approval.family), value)
        writer.commit()
    finally:
        writer.close()
