"""The worker's transaction: how many rows one may hold follows how long the last ones took."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pytest

from streams.broker.protocol import Connection
from streams.scoring.transaction import Transaction
from streams.settings import load_settings

_TIMEOUT_S = 10.0


@dataclass
class _Clock:
    seconds: float = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now_ms(self) -> int:
        return int(self.seconds * 1000)


@dataclass
class _Broker:
    """Takes `seconds` for a commit."""

    clock: _Clock
    seconds: float = 0.0
    ended: list[str] = field(default_factory=list)

    def begin(self) -> None:
        self.ended.append("begun")

    def commit(self, _: object) -> None:
        self.clock.seconds += self.seconds
        self.ended.append("committed")

    def abort(self) -> None:
        self.clock.seconds += self.seconds
        self.ended.append("aborted")


def _transaction() -> tuple[Transaction, _Broker]:
    clock = _Clock()
    broker = _Broker(clock)
    transaction = Transaction(clock, load_settings(transaction_timeout_ms=int(_TIMEOUT_S * 1000)))
    transaction.belongs_to(cast("Connection", broker))
    return transaction, broker


def test_of_a_slow_broker_it_holds_half_as_many_rows_each_time() -> None:
    transaction, broker = _transaction()
    broker.seconds = 0.6 * _TIMEOUT_S
    sizes = []
    for _ in range(3):
        transaction.is_due(8_000, behind=True)
        transaction.commit({})
        sizes.append(transaction.rows_at_most)
    assert sizes == [4_000, 2_000, 1_000]
    transaction.committed_at = broker.clock.monotonic()
    assert transaction.is_due(1_001, behind=True)
    assert not transaction.is_due(1_000, behind=True)


@pytest.mark.parametrize("end", ["abort", "abandon"])
def test_one_that_was_given_up_late_makes_the_next_smaller(end: str) -> None:
    transaction, broker = _transaction()
    transaction.begin()
    transaction.is_due(8_000, behind=True)
    broker.clock.seconds += 0.6 * _TIMEOUT_S
    getattr(transaction, end)()
    assert transaction.rows_at_most == 4_000


def test_one_that_was_given_up_at_once_says_nothing_of_the_broker() -> None:
    transaction, _ = _transaction()
    most = transaction.rows_at_most
    transaction.begin()
    transaction.is_due(8_000, behind=True)
    transaction.abort()
    assert transaction.rows_at_most == most


def test_a_broker_that_is_fast_again_is_trusted_again_and_no_further_than_at_first() -> None:
    transaction, broker = _transaction()
    most = transaction.rows_at_most
    broker.seconds = 0.6 * _TIMEOUT_S
    for _ in range(30):
        transaction.is_due(1_000, behind=True)
        transaction.commit({})
    fewest = transaction.rows_at_most
    assert 0 < fewest < 1_000
    broker.seconds = 0.4 * _TIMEOUT_S
    transaction.commit({})
    assert transaction.rows_at_most == fewest
    broker.seconds = 0.01 * _TIMEOUT_S
    for _ in range(30):
        transaction.is_due(1_000, behind=True)
        transaction.commit({})
    assert transaction.rows_at_most == most
