"""Named points in a worker's code at which something can be made to happen, each a method before or after which it does."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from streams.broker.confluent_connection import KafkaConnection
from streams.broker.confluent_producer import TransactionalProducer
from streams.scoring import pace
from streams.scoring.library import Library
from streams.scoring.partition import Partition
from streams.scoring.restore import Restorer
from streams.scoring.worker import Worker

Always = Callable[..., bool]


def _always(*_: Any) -> bool:
    return True


def _some(result: Any, *_: Any) -> bool:
    return bool(result)


def _restoring(_: Any, restorer: Restorer, *__: Any) -> bool:
    return restorer.busy


@dataclass(frozen=True, slots=True)
class Point:
    """`method` of `owner`; with `after`, behind it. `often`: how often a short run passes it. `counts`: which passages do."""

    owner: Any
    method: str
    after: bool
    often: int
    counts: Always = _always


BEGUN: Final = "partition begun"
GIVING_UP: Final = "giving up"
POINTS: Final[Mapping[str, Point]] = {
    "partitions assigned": Point(Worker, "assigned", True, 1),
    "restoring": Point(Restorer, "step", True, 2, _restoring),
    "restored": Point(Worker, "_start", False, 2),
    BEGUN: Point(Partition, "begin", True, 2),
    "polled": Point(KafkaConnection, "poll", True, 20, _some),
    "transaction begun": Point(TransactionalProducer, "begin", True, 20),
    "applied": Point(Partition, "apply", True, 60),
    "models taken": Point(Library, "refresh", True, 10, _some),
    "champions adopted": Point(Partition, "adopt_manifest", True, 20),
    "definitions adopted": Point(Partition, "adopt_definitions", True, 1),
    "stretch swept": Point(pace, "sweep", True, 40),
    "rows written": Point(Partition, "flush", True, 20),
    "all written": Point(TransactionalProducer, "commit_with", False, 20),
    "offsets sent": Point(TransactionalProducer, "_commit", False, 20),
    "committed": Point(TransactionalProducer, "commit_with", True, 20),
    "forgotten": Point(Partition, "forget", True, 20),
    GIVING_UP: Point(TransactionalProducer, "abort", False, 1),
    "partitions revoked": Point(Worker, "revoked", False, 1),
    "closing": Point(Worker, "close", False, 1),
}


def arm(name: str, passage: int, strike: Callable[[], None]) -> None:
    """Calls `strike` at the passage of this number, from 1, of a point; for the rest of the process's life."""
    point = POINTS[name]
    method = getattr(point.owner, point.method)
    passed = 0

    def pass_by(*seen: Any) -> None:
        nonlocal passed
        if point.counts(*seen):
            passed += 1
            if passed == passage:
                strike()

    @functools.wraps(method)
    def wrapped(*given: Any, **named: Any) -> Any:
        if not point.after:
            pass_by(None, *given)
        result = method(*given, **named)
        if point.after:
            pass_by(result, *given)
        return result

    setattr(point.owner, point.method, wrapped)
