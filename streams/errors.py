"""The exceptions of the half that touches the outside; all are `models.errors.ShoalError`.

ShoalError
  SettingsError      shoal.toml, environment or options that cannot be used; lists every fault
  TopicError         a topic is missing or laid out wrongly
  BrokerError        the broker cannot be reached or refused
    Aborted          the transaction must be aborted and its input read again
    Fenced           another process has taken this one's place; end
    Unknown          nobody knows whether the commit happened: throw the tables away and restore
  RestoreError       state cannot be rebuilt
  PoisonError        one record stops the worker; names topic, partition and offset
  AuditError         a journal that does not agree with the decisions
"""

from __future__ import annotations

from models.errors import ShoalError

__all__ = [
    "Aborted", "AuditError", "BrokerError", "Fenced", "PoisonError", "RestoreError", "SettingsError", "ShoalError",
    "TopicError", "Unknown",
]  # fmt: skip


class SettingsError(ShoalError):
    """Settings that cannot be used."""

    def __init__(self, where: str, faults: list[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(f"{where}: " + "; ".join(faults))


class TopicError(ShoalError):
    """A topic that is missing or laid out wrongly."""


class BrokerError(ShoalError):
    """The broker cannot be reached, or refused."""


class Aborted(BrokerError):
    """The transaction must be aborted; its input is read again."""


class Fenced(BrokerError):
    """Another process has taken this one's place."""


class Unknown(BrokerError):
    """The outcome of a commit is unknown; what is in memory may be wrong."""


class RestoreError(ShoalError):
    """State that cannot be rebuilt from its changelog."""


class PoisonError(ShoalError):
    """A record that the worker cannot get past."""


class AuditError(ShoalError):
    """A journal that does not agree with the decisions."""
