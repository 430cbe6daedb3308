"""What the topics say, as it comes: the newest changes, and the learner's manifests. Read committed, outside any group."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import ceil
from types import TracebackType
from typing import TypeVar

import msgspec

from models.errors import UNREADABLE
from models.snapshot import Manifest
from streams.broker.protocol import TP, Message, Reader
from streams.contracts.changes import Change
from streams.contracts.keys import MANIFEST
from streams.live.errors import FeedError

BEGINNING = -2

T = TypeVar("T")


class ChangeFeed:
    """Follows `segment-changes` from its beginning, or from now on. As a context manager it is closed at the end."""

    def __init__(self, reader: Reader, topic: str, *, from_beginning: bool) -> None:
        self._reader = reader
        self._decode = msgspec.json.Decoder(Change).decode
        self._ends = {tp: reader.watermarks(tp)[1] for tp in map(partial(TP, topic), range(reader.partitions(topic)))}
        reader.assign({tp: BEGINNING if from_beginning else end for tp, end in self._ends.items()})

    def poll(self, limit: int, timeout: float) -> Sequence[Message]:
        """At most `limit` records; waits `timeout` seconds for the first."""
        return self._reader.poll(limit, timeout)

    def change(self, message: Message) -> Change:
        """The change in a record. Raises FeedError."""
        return _decoded(self._decode, message)

    def at_end(self) -> bool:
        """Whether everything was returned that was there when this was made."""
        return all(self._reader.position(tp) >= end for tp, end in self._ends.items())

    def close(self) -> None:
        """Frees the reader."""
        self._reader.close()

    def __enter__(self) -> "ChangeFeed":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class ManifestFeed:
    """Follows the manifests in `models` from the first one on."""

    def __init__(self, reader: Reader, topic: str) -> None:
        self._reader = reader
        self._decode = msgspec.json.Decoder(Manifest).decode
        self._by_epoch: dict[int, Manifest] = {}
        reader.assign({TP(topic, 0): BEGINNING})

    def refresh(self, timeout: float = 0.0) -> None:
        """Takes in what is new; waits `timeout` seconds for the first of it. Raises FeedError."""
        while messages := self._reader.poll(500, timeout):
            for message in messages:
                if (message.key() or b"").startswith(MANIFEST):
                    manifest = _decoded(self._decode, message)
                    self._by_epoch.setdefault(manifest.epoch, manifest)
            timeout = 0.0

    def manifests(self) -> list[Manifest]:
        """All of them, in the order of their epochs."""
        return [self._by_epoch[epoch] for epoch in sorted(self._by_epoch)]

    def close(self) -> None:
        """Frees the reader."""
        self._reader.close()


def varied(changes: Iterable[Change], count: int) -> list[Change]:
    """The newest `count` of some changes (newest first) that show most: of different customers and segmentations.

    First memberships, a customer's further changes, and what exceeds a third for one segmentation fill up what is left;
    `primary` is left out, since its changes repeat another's.
    """
    most = max(1, ceil(count / 3))
    chosen: list[tuple[int, Change]] = []
    spare: list[tuple[int, Change]] = []
    seen: dict[str, int] = {}
    customers: set[str] = set()
    for place, change in enumerate(each for each in changes if each.segmentation != "primary"):
        shown = seen.get(change.segmentation, 0)
        if shown < most and change.previous is not None and change.customer_id not in customers:
            seen[change.segmentation] = shown + 1
            customers.add(change.customer_id)
            chosen.append((place, change))
            if len(chosen) == count:
                break
        else:
            spare.append((place, change))
    chosen += spare[: count - len(chosen)]
    return [change for _, change in sorted(chosen, key=lambda item: item[0])]


def _decoded(decode: Callable[[bytes], T], message: Message) -> T:
    try:
        return decode(message.value() or b"")
    except UNREADABLE as error:
        raise FeedError(
            f"{message.topic()}[{message.partition()}] offset {message.offset()} cannot be read ({error}): "
            "another version of Shoal wrote it, or another program; look on with the version that wrote it"
        ) from error
