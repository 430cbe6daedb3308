"""The table of a partition: rows by id, growth, order of sweeps, the undo log; pending samples beside it."""

from __future__ import annotations

import numpy as np

from models.features import COUNT
from models.identity import stable_hash
from models.kernel import layout as at
from models.kernel.undo import touch
from models.pending import Pending
from models.row import NEVER, ROW_BYTES
from models.table import Table


def write(table: Table, key: bytes, events: int) -> int:
    """Touches the row as the kernel does, and writes a number into it."""
    r = int(table.locate([key])[0])
    table.make_room(1)
    touch(table.rows, r, table.undo)
    table.rows.u4[r, at.EVENTS] = events
    return r


def events(table: Table, key: bytes) -> int | None:
    row = table.row(key)
    return None if row is None else int(row["events"])


def test_a_new_customer_has_an_empty_row_and_keeps_its_place() -> None:
    table = Table()
    assert table.locate([b"ada", b"bob", b"ada"]).tolist() == [0, 1, 0]
    assert table.locate([b"carl", b"bob"]).tolist() == [2, 1]
    row = table.row(b"carl")
    assert row is not None
    assert (int(row["first"]), int(row["last"]), int(row["events"])) == (NEVER, NEVER, 0)
    assert table.row(b"dora") is None
    assert table.hashes[:3].tolist() == [stable_hash(key) for key in (b"ada", b"bob", b"carl")]


def test_it_grows_and_keeps_what_it_held() -> None:
    table = Table()
    for n in range(10):
        write(table, b"%d" % n, n + 1)
    table.forget()
    many = [b"x%d" % n for n in range(20_000)]
    table.locate(many)
    assert len(table) == 20_010
    assert [events(table, b"%d" % n) for n in range(10)] == list(range(1, 11))
    assert events(table, many[-1]) == 0
    assert table.rows.u1[:5].shape == (5, ROW_BYTES)


def test_rolling_back_restores_rows_and_forgets_new_customers() -> None:
    table = Table()
    write(table, b"ada", 1)
    table.forget()
    write(table, b"ada", 2)
    write(table, b"ada", 3)
    write(table, b"bob", 7)
    table.locate([b"carl"])
    assert table.touched().tolist() == [0, 1]
    table.roll_back()
    assert (events(table, b"ada"), events(table, b"bob"), len(table)) == (1, None, 1)
    assert (table.touched_count(), list(table.ids), b"bob" in table.ids) == (0, [b"ada"], False)
    # The place of a customer that never was is another's now, empty again.
    assert table.locate([b"dora"]).tolist() == [1]
    assert events(table, b"dora") == 0
    assert table.hashes[1] == stable_hash(b"dora")


def test_the_undo_log_grows_in_the_middle_of_a_transaction() -> None:
    table = Table()
    keys = [b"%d" % n for n in range(5_000)]
    for key in keys:
        write(table, key, 1)
    table.forget()
    for key in keys:
        write(table, key, 2)
    assert table.touched_count() == 5_000
    table.roll_back()
    assert {events(table, key) for key in keys} == {1}


def test_the_order_of_sweeps_depends_on_the_customers_alone() -> None:
    keys = [b"c%d" % n for n in range(200)]
    one, other = Table(), Table()
    one.locate(keys)
    other.locate(keys[::-1])
    order = [one.ids[r] for r in one.order()]
    assert order == [other.ids[r] for r in other.order()]
    assert order == sorted(keys, key=lambda key: (stable_hash(key), key))


def test_customers_of_one_hash_are_swept_in_the_order_of_their_ids() -> None:
    table = Table()
    table.locate([b"b", b"a", b"c"])
    table.hashes[:3] = 7
    assert [table.ids[r] for r in table.order()] == [b"a", b"b", b"c"]


def test_the_order_is_made_anew_after_a_rollback() -> None:
    table = Table()
    table.locate([b"a", b"b"])
    table.forget()
    table.locate([b"c", b"d"])
    assert len(table.order()) == 4
    table.roll_back()
    table.locate([b"e", b"f"])
    assert {table.ids[r] for r in table.order()} == {b"a", b"b", b"e", b"f"}
    assert [table.ids[r] for r in table.order()] == sorted(table.ids, key=lambda key: (stable_hash(key), key))


def test_rows_are_put_as_restored_and_the_later_wins() -> None:
    table, source = Table(), Table()
    write(source, b"ada", 1)
    write(source, b"bob", 2)
    images = source.rows.u1[:2].copy()
    table.put([b"ada", b"bob"], images)
    table.put([b"ada"], images[1:])
    table.roll_back()
    assert (events(table, b"ada"), events(table, b"bob")) == (2, 2)


def test_pending_samples_are_undone_with_the_transaction() -> None:
    table, pending = Table(), Pending()
    rows = table.locate([b"ada", b"bob"])
    features = np.arange(2 * COUNT, dtype=np.float64).reshape(2, COUNT)
    pending.take(table, 100, rows, features)
    pending.forget()
    write(table, b"ada", 5)
    pending.take(table, 200, rows[:1], features[:1])
    matured = pending.mature(table, 150)
    assert matured is not None
    assert matured.events.tolist() == [5, 0]
    assert [block.t0 for block in pending.blocks] == [200]
    pending.roll_back()
    assert [block.t0 for block in pending.blocks] == [100]
    assert pending.mature(table, 99) is None
    pending.roll_back()
    assert len(pending) == 2
