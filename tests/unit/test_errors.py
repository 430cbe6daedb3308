"""What is said of bytes that cannot be read, by every reader of a topic that meets them, and of documents with many faults."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from models.check import decode_approval, decode_manifest, decode_snapshot
from models.definitions import decode_definitions
from models.errors import DefinitionsError, LayoutError, ShoalError, SnapshotError
from models.learning.state import decode_state
from models.taxonomy import decode_taxonomy
from streams.broker.memory import MemoryBroker
from streams.broker.memory_cluster import MemoryCluster
from streams.live.errors import FeedError
from streams.live.feeds import ManifestFeed
from streams.scoring.changelog import decode_cursor
from streams.scoring.library import decode_status

_UNREADABLE = {
    "cut short": b'{"epoch":',
    "of another type": b'"cursor"',
    "not UTF-8": b'{"epoch":"\xff\xfe","hash":"\xff"}',
    "nested deeply": b'{"epoch":' + b"[" * 200_000,
    "nested deeply, unknown": b'{"nobody":' + b'{"a":' * 200_000,
}
_READERS: dict[str, tuple[Callable[[bytes], object], type[ShoalError]]] = {
    "snapshot": (partial(decode_snapshot, name="here"), SnapshotError),
    "manifest": (partial(decode_manifest, name="here"), SnapshotError),
    "approval": (partial(decode_approval, name="here"), SnapshotError),
    "state": (partial(decode_state, partitions=4), SnapshotError),
    "definitions": (decode_definitions, DefinitionsError),
    "taxonomy": (decode_taxonomy, DefinitionsError),
    "cursor": (partial(decode_cursor, where="here"), LayoutError),
    "status": (partial(decode_status, where="here"), DefinitionsError),
}


@pytest.mark.parametrize("data", _UNREADABLE.values(), ids=_UNREADABLE.keys())
@pytest.mark.parametrize(("read", "error"), _READERS.values(), ids=_READERS.keys())
def test_what_cannot_be_read_is_an_error_of_ours(read: Callable[[bytes], object], error: type[ShoalError], data: bytes) -> None:
    with pytest.raises(error):
        read(data)


@pytest.mark.parametrize("data", _UNREADABLE.values(), ids=_UNREADABLE.keys())
def test_the_live_feed_says_where_it_met_what_cannot_be_read(data: bytes) -> None:
    cluster = MemoryCluster()
    cluster.create_topic("models", 1)
    cluster.append("models", 0, b"manifest|1", data)
    feed = ManifestFeed(MemoryBroker(cluster).reader("feed"), "models")
    with pytest.raises(FeedError, match=r"models\[0\] offset 0 cannot be read"):
        feed.refresh()


def test_of_many_faults_the_first_are_told_and_all_are_kept() -> None:
    faults = [f"segment {number}: no rule" for number in range(10_000)]
    error = DefinitionsError("rules.toml", faults)
    assert error.faults == tuple(faults)
    assert str(error).startswith("rules.toml: segment 0: no rule; segment 1: no rule;")
    assert str(error).endswith("; and 9,980 more")
    assert str(DefinitionsError("rules.toml", faults[:20])).endswith("segment 19: no rule")
