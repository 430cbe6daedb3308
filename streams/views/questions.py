"""The answers to what people and tools ask of the views, from the tables and their indexes; knows nothing of HTTP."""

from __future__ import annotations

from importlib.metadata import version
from time import time_ns

import msgspec

from streams.contracts.changes import CustomerSegments
from streams.settings import Settings
from streams.views.answers import Flows, Member, Members, Segmentation, Segments, SegmentSize, Status
from streams.views.app import SILENT_AFTER, ViewsApp
from streams.views.errors import BadQuestion, NotFound, NotReady
from streams.views.flows import hour_text
from streams.views.memberships import MICRO

VERSION = version("shoal")


class Questions:
    """Answers while the tables live; before they are ready only `status` does, and all else raises NotReady."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._app: ViewsApp | None = None
        self._waiting_for = "the views are starting"
        # Rows of the index are places in this process's memory: a cursor of another life must not be taken.
        self._life = f"{time_ns():x}"

    def waits_for(self, what: str) -> None:
        """Says why there are no answers yet, in words."""
        self._waiting_for = what

    def follow(self, app: ViewsApp) -> None:
        """Answers from this app from now on."""
        self._app = app

    def readiness(self) -> tuple[bool, str]:
        """Whether the tables are rebuilt, and if not, why."""
        if self._app is None:
            return False, self._waiting_for
        if self._app.ready_after is None:
            return False, f"the views are being rebuilt from their topics: {self._app.progress():.0%} is read"
        return True, ""

    def customer(self, customer_id: str) -> bytes:
        """A customer's memberships as JSON of `CustomerSegments`. Raises NotFound."""
        stored = self._ready().customer(customer_id)
        if stored is None:
            raise NotFound(f"no customer {customer_id!r} has memberships: ids are userId, or anonymousId before a login")
        return stored

    def segments(self) -> Segments:
        """All sizes."""
        index = self._ready().memberships
        listed = []
        for segmentation in index.segmentations():
            customers, known = index.sizes(segmentation)
            sizes = [SegmentSize(each.segment, each.name, each.customers) for each in known]
            listed.append(Segmentation(segmentation, customers, sizes))
        return Segments(len(index), listed)

    def members(self, segmentation: str, segment: str, limit: int, after: str | None) -> Members:
        """A page of members. Raises NotFound, and BadQuestion for a cursor of an earlier life."""
        app = self._ready()
        index = app.memberships
        known = index.segment(segmentation, segment)
        if known is None:
            raise NotFound(self._no_segment(segmentation, segment))
        ids, last = index.members(segmentation, segment, self._row(after), limit)
        members = [self._member(app, customer_id, segmentation, segment) for customer_id in ids]
        following = None if last is None else f"{self._life}-{last}"
        return Members(segmentation, segment, known.name, known.customers, members, following)

    def flows(self, hours: int, segmentation: str | None) -> Flows:
        """Moves of the last hours up to the newest change."""
        window = self._ready().flows.window(hours, segmentation)
        if window is None:
            return Flows(hours=hours, first=None, until=None, changes=0, flows=[])
        first, until, flows = window
        changes = sum(flow.count for flow in flows)
        return Flows(hours=hours, first=hour_text(first), until=hour_text(until), changes=changes, flows=flows)

    def status(self) -> Status:
        """How the views are; answers at any time."""
        ready, reason = self.readiness()
        app = self._app
        if ready and app and (silent := app.silent_for()) >= SILENT_AFTER:
            reason = f"no broker answers since {silent:.0f} s: the answers are as of then"
        positions = app.positions() if app else []
        newest = app.flows.newest_hour() if app else None
        return Status(
            ready=ready,
            reason=reason,
            version=VERSION,
            prefix=self._settings.prefix,
            rebuilt_seconds=None if app is None or app.ready_after is None else round(app.ready_after, 3),
            customers=len(app.memberships) if app else 0,
            lag=sum(position.lag for position in positions),
            positions=positions,
            models=app.memberships.models if app else None,
            definitions=app.memberships.definitions if app else None,
            newest_change=None if newest is None else hour_text(newest),
        )

    def _ready(self) -> ViewsApp:
        ready, reason = self.readiness()
        if self._app is None or not ready:
            raise NotReady(reason)
        return self._app

    def _row(self, after: str | None) -> int:
        if after is None:
            return -1
        life, _, row = after.partition("-")
        if not row.isdecimal():
            raise BadQuestion(f"after={after} is no cursor: take what `next` said, or leave it out for the first page")
        if life != self._life:
            raise BadQuestion(f"after={after} is from before the views were started again: begin with the first page")
        return int(row)

    def _member(self, app: ViewsApp, customer_id: str, segmentation: str, segment: str) -> Member:
        customer = msgspec.json.decode(app.customer(customer_id) or b"", type=CustomerSegments)
        held = customer.micro if segmentation == MICRO else [customer.memberships[segmentation]]
        since = next(membership.since for membership in held if membership.segment == segment)
        return Member(customer_id, since)

    def _no_segment(self, segmentation: str, segment: str) -> str:
        index = self._ready().memberships
        known = index.segmentations()
        if segmentation not in known:
            return f"there is no segmentation {segmentation!r} with customers: there are {', '.join(known) or 'none'}"
        names = ", ".join(each.segment for each in index.sizes(segmentation)[1][:20])
        return f"nobody is in segment {segment!r} of {segmentation}: there are {names}"
