"""What can go wrong with a demo, apart from what goes wrong in the processes that it runs."""

from streams.errors import ShoalError


class DemoError(ShoalError):
    """The demo cannot begin, or one of its processes ended."""
