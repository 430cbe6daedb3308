"""Dead letters: the raw bytes of a record that is refused, with the reason and where it came from."""

from __future__ import annotations

from streams.broker.protocol import Message, Record
from streams.scoring.exact import Bad

MAX_DEAD_BYTES = 900_000
"""A dead letter's value is cut here, its key and reason below, to stay under a broker's message.max.bytes."""
_MAX_DEAD_KEY_BYTES = 10_000
_MAX_REASON = 1_000


def dead_letter(message: Message, bad: Bad) -> Record:
    """The record for `events.dlq`. What had to be cut is said in the header `truncated`."""
    key, value = message.key(), message.value()
    headers = [
        ("reason", bad.reason[:_MAX_REASON].encode()),
        ("kind", bad.kind.encode()),
        ("source_topic", message.topic().encode()),
        ("source_partition", b"%d" % message.partition()),
        ("source_offset", b"%d" % message.offset()),
    ]
    cut = []
    if value is not None and len(value) > MAX_DEAD_BYTES:
        cut.append(f"the first {MAX_DEAD_BYTES} of {len(value)} bytes")
        value = value[:MAX_DEAD_BYTES]
    if key is not None and len(key) > _MAX_DEAD_KEY_BYTES:
        cut.append(f"the first {_MAX_DEAD_KEY_BYTES} of {len(key)} bytes of the key")
        key = key[:_MAX_DEAD_KEY_BYTES]
    if cut:
        headers.append(("truncated", ", ".join(cut).encode()))
    return key, value, headers
