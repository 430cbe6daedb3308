"""How the live view looks: `render(screen, width, height)` gives something that rich can print, and nothing else happens."""

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from streams.contracts.changes import Change
from streams.live.state import Model, Phase, Screen, Segment, Segmentation, Traffic
from streams.live.words import day, duration, moment_words, reason_words, shown

WIDE = 104
"""Columns from which segments stand beside the changes, not above them."""

COLOURS = {
    "lifecycle": "cyan",
    "behaviour": "magenta",
    "value": "yellow",
    "intent": "green",
    "affinity": "blue",
    "offer": "bright_red",
    "micro": "bright_magenta",
    "primary": "white",
}
_BORDER = "grey42"
_QUIET = "grey58"
_HEADER, _MODELS, _NAME = 4, 7, 27


def render(screen: Screen, width: int, height: int) -> RenderableType:
    """The whole screen, `width` columns by `height` rows."""
    footer = max(1, len(screen.advice)) + bool(screen.warning)
    body = height - _HEADER - footer
    wide = width >= WIDE
    segments_width = width // 2 if wide else width
    changes_width = width - segments_width if wide else width
    changes = _changes_panel(screen.changes, changes_width - 4, (body - _MODELS if wide else body // 3) - 2)
    models = _models_panel(screen.models)
    layout = Layout()
    layout.split_column(
        Layout(_header(screen, width), size=_HEADER, name="header"),
        Layout(name="body", size=body),
        Layout(_footer(screen), size=footer, name="footer"),
    )
    if wide:
        right = Layout(name="right")
        right.split_column(Layout(changes), Layout(models, size=_MODELS))
        left = Layout(_segments_panel(screen, segments_width - 4, body - 2), size=segments_width)
        layout["body"].split_row(left, right)
    else:
        below = body // 3
        layout["body"].split_column(
            Layout(_segments_panel(screen, segments_width - 4, body - below - 2), size=body - below),
            Layout(changes, size=below),
        )
    return layout


def _header(screen: Screen, width: int) -> RenderableType:
    traffic = screen.traffic
    wide = width >= WIDE
    when = moment_words(traffic.event_time) if traffic.event_time is not None else ""
    if not wide:
        when = when.partition(",")[0]
    top = Table.grid(expand=True, padding=(0, 1, 0, 0))
    top.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    top.add_column(justify="right", no_wrap=True)
    top.add_row(
        Text.assemble(("shoal  ", "bold cyan"), (_phase(screen), _QUIET)),
        Text.assemble(
            (screen.broker if wide else "", _QUIET), "  ", (when, "bold"), ("  after ", _QUIET), duration(screen.elapsed)
        ),
    )
    figures = [
        _figure(f"{traffic.events:,}", "events"),
        _figure(f"{traffic.rate:,.0f}", "a second"),
        _figure("-" if traffic.lag is None else f"{traffic.lag:,}", "behind"),
        _figure(f"{traffic.customers:,}", "customers"),
        _figure(f"{traffic.changes:,}", "changes"),
    ]
    if traffic.dead_letters:
        figures.append(_figure(f"{traffic.dead_letters:,}", "dead letters"))
    line = Text("     " if wide else "  ").join(figures)
    line.no_wrap, line.overflow = True, "ellipsis"
    progress = _progress(traffic, width)
    return Panel(Group(top, line), box=box.ROUNDED, border_style=_BORDER, subtitle=progress, subtitle_align="left")


def _phase(screen: Screen) -> str:
    match screen.phase:
        case Phase.STARTING:
            return "the processes start"
        case Phase.RUNNING:
            return screen.input
        case Phase.DONE:
            return f"{screen.input}: done"


def _figure(number: str, what: str) -> Text:
    return Text.assemble((number, "bold"), (f" {what}" if what else "", _QUIET))


def _progress(traffic: Traffic, width: int) -> Text | None:
    if not traffic.expected:
        return None
    done = traffic.events + traffic.duplicates + traffic.dead_letters
    share = min(1.0, done / traffic.expected)
    bar = _bar(share, width - 14, "cyan", track=True)
    return Text.assemble(bar, (f" {100 * share:3.0f} % ", _QUIET))


def _segments_panel(screen: Screen, width: int, rows: int) -> RenderableType:
    table = Table.grid(padding=(0, 1, 0, 0))
    bars = max(6, width - _NAME - 6 - 5 - 5 - 4)
    table.add_column(width=_NAME, no_wrap=True, overflow="ellipsis")
    table.add_column(width=bars, no_wrap=True)
    table.add_column(width=6, justify="right", no_wrap=True)
    table.add_column(width=5, justify="right", no_wrap=True)
    table.add_column(width=5, justify="right", no_wrap=True)
    kept = fitting(screen.segmentations, rows)
    spare = rows - sum(1 + len(segmentation.segments) for segmentation in kept)
    for number, segmentation in enumerate(kept):
        if number and number <= spare:
            # Air between the segmentations, where there is room for it.
            table.add_row("")
        _add_segmentation(table, segmentation, bars)
    if not kept:
        table.add_row(Text("no customer yet", style=_QUIET))
    title = Text.assemble("segments", (f"  in and out, {screen.flow_over}", _QUIET) if screen.flow_over else "")
    return _panel(table, title)


def fitting(segmentations: Sequence[Segmentation], rows: int) -> list[Segmentation]:
    """What fits into so many rows, a heading each: the first segmentations whole, of the others the largest segments.

    The last ones are left out before one is cut below three segments.
    """
    kept = list(segmentations)
    while kept and sum(1 + min(3, len(each.segments)) for each in kept) > rows:
        kept.pop()
    counts = [min(3, len(each.segments)) for each in kept]
    left = rows - sum(counts) - len(counts)
    for i, each in enumerate(kept):
        more = min(left, len(each.segments) - counts[i])
        counts[i] += more
        left -= more
    return [_largest(each, count) for each, count in zip(kept, counts, strict=True)]


def _largest(segmentation: Segmentation, count: int) -> Segmentation:
    """With its largest segments only; they keep their order."""
    places = sorted(range(len(segmentation.segments)), key=lambda i: -segmentation.segments[i].customers)[:count]
    return Segmentation(segmentation.name, tuple(segmentation.segments[i] for i in sorted(places)))


def _add_segmentation(table: Table, segmentation: Segmentation, bars: int) -> None:
    colour = COLOURS.get(segmentation.name, "white")
    table.add_row(Text(segmentation.name, style=f"bold {colour}"))
    most = max((segment.customers for segment in segmentation.segments), default=0)
    for segment in segmentation.segments:
        table.add_row(*_segment_cells(segment, most, bars, colour))


def _segment_cells(segment: Segment, most: int, bars: int, colour: str) -> tuple[Text, ...]:
    return (
        Text(f"  {shown(segment.name)}"),
        _bar(segment.customers / most if most else 0.0, bars, colour),
        Text(f"{segment.customers:,}", style="bold" if segment.customers else _QUIET),
        Text(f"+{segment.entered:,}" if segment.entered else "", style="green"),
        Text(f"-{segment.left:,}" if segment.left else "", style="red"),
    )


def _changes_panel(changes: Sequence[Change], width: int, rows: int) -> RenderableType:
    table = Table.grid(expand=True)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for change in changes[: max(1, rows // 2)]:
        table.add_row(_change_line(change))
        table.add_row(_why_line(change, width))
    if not changes:
        table.add_row(Text("none yet", style=_QUIET))
    return _panel(table, Text("newest changes"))


def _change_line(change: Change) -> Text:
    colour = COLOURS.get(change.segmentation, "white")
    line = Text.assemble("customer ", (shown(change.customer_id), "bold"), "  ")
    line.append(change.segmentation, style=colour)
    if change.previous is not None:
        line.append(f"  {shown(change.previous.name)}")
        line.append(" → " if change.current is not None else " ended", style=_QUIET)
    else:
        line.append("  now ", style=_QUIET)
    if change.current is not None:
        line.append(shown(change.current.name), style="bold")
    return line


def _why_line(change: Change, width: int) -> Text:
    """The strongest reasons, as many as fit; at least one."""
    told = [reason_words(reason) for reason in change.reasons] or ["first seen"]
    # Before the first champion the rules decide alone.
    line = f"{day(change.at):>6}  " + ("rules: " if change.model is None else "because " if change.reasons else "") + told[0]
    for reason in told[1:]:
        if len(line) + 2 + len(reason) <= width:
            line += f"; {reason}"
    return Text(line, style=_QUIET)


def _models_panel(models: Sequence[Model]) -> RenderableType:
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style=_QUIET)
    table.add_column("model", width=9, no_wrap=True)
    table.add_column("champion", width=8, no_wrap=True)
    for heading, columns in (("tested", 7), ("AUC", 5), ("log loss", 8)):
        table.add_column(heading, width=columns, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, overflow="ellipsis", ratio=1)
    for model in models:
        table.add_row(
            model.family,
            Text(f"v{model.version}", style="bold green") if model.version is not None else Text("none yet", style=_QUIET),
            f"{model.tested:,}" if model.tested else "",
            Text("" if model.auc is None else f"{model.auc:.3f}", style="bold"),
            "" if model.log_loss is None else f"{model.log_loss:.3f}",
            Text(model.note, style=_QUIET),
        )
    return _panel(table, Text("models"))


def _footer(screen: Screen) -> RenderableType:
    lines = [Text(f" {line}", style=_QUIET, no_wrap=True, overflow="ellipsis") for line in screen.advice]
    if screen.warning:
        lines.insert(0, Text(f" {screen.warning}", style="yellow", no_wrap=True, overflow="ellipsis"))
    return Group(*lines)


def _panel(inside: RenderableType, title: Text) -> Panel:
    return Panel(inside, title=title, title_align="left", box=box.ROUNDED, border_style=_BORDER)


def _bar(share: float, width: int, colour: str, *, track: bool = False) -> Text:
    """A line over `share` of `width` columns, to half a column; with `track` the rest is drawn too."""
    halves = round(max(0.0, min(1.0, share)) * width * 2)
    if share > 0:
        halves = max(1, halves)
    whole, half = divmod(halves, 2)
    line = Text("━" * whole + "╸" * half, style=colour)
    line.append(("━" if track else " ") * (width - whole - half), style="grey23")
    return line
