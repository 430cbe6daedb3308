"""One partition as the oracle sees it: events in order, sweeps, who decides, and samples.

The documents are silent here, and the rule was read from the code:

- Every event that is no repeated one is decided, a late one as of the customer's last event. A sweep looks at a customer as of
  its own time or, if later, that of the last event.
- A customer is sampled when hash // 256 modulo `phases` is the phase of the day and hash // 2**40 modulo `one_in` is 0; the
  features are those before the sweep decides, as float32, and the label counts from the lifetime counters.
- A sample whose horizon was over for a period or longer when a sweep came (downtime) is dropped: its label would lie.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.definitions.segments import Definitions
from models.identity import stable_hash
from models.snapshot import Family, Snapshot
from tests.oracle.decide import Change, Decision
from tests.oracle.features import features, transformed
from tests.oracle.packing import packed
from tests.oracle.row import Customer, Event, Outcome, single, take
from tests.oracle.scores import Models, models, scores


@dataclass(frozen=True, slots=True)
class Sample:
    """Features of a customer at `taken` (ms), with the counters of a lifetime at that time."""

    customer: bytes
    taken: int
    features: tuple[float, ...]
    events: int
    orders: int
    spent: float


@dataclass(frozen=True, slots=True)
class Label:
    """What a customer did since a sample was taken (ms)."""

    customer: bytes
    taken: int
    events: int
    orders: int
    spent: float


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep has for the learner: samples with the labels that fell due, those dropped left out, and samples taken."""

    due: list[tuple[Sample, Label]]
    taken: list[Sample]


@dataclass(slots=True)
class Partition:
    """Customers by id, and what was said: `changes`, `outcomes` of events, `samples` waiting and `labels` of those that matured.

    `phases`, `one_in`: which customers a sweep samples; `horizon` (ms): when a sample matures.
    """

    definitions: Definitions
    champions: Models = field(default_factory=Models)
    phases: int = 7
    one_in: int = 1
    period: int = 86_400_000
    horizon: int = 30 * 86_400_000
    customers: dict[bytes, Customer] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)

    def adopt_champions(self, snapshots: Mapping[Family, Snapshot]) -> None:
        """From the next event or sweep on these decide."""
        self.champions = models(snapshots)

    def adopt_definitions(self, definitions: Definitions) -> None:
        """From the next event or sweep on these decide."""
        self.definitions = definitions

    def event(self, event: Event) -> None:
        """Takes an event and decides."""
        customer = self.customers.setdefault(event.customer, Customer(event.customer))
        outcome = take(customer, event)
        self.outcomes.append(outcome)
        if outcome != "duplicate":
            assert customer.last is not None
            self._decide(customer, customer.last)

    def sweep(self, at: int) -> Swept:
        """Labels what has matured, then looks at every customer at a time (ms), in order of (hash, id)."""
        matured = self._mature(at - self.horizon)
        due = [(sample, label) for sample, label in matured if at < sample.taken + self.horizon + self.period]
        waiting = len(self.samples)
        for customer in sorted(self.customers.values(), key=lambda customer: (stable_hash(customer.id), customer.id)):
            assert customer.last is not None
            moment = max(at, customer.last)
            if self._sampled(customer.id, at):
                x = tuple(single(figure) for figure in features(customer, moment).values())
                self.samples.append(Sample(customer.id, at, x, customer.events, customer.orders, customer.spent))
            self._decide(customer, moment)
        return Swept(due, self.samples[waiting:])

    def rows(self) -> dict[bytes, bytes]:
        """The packed row of every customer."""
        return {name: packed(customer) for name, customer in self.customers.items()}

    def _sampled(self, name: bytes, at: int) -> bool:
        h = stable_hash(name)
        return (h // 256) % self.phases == at // self.period % self.phases and (h // 2**40) % self.one_in == 0

    def _mature(self, until: int) -> list[tuple[Sample, Label]]:
        waiting, matured = [], []
        for sample in self.samples:
            if sample.taken > until:
                waiting.append(sample)
                continue
            c = self.customers[sample.customer]
            grown = (c.events - sample.events, c.orders - sample.orders, c.spent - sample.spent)
            matured.append((sample, Label(sample.customer, sample.taken, *grown)))
        self.samples = waiting
        self.labels += [label for _, label in matured]
        return matured

    def _decide(self, customer: Customer, at: int) -> None:
        x = features(customer, at)
        y = transformed(x)
        figures = {**x, **scores(self.champions, x, y)}
        self.changes += Decision(self.definitions, self.champions, customer, at, figures, y).decide()
