"""What the oracle knows of a partition's customers in the end, against the changelog and the topic `segments`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from models.row import ROW
from tests.oracle.comparing import differences, record_faults, shown
from tests.oracle.decide import Change
from tests.oracle.kept import Kept, Only, json_in, live
from tests.oracle.packing import kept, packed, pending, unkept
from tests.oracle.partition import Partition
from tests.oracle.published import Deciders, Json, customer_record

ROW_KEY: Final = b"r|"
SAMPLE_KEY: Final = b"p|"
CURSOR_KEY: Final = b"c|partition"


class Said(NamedTuple):
    """The last change of a customer, and in whose names it was said."""

    change: Change
    deciders: Deciders


def state_faults(records: Sequence[Kept], oracle: Partition, only: Only | None) -> Iterator[str]:
    """Rows and pending samples that are not the oracle's, byte for byte."""
    there = {key: value for key, value in live(records).items() if key != CURSOR_KEY and (not only or only(_customer(key)))}
    expected = {ROW_KEY + name: kept(packed(customer)) for name, customer in oracle.customers.items()}
    for sample in oracle.samples:
        key = b"%b%b|%d" % (SAMPLE_KEY, sample.customer, sample.taken)
        expected[key] = pending(sample.features, sample.events, sample.orders, sample.spent)
    for key in expected | there:
        what = f"{'row' if key.startswith(ROW_KEY) else 'entry'} {shown(key)}"
        if key not in there:
            yield f"{what} is missing"
        elif key not in expected:
            yield f"{what} is not what the input gives"
        elif there[key] != expected[key]:
            yield f"{what} is another: {_differing(key, there[key], expected[key])}"


def _customer(key: bytes) -> bytes:
    return key[len(ROW_KEY) :] if key.startswith(ROW_KEY) else key[len(SAMPLE_KEY) :].rpartition(b"|")[0]


def _differing(key: bytes, value: bytes, expected: bytes) -> str:
    if not key.startswith(ROW_KEY):
        return f"{len(value)} bytes, {sum(a != b for a, b in zip(value, expected, strict=False))} of them differ"
    row, wanted = unkept(value), unkept(expected)
    if row is None or wanted is None:
        return f"{len(value)} bytes that are no row"
    a, b = np.frombuffer(row, ROW)[0], np.frombuffer(wanted, ROW)[0]
    fields = [name for name in ROW.names or () if a[name].tobytes() != b[name].tobytes()]
    return ", ".join(f"{name} is {shown(a[name].tolist())} instead of {shown(b[name].tolist())}" for name in fields)


def cursor_faults(records: Sequence[Kept], expected: Json) -> Iterator[str]:
    """What the partition's cursor says otherwise, of the fields that are expected."""
    newest = next((record for record in reversed(records) if record.key() == CURSOR_KEY), None)
    if newest is None:
        yield "there is no cursor"
        return
    said = json_in(newest)
    yield from differences(expected, {name: said.get(name) for name in expected}, "cursor")


def membership_faults(records: Sequence[Kept], oracle: Partition, said: Mapping[bytes, Said], only: Only | None) -> Iterator[str]:
    """Customers whose newest record in `segments` is not what was last said of them."""
    newest = {record.key() or b"": record for record in records if not only or only(record.key() or b"")}
    for name in dict.fromkeys((*said, *newest)):
        if name not in newest:
            yield f"customer {shown(name)} is missing"
        elif name not in said:
            yield f"customer {shown(name)} is there, of whom no membership has moved"
        else:
            change, deciders = said[name]
            expected = customer_record(oracle.customers[name], change.at, change.figures, deciders)
            for fault in record_faults(name, expected, None, newest[name]):
                yield f"customer {shown(name)}: {fault}"


def events_in(records: Sequence[Kept]) -> int:
    """How many events the rows of a changelog have counted."""
    rows = [unkept(value) for key, value in live(records).items() if key.startswith(ROW_KEY)]
    return sum(int(np.frombuffer(row, ROW)[0]["events"]) for row in rows if row is not None)
