"""Records that are no behaviour events: ticks, and commands.

A tick is a record with a null key in every partition of `events` and `commands`: under the `ticks` clock, time.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

LATEST_MS: Final = 7_258_118_400_000
"""Times are before this: the year 2200, ms since 1970."""


class Tick(msgspec.Struct, frozen=True, tag="shoal.tick", tag_field="type"):
    """Time `at` (ms since 1970) has come in this partition. `definitions`: content hash that takes effect with it.

    `final` marks the last tick of a replay, so that whoever waits knows the input is done.
    """

    at: Annotated[int, Meta(ge=0, lt=LATEST_MS)]
    definitions: str | None = None
    final: bool = False


class Other(msgspec.Struct, frozen=True, tag="", tag_field="type"):
    """Beside `Tick` in a decoder it has a record say its type, for only among several is a tag asked for."""


class Command(msgspec.Struct, frozen=True):
    """What changes a customer from outside the stream. Key = customer id. No kind is defined yet; all are dead letters."""

    type: str
    id: str = ""
