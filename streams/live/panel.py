"""How a customer's profile looks: `profile_panel(profile, width)` gives something that rich can print."""

from rich import box
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from models.features import CATALOGUE
from streams.contracts.changes import Change, Membership, Scores
from streams.live.customer import Figures, Profile
from streams.live.screen import COLOURS
from streams.live.words import day, figure, moment_words, reason_words, shown

_QUIET = "grey58"
_ORDER = ("primary", "lifecycle", "behaviour", "value", "intent", "affinity", "offer")
_WIDE = 110
_UNUSUAL = 0.5
"""A figure that differs from the usual one by half of it or more is worth a second look."""


def profile_panel(profile: Profile, width: int) -> RenderableType:
    """Memberships with their reasons, scores, and all features against the usual customer's; `width` in columns."""
    segments = profile.segments
    parts: list[RenderableType] = [
        _facts(profile.figures),
        _memberships(profile, reasons_below=width < _WIDE),
        Text(),
        _scores(segments.scores, profile),
    ]
    if profile.figures is not None:
        parts += [Text(), _features(profile.figures, profile)]
    deciders = ", ".join(f"{family} v{version}" for family, version in (segments.model or {}).items()) or "rules alone"
    return Panel(
        Group(*parts),
        title=Text.assemble("customer ", (shown(segments.customer_id), "bold")),
        title_align="left",
        subtitle=f"decided by {deciders}; definitions {segments.definitions}",
        subtitle_align="left",
        box=box.ROUNDED,
        border_style="grey42",
        padding=(1, 2),
    )


def _facts(figures: Figures | None) -> Text:
    if figures is None:
        return Text("no state row: the customer is not in the changelog (any more)\n", style="yellow")
    told = [f"known since {moment_words(figures.first)}", f"last seen {moment_words(figures.last)}"]
    told.append("may be contacted" if figures.consent else "has not agreed to be contacted")
    if figures.holdout:
        told.append("in the holdout group")
    return Text("   ".join(told) + "\n", style=_QUIET)


def _memberships(profile: Profile, *, reasons_below: bool) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style=_QUIET)
    table.add_column("segmentation", no_wrap=True)
    table.add_column("segment", no_wrap=True)
    table.add_column("since", no_wrap=True)
    table.add_column("sure", justify="right", no_wrap=True)
    if not reasons_below:
        table.add_column("because")
    held = profile.segments.memberships
    names = [name for name in (*_ORDER, *(name for name in held if name not in _ORDER)) if name in held]
    lines = [(name, held[name], profile.evidence.get(name)) for name in names]
    lines += [("micro", each, profile.evidence.get(f"micro:{each.segment}")) for each in profile.segments.micro]
    for name, membership, change in lines:
        cells, reasons = _membership(name, membership, change), _reasons(change, 1 if reasons_below else 3)
        if reasons_below:
            table.add_row(*cells)
            table.add_row("", reasons)
        else:
            table.add_row(*cells, reasons)
    return table


def _membership(segmentation: str, membership: Membership, change: Change | None) -> tuple[RenderableType, ...]:
    return (
        Text(segmentation, style=COLOURS.get(segmentation, "white")),
        Text(shown(membership.name), style="bold"),
        f"{day(membership.since)} {membership.since[:4]}",
        f"{100 * change.confidence:.0f} %" if change is not None else "",
    )


def _reasons(change: Change | None, most: int) -> Text:
    told = [] if change is None else [reason_words(reason) for reason in change.reasons[:most]]
    return Text("; ".join(told), style=_QUIET)


def _scores(scores: Scores, profile: Profile) -> Text:
    newest = max(profile.evidence.values(), key=lambda change: change.at, default=None)
    limits = newest.thresholds if newest is not None else Scores()

    def told(name: str, value: float | None, limit: float | None, unit: str) -> str:
        if value is None:
            return f"{name}: no model yet"
        shown = f"{100 * value:.0f} %" if unit == "%" else f"{value:,.0f}"
        bound = "" if limit is None else f" (limit {100 * limit:.0f} %)" if unit == "%" else f" (high from {limit:,.0f})"
        return f"{name}: {shown}{bound}"

    return Text.assemble(
        ("scores  ", _QUIET),
        "   ".join(
            (
                told("will leave", scores.churn, limits.churn, "%"),
                told("will buy", scores.purchase, limits.purchase, "%"),
                told("worth within a year", scores.value_365d, limits.value_365d, "money"),
            )
        ),
    )


def _features(figures: Figures, profile: Profile) -> RenderableType:
    thirds = -(-len(CATALOGUE) // 3)
    blocks = [CATALOGUE[start : start + thirds] for start in range(0, len(CATALOGUE), thirds)]
    tables = []
    for block in blocks:
        table = Table(box=None, padding=(0, 1, 0, 0), header_style=_QUIET)
        table.add_column("feature", no_wrap=True)
        table.add_column("value", justify="right", no_wrap=True)
        table.add_column("usual", justify="right", no_wrap=True, style=_QUIET)
        for feature in block:
            value, usual = figures.features[feature.name], profile.usual.get(feature.name)
            unusual = usual is not None and abs(value - usual) >= _UNUSUAL * max(abs(usual), 1e-9)
            table.add_row(
                feature.name,
                Text(figure(feature.name, value), style="bold" if unusual else ""),
                "" if usual is None else figure(feature.name, usual),
            )
        tables.append(table)
    return Group(Text(f"as of {moment_words(figures.as_of)}", style=_QUIET), Columns(tables, padding=(0, 3)))
