"""The dead letters of one partition: exactly those records that are refused, each with its bytes, its reason and its source.

The documents are silent here, and the rule was read from `streams/scoring/dead.py`: of a value 900,000 bytes are kept, of a key
10,000, and the header `truncated` says so where more were there. Letters of commands and of events may stand among each other in
any order, those of either in that of their source.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from streams.settings import Settings
from tests.oracle.comparing import Findings, Ledger, shown
from tests.oracle.kept import Kept, Part

MOST_VALUE: Final = 900_000
MOST_KEY: Final = 10_000
KIND: Final = "dead letters"


class Letters:
    """Those that are there, and those that are expected."""

    def __init__(self, part: Part, settings: Settings, findings: Findings) -> None:
        self._number = part.number
        sources = {name: settings.topic(name) for name in ("events", "commands")}
        for place, letter in enumerate(part.dead):
            if _header(letter, "source_topic") not in sources.values():
                findings.say(KIND, part.number, f"letter {place}: it comes from {shown(_header(letter, 'source_topic'))}")
        self._ledgers = {
            name: Ledger(
                findings, KIND, f"letter of {name}", part.number,
                [letter for letter in part.dead if _header(letter, "source_topic") == topic], _name,
            )
            for name, topic in sources.items()
        }  # fmt: skip

    def expect(self, source: str, kind: str, record: Kept) -> None:
        """A record of `source` (events or commands) is refused for this kind of fault."""
        self._ledgers[source].expect(f"offset {record.offset()}", partial(self._faults, kind, record))

    def close(self) -> None:
        """Nothing more is refused."""
        for ledger in self._ledgers.values():
            ledger.close()

    def _faults(self, kind: str, record: Kept, letter: Kept) -> Iterator[str]:
        key, value = record.key(), record.value()
        cut = len(key or b"") > MOST_KEY or len(value or b"") > MOST_VALUE
        if letter.key() != (key and key[:MOST_KEY]):
            yield f"its key is {shown(letter.key())}, that of the record is {shown(key)}"
        if letter.value() != (value and value[:MOST_VALUE]):
            yield "its value is not that of the record"
        if cut != bool(_header(letter, "truncated")):
            yield f"the header truncated is {shown(_header(letter, 'truncated'))}"
        if _header(letter, "source_partition") != str(self._number):
            yield f"it comes from partition {shown(_header(letter, 'source_partition'))}"
        if not _header(letter, "reason"):
            yield "it has no reason"
        # Of broken JSON the engine may name a fault that stands before the break.
        if kind != "not_json" and _header(letter, "kind") != kind:
            yield f"its kind is {shown(_header(letter, 'kind'))} instead of {shown(kind)}"


def _name(letter: Kept) -> str:
    return f"offset {_header(letter, 'source_offset')}"


def _header(letter: Kept, name: str) -> str:
    return dict(letter.headers() or []).get(name, b"").decode("utf-8", "replace")
