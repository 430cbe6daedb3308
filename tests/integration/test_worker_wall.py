"""Workers on the wall clock, disturbed at every step: state, changes and journal still explain each other."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from models.kernel import layout as at
from streams.broker.protocol import Broker
from streams.contracts.samples import Mark, Sample
from streams.metrics import Metrics
from streams.replay.event import iso_ms
from streams.scoring.audit import Audit
from streams.scoring.digest import digest, entries_of
from streams.scoring.worker import Worker
from streams.settings import DAY_MS, Settings
from tests.chaos.disturbance import Disturbance
from tests.chaos.line import Expected, Line
from tests.chaos.twin import TurningClock, Twin, synthetic_models

START = 20_000 * DAY_MS
DAYS, PARTITIONS, PEOPLE = 12, 3, 40
NOTHING = Line(((),) * PARTITIONS, ((),) * PARTITIONS, (), Expected(0, 0, 0, 0, 0))


class Wall(TurningClock):
    """Seconds pass by themselves, as in a replay; the time of day is set."""

    at = START

    def now_ms(self) -> int:
        return self.at


class Shop(Twin):
    """Workers that share one clock, and events that come in the meantime."""

    def prepare(self) -> None:
        self.clock = Wall(self.rng, self.stride_s)
        self.sent, self.unique = 0, 0

    def make(self, slot: int) -> Worker:
        broker: Broker = self.wrap(self.broker)
        return Worker(self.settings, broker, self.clock, self._taxonomy, self._program, Metrics(CollectorRegistry()), slot)

    def send(self, count: int) -> None:
        """Events of now, some twice, some late, some of the future, some broken."""
        for _ in range(count):
            person = self.rng.randrange(PEOPLE)
            key = b"c%d" % person
            moment = self.clock.at + self.rng.choice((0, 0, -DAY_MS, 3_600_000))
            body = {"type": "track", "event": "Order Completed", "userId": key.decode(), "timestamp": iso_ms(moment)}
            value = msgspec.json.encode({**body, "messageId": f"m{self.unique}", "properties": {"revenue": 20.0}})
            copies = 2 if self.rng.random() < 0.1 else 1
            for _ in range(copies):
                self.cluster.append(self.settings.topic("events"), person % PARTITIONS, key, value)
            self.cluster.append(self.settings.topic("events"), person % PARTITIONS, key, b"{")
            self.sent += copies + 1
            self.unique += 1

    def settled(self) -> bool:
        """All that was sent is committed, and the last sweep is done in every partition."""
        group, events = self.settings.group_name(), self.settings.topic("events")
        committed = sum(
            self.cluster.group(group).offsets.get(tp, 0) for tp in self.cluster.group(group).offsets if tp.topic == events
        )
        slots = [slot for worker in self.workers.values() for slot in worker.slots.values() if slot.running]
        due = self.clock.at // DAY_MS * DAY_MS
        return committed == self.sent and len(slots) == PARTITIONS and all(slot.partition.cursor.swept == due for slot in slots)

    def settle(self, most: int = 20_000) -> None:
        for _ in range(most):
            if self.settled():
                return
            self.turn()
        raise AssertionError("the workers did not come to rest")


@pytest.mark.parametrize("seed", range(1, 6))
def test_state_changes_journal_and_samples_agree(seed: int) -> None:
    options = {"prefix": "shoal.", "clock": "wall", "partitions": PARTITIONS, "horizon_days": 4, "sample_every_days": 2}
    settings = Settings.model_validate({**options, "batch": 7, "sweep_cap": 100})
    disturbance = Disturbance(Random(seed), 0.003)
    shop = Shop(settings, NOTHING, seed=seed)
    shop.fault = disturbance
    shop.prepare()
    for slot in range(1 + seed % 2):
        shop.start(slot)
    models = iter(synthetic_models([START + day * DAY_MS for day in range(DAYS)], PARTITIONS, every=3))
    for day in range(DAYS):
        shop.clock.at = START + day * DAY_MS + 7_200_000
        disturbance.cluster = shop.cluster
        shop.send(25)
        for _ in range(30):
            shop.turn()
        for key, value in models:
            shop.cluster.append(settings.topic("models"), 0, key, value)
            if key.startswith(b"manifest"):
                break
        shop.send(10)
        for _ in range(30):
            shop.turn()
        disturbance.cluster = None
        if day % 4 != 2:  # else the next day finds work undone
            shop.settle()
    shop.settle()
    assert disturbance.hits.total() > 10

    live = entries_of(slot.partition for worker in shop.workers.values() for slot in worker.slots.values())
    assert digest(live) == shop.digest()
    partitions = [slot.partition for worker in shop.workers.values() for slot in worker.slots.values()]
    applied = sum(int(p.engine.table.rows.u4[: len(p.engine.table), at.EVENTS].sum()) for p in partitions)
    assert applied == shop.unique
    assert sum(map(len, shop.written("events.dlq"))) == shop.unique, "one broken record for each event"

    audit = Audit(settings, shop.broker, lambda _: None)
    verdicts = [audit.partition(number) for number in range(PARTITIONS)]
    assert all(verdict.verifiable for verdict in verdicts)
    assert sum(verdict.events for verdict in verdicts) == shop.sent
    assert min(verdict.adoptions for verdict in verdicts) >= 2
    for partition in shop.written("samples"):
        _check_marks([value or b"" for _, value, _ in partition])


def _check_marks(records: list[bytes]) -> None:
    """Each mark counts what lies before it; days are marked or said to be skipped, each once."""
    count, marked = 0, []
    for record in records:
        item = msgspec.json.decode(record, type=Sample | Mark)
        if isinstance(item, Sample):
            count += 1
            continue
        assert item.samples == count
        marked += [*item.skipped, item.epoch]
        count = 0
    assert marked == sorted(set(marked))
    assert marked == list(range(marked[0], marked[-1] + 1, DAY_MS))
    assert count == 0
