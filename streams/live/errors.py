"""What can go wrong while looking on."""

from streams.errors import ShoalError


class FeedError(ShoalError):
    """A topic holds what this version of Shoal cannot read."""
