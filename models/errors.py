"""The root of Shoal's exceptions, and those that the pure half raises.

ShoalError
  DefinitionsError   a definitions or taxonomy file that cannot be used; lists every fault
  SnapshotError      a model snapshot or manifest that cannot be used; lists every fault
  LayoutError        state bytes of another layout
  SequenceError      samples that came twice, incompletely or out of order
"""


class ShoalError(Exception):
    """Anything that Shoal tells a person: what was wrong, where, and what to do."""


class _Faults(ShoalError):
    """Several faults of one document, all listed at once."""

    def __init__(self, where: str, faults: list[str]) -> None:
        self.where = where
        self.faults = tuple(faults)
        super().__init__(f"{where}: " + "; ".join(faults))


class DefinitionsError(_Faults):
    """A definitions or taxonomy document that cannot be used."""


class SnapshotError(_Faults):
    """A model snapshot or manifest that cannot be used."""


class LayoutError(ShoalError):
    """State bytes that this version of Shoal does not read."""


class SequenceError(ShoalError):
    """Samples that arrived twice, incompletely or out of order."""
