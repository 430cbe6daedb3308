"""What the oracle's decisions leave in `segment-changes` and `samples` of one partition, in order, against what stands there.

The documents are silent here, and the rule was read from `streams/scoring/sweep.py`: a sweep writes the labels that fell due,
oldest first, then samples, either in order of (hash, id), then the mark, which counts both.
"""

from __future__ import annotations

from functools import partial

from streams.contracts.samples import MARK_KEY
from streams.settings import Settings
from tests.oracle.comparing import Findings, Ledger, link_faults, record_faults
from tests.oracle.decide import Change
from tests.oracle.kept import Kept, Only, Part, json_in
from tests.oracle.partition import Label, Partition, Sample, Swept
from tests.oracle.published import Deciders, Json, Trigger, change_headers, change_record
from tests.oracle.standing import Said


class Outputs:
    """Expects records one after another. `said`: what was last said of each customer."""

    def __init__(self, part: Part, settings: Settings, findings: Findings, only: Only | None) -> None:
        self._number, self._topic, self._findings, self._only = part.number, settings.topic("events"), findings, only
        self._changed = [record for record in part.changes if not only or only(record.key() or b"")]
        sampled = [r for r in part.samples if not only or (json_in(r).get("kind") != "mark" and only(r.key() or b""))]
        self._changes = Ledger(findings, "changes", "change", part.number, self._changed, _change_name)
        self._samples = Ledger(findings, "samples", "sample", part.number, sampled, _sample_name)
        self.said: dict[bytes, Said] = {}

    def of_event(self, oracle: Partition, offset: int, deciders: Deciders) -> None:
        """What the event at an offset has just moved."""
        self._publish(oracle, Trigger("event", self._topic, self._number, offset), deciders)

    def of_sweep(self, oracle: Partition, swept: Swept, at: int, offset: int, skipped: list[int], deciders: Deciders) -> None:
        """What the sweep at a time (ms), behind the events before an offset, has just moved, labelled and sampled."""
        for sample, label in swept.due:
            self._expect_sample(sample, label)
        self._publish(oracle, Trigger("sweep", self._topic, self._number, offset, at), deciders)
        for sample in swept.taken:
            self._expect_sample(sample, None)
        if self._only is None:
            samples, customers = len(swept.due) + len(swept.taken), len(oracle.customers)
            mark = {"kind": "mark", "epoch": at, "samples": samples, "customers": customers, "skipped": skipped}
            self._samples.expect(_name_of(mark), partial(record_faults, MARK_KEY, mark, None))

    def close(self) -> None:
        """Nothing more is expected."""
        self._changes.close()
        self._samples.close()
        for place, fault in link_faults(self._changed):
            self._findings.say("links", self._number, f"change {place}: {fault}")

    def _publish(self, oracle: Partition, trigger: Trigger, deciders: Deciders) -> None:
        for n, change in enumerate(oracle.changes):
            self._expect_change(change, n, trigger, deciders)
            self.said[change.customer] = Said(change, deciders)
        oracle.changes.clear()

    def _expect_change(self, change: Change, n: int, trigger: Trigger, deciders: Deciders) -> None:
        record = change_record(change, n, trigger, deciders)
        self._changes.expect(_change_name_of(record), partial(record_faults, change.customer, record, change_headers(record)))

    def _expect_sample(self, sample: Sample, label: Label | None) -> None:
        record = {
            "kind": "sample",
            "customer_id": sample.customer.decode(),
            "t0": sample.taken,
            "features": list(sample.features),
            "label": None if label is None else {"events": label.events, "orders": label.orders, "spent": label.spent},
        }
        self._samples.expect(_name_of(record), partial(record_faults, sample.customer, record, None))


def _change_name(record: Kept) -> str:
    return _change_name_of(json_in(record))


def _change_name_of(change: Json) -> str:
    return f"{change.get('id')} of {change.get('customer_id')}"


def _sample_name(record: Kept) -> str:
    return _name_of(json_in(record))


def _name_of(said: Json) -> str:
    if said.get("kind") == "mark":
        return f"the mark of {said.get('epoch')}"
    return f"the {'label' if said.get('label') else 'sample'} of {said.get('customer_id')} at {said.get('t0')}"
