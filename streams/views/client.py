"""Asks the views, for `shoal profile`, the live view and one's own tools: plain blocking HTTP, typed answers."""

from __future__ import annotations

import http.client
from types import TracebackType
from typing import TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from models.errors import UNREADABLE
from streams.contracts.changes import CustomerSegments
from streams.views.answers import Flows, Members, Problem, Segments, Status
from streams.views.errors import BadQuestion, NotFound, NotReady, Unreachable, ViewsError

T = TypeVar("T")

_REFUSALS: dict[int, type[ViewsError]] = {400: BadQuestion, 404: NotFound, 503: NotReady}


class ViewsClient:
    """A connection to the views at `base_url`, such as http://127.0.0.1:8080. Keeps it open; not for several threads.

    Every call raises Unreachable when nobody answers within `timeout` seconds, NotReady while the tables are rebuilt,
    and ViewsError for what is no answer of the views.
    """

    def __init__(self, base_url: str, timeout: float = 5.0) -> None:
        split = urlsplit(base_url)
        if split.scheme not in ("http", "https") or not split.hostname:
            raise ViewsError(f"{base_url!r} is no address of the views: it looks like http://127.0.0.1:8080")
        kind = http.client.HTTPSConnection if split.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(split.hostname, split.port, timeout=timeout)
        self._base_url, self._root = base_url, split.path.rstrip("/")

    def customer(self, customer_id: str) -> CustomerSegments:
        """All memberships of a customer. Raises NotFound."""
        return self._get(f"/v1/customers/{quote(customer_id, safe='')}", CustomerSegments)

    def segments(self) -> Segments:
        """All segments with their sizes."""
        return self._get("/v1/segments", Segments)

    def members(self, segmentation: str, segment: str, limit: int = 100, after: str | None = None) -> Members:
        """A page of a segment's members; `after` is `next` of the page before. Raises NotFound, BadQuestion."""
        place = f"/v1/segments/{quote(segmentation, safe='')}/{quote(segment, safe='')}"
        return self._get(place, Members, limit=str(limit), after=after)

    def flows(self, hours: int = 24, segmentation: str | None = None) -> Flows:
        """Moves of the last hours up to the newest change."""
        return self._get("/v1/flows", Flows, hours=str(hours), segmentation=segmentation)

    def status(self) -> Status:
        """Positions, lag, versions; answers while the tables are rebuilt too."""
        return self._get("/v1/status", Status)

    def close(self) -> None:
        """Frees the connection."""
        self._connection.close()

    def __enter__(self) -> ViewsClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _get(self, path: str, answer: type[T], **parameters: str | None) -> T:
        asked = urlencode({name: value for name, value in parameters.items() if value is not None})
        status, body = self._ask(f"{self._root}{path}{'?' if asked else ''}{asked}")
        if status != 200:
            raise _REFUSALS.get(status, ViewsError)(self._why(status, body))
        try:
            return msgspec.json.decode(body, type=answer)
        except UNREADABLE as error:
            raise ViewsError(f"what answers at {self._base_url} is not Shoal's views, or another version: {error}") from error

    def _ask(self, target: str) -> tuple[int, bytes]:
        for last in (False, True):
            kept = self._connection.sock is not None
            try:
                self._connection.request("GET", target, headers={"Accept": "application/json"})
                response = self._connection.getresponse()
                return response.status, response.read()
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                # A connection that was kept open may have been closed at the other end: that is worth a second try.
                if last or not kept or isinstance(error, TimeoutError):
                    raise Unreachable(
                        f"the views do not answer at {self._base_url} ({_words(error)}): "
                        "start them with `shoal serve`, or name their address"
                    ) from error
        raise AssertionError("the last try returns or raises")

    def _why(self, status: int, body: bytes) -> str:
        try:
            return msgspec.json.decode(body, type=Problem).message
        except UNREADABLE:
            return f"{self._base_url} answered {status}, which is no answer of Shoal's views: is it the right address?"


def _words(error: Exception) -> str:
    """Some of the standard library's errors are empty."""
    return str(error) or type(error).__name__
