"""The root of Shoal's exceptions, and those that the pure half raises.

ShoalError
  DefinitionsError   a definitions or taxonomy file that cannot be used; lists its faults
  SnapshotError      a model snapshot or manifest that cannot be used; lists its faults
  LayoutError        state bytes of another layout
  SequenceError      samples that came twice, incompletely or out of order
"""

from typing import Final

import msgspec

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""All that msgspec raises of bytes that are not what was asked for: not JSON or not of the type, not UTF-8, nested too deeply."""
_FAULTS_TOLD = 20


class ShoalError(Exception):
    """Anything that Shoal tells a person: what was wrong, where, and what to do."""


class _Faults(ShoalError):
    """Several faults of one document: all in `faults`, the first of them in what is said."""

    def __init__(self, where: str, faults: list[str]) -> None:
        self.where = where
        self.faults = tuple(faults)
        more = len(faults) - _FAULTS_TOLD
        told = faults if more <= 0 else [*faults[:_FAULTS_TOLD], f"and {more:,} more"]
        super().__init__(f"{where}: " + "; ".join(told))


class DefinitionsError(_Faults):
    """A definitions or taxonomy document that cannot be used."""


class SnapshotError(_Faults):
    """A model snapshot or manifest that cannot be used."""


class LayoutError(ShoalError):
    """State bytes that this version of Shoal does not read."""


class SequenceError(ShoalError):
    """Samples that arrived twice, incompletely or out of order."""
