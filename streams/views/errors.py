"""The exceptions of the views and of their client.

ShoalError
  ViewsError        the views cannot go on, or did not answer
    Unreachable     nobody answers at that address
    NotReady        the tables are still being rebuilt
    NotFound        there is no such customer, segment or page
    BadQuestion     the request makes no sense
"""

from models.errors import ShoalError


class ViewsError(ShoalError):
    """The views cannot go on, or did not answer."""


class Unreachable(ViewsError):
    """Nobody answers at that address."""


class NotReady(ViewsError):
    """The tables are still being rebuilt from their topics."""


class NotFound(ViewsError):
    """There is no such customer, segment or page."""


class BadQuestion(ViewsError):
    """The request makes no sense; the message says why."""
