"""Records that are no behaviour events: ticks, and commands.

A tick is a record with a null key in every partition of `events` and `commands`: under the `ticks` clock, time.
"""

from __future__ import annotations

import msgspec


class Tick(msgspec.Struct, frozen=True, tag="shoal.tick", tag_field="type"):
    """Time `at` (ms since 1970) has come in this partition. `definitions`: content hash that takes effect with it.

    `final` marks the last tick of a replay, so that whoever waits knows the input is done.
    """

    at: int
    definitions: str | None = None
    final: bool = False


class Command(msgspec.Struct, frozen=True):
    """What changes a customer from outside the stream. Key = customer id. No kind is defined yet; all are dead letters."""

    type: str
    id: str = ""
