"""Collects what the live view shows: metrics of the workers, the views, manifests, changes."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

from models.snapshot import Family, Manifest
from streams.contracts.changes import Change
from streams.live.feeds import ChangeFeed, ManifestFeed, varied
from streams.live.scrape import Scrape, scrape
from streams.live.state import Model, Segment, Segmentation, Traffic
from streams.views.answers import Flows, Segments
from streams.views.client import ViewsClient
from streams.views.errors import NotReady, Unreachable

FLOW_HOURS = 7 * 24
FLOW_OVER = "last 7 days"
SHOWN = 24
"""Changes kept for the view."""

_SEGMENTATIONS = ("lifecycle", "behaviour", "value", "intent", "affinity", "offer", "micro")
"""Those shown; `primary` repeats one of them."""
_FAMILIES: tuple[Family, ...] = ("behaviour", "churn", "purchase", "value")
_RATE_OVER = 3.0
_CHANGES_SECONDS = 0.8
_AT_A_TIME = 5_000


@dataclass(frozen=True, slots=True)
class Sources:
    """Where everything is asked. `order`: segment keys of a segmentation, as people tell the story; others follow by size."""

    worker_ports: Sequence[int]
    views_url: str
    changes: ChangeFeed
    manifests: ManifestFeed
    lag: Callable[[], int]
    order: Mapping[str, Sequence[str]]


@dataclass(slots=True)
class _Seen:
    scrapes: list[Scrape] = field(default_factory=list)
    lag: int | None = None
    segments: Segments | None = None
    flows: Flows | None = None
    manifests: list[Manifest] = field(default_factory=list)
    recent: list[Change] = field(default_factory=list)
    changes: int = 0


class Watch:
    """What was seen last is there at once, also when a source is away meanwhile. `look` may run in another thread."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._seen = _Seen()
        self._newest: deque[Change] = deque(maxlen=8 * SHOWN)
        self._shown_at = 0.0
        self._events: deque[tuple[float, float]] = deque([(monotonic(), 0.0)])

    def changes(self) -> tuple[Change, ...]:
        """The newest changes of all kinds, newest first."""
        return tuple(self._seen.recent)

    def traffic(self, expected: int | None) -> Traffic:
        """How much came in."""
        seen = self._seen
        times = [value for each in seen.scrapes if (value := each.value("shoal_event_time_seconds"))]
        return Traffic(
            events=round(_total(seen.scrapes, "shoal_events_total")),
            rate=self._rate(),
            lag=seen.lag,
            event_time=round(1000 * max(times)) if times else None,
            customers=round(_total(seen.scrapes, "shoal_customers")),
            changes=seen.changes,
            dead_letters=round(_total(seen.scrapes, "shoal_dead_letters_total")),
            duplicates=round(_total(seen.scrapes, "shoal_duplicates_total")),
            expected=expected,
        )

    def segmentations(self) -> tuple[Segmentation, ...]:
        """All segmentations that have customers, the ones that tell most first."""
        segments = self._seen.segments
        if segments is None:
            return ()
        entered, left = _moves(self._seen.flows)
        found = {each.segmentation: each for each in segments.segmentations}

        def shown(name: str) -> tuple[Segment, ...]:
            ordered = sorted(found[name].segments, key=lambda size: _place(self._sources.order, name, size.segment))
            return tuple(
                Segment(size.segment, size.name, size.customers, entered.get(place, 0), left.get(place, 0))
                for size in ordered
                for place in ((name, size.segment),)
            )

        return tuple(Segmentation(name, shown(name)) for name in _SEGMENTATIONS if name in found)

    def views_are_current(self) -> bool:
        """Whether the views have read all that is there."""
        try:
            with ViewsClient(self._sources.views_url, timeout=2.0) as views:
                status = views.status()
        except (Unreachable, NotReady):
            return False
        return status.ready and status.lag == 0

    def models(self) -> tuple[Model, ...]:
        """The champions as of the last manifest."""
        manifests = self._seen.manifests
        return champions(manifests[-1] if manifests else None)

    def look(self) -> None:
        """One round over all sources. Raises ShoalError, but not for views that are not there yet."""
        sources, seen = self._sources, self._seen
        scrapes = [found for port in sources.worker_ports if (found := scrape(port)) is not None]
        if scrapes:
            seen.scrapes = scrapes
            self._events.append((monotonic(), _total(scrapes, "shoal_events_total")))
            while len(self._events) > 2 and self._events[1][0] < self._events[-1][0] - _RATE_OVER:
                self._events.popleft()
        self._follow()
        seen.lag = sources.lag()
        sources.manifests.refresh()
        seen.manifests = sources.manifests.manifests()
        try:
            with ViewsClient(sources.views_url, timeout=2.0) as views:
                seen.segments = views.segments()
                seen.flows = views.flows(FLOW_HOURS)
        except (Unreachable, NotReady):
            # They start, or are busy; what was seen last is shown meanwhile.
            return

    def _follow(self) -> None:
        """Takes in the new changes; those shown stand long enough to be read."""
        feed, seen = self._sources.changes, self._seen
        while messages := feed.poll(_AT_A_TIME, 0.0):
            seen.changes += len(messages)
            self._newest.extend(map(feed.change, messages[-SHOWN * 4 :]))
        if self._newest and monotonic() - self._shown_at >= _CHANGES_SECONDS:
            self._shown_at = monotonic()
            seen.recent = varied(reversed(self._newest), SHOWN)

    def _rate(self) -> float:
        (began, before), (ended, now) = self._events[0], self._events[-1]
        return max(0.0, (now - before) / (ended - began)) if ended > began else 0.0


def champions(manifest: Manifest | None) -> tuple[Model, ...]:
    """A line for each family, with or without a champion."""
    models = []
    for family in _FAMILIES:
        champion = None if manifest is None else manifest.champions.get(family)
        test = None if manifest is None else manifest.tests.get(family)
        models.append(
            Model(
                family,
                version=None if champion is None else champion.version,
                promoted=None if champion is None else champion.promoted,
                tested=0 if test is None else test.n,
                auc=None if test is None else test.auc,
                log_loss=None if test is None else test.log_loss,
                note="" if champion is None else f"since {_day(champion.promoted)}",
            )
        )
    return tuple(models)


def _moves(flows: Flows | None) -> tuple[dict[tuple[str, str], int], dict[tuple[str, str], int]]:
    """How many entered and left each (segmentation, segment)."""
    entered: dict[tuple[str, str], int] = {}
    left: dict[tuple[str, str], int] = {}
    for flow in flows.flows if flows is not None else ():
        if flow.current is not None:
            entered[flow.segmentation, flow.current] = entered.get((flow.segmentation, flow.current), 0) + flow.count
        if flow.previous is not None:
            left[flow.segmentation, flow.previous] = left.get((flow.segmentation, flow.previous), 0) + flow.count
    return entered, left


def _place(order: Mapping[str, Sequence[str]], segmentation: str, segment: str) -> int:
    keys = order.get(segmentation, ())
    return keys.index(segment) if segment in keys else len(keys)


def _total(scrapes: Sequence[Scrape], name: str) -> float:
    return sum(each.total(name) for each in scrapes)


def _day(ms: int) -> str:
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return f"{moment.day} {moment:%b}"
