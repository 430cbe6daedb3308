"""`shoal tail`: the segment changes as they come."""

from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.command import Panel, with_settings

if TYPE_CHECKING:
    from streams.contracts.changes import Change
    from streams.settings import Settings

app = typer.Typer()

_POLL_SECONDS = 0.25
_AT_A_TIME = 1_000


@app.command(rich_help_panel=Panel.SEE)
@with_settings
def tail(
    settings: "Settings",
    segmentation: Annotated[
        list[str] | None, typer.Option("--segmentation", "-s", metavar="NAME", help="Only of this one; may be given again")
    ] = None,
    customer: Annotated[str | None, typer.Option("--customer", metavar="ID", help="Only of this customer")] = None,
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="What is there already, first")] = False,
    until_end: Annotated[bool, typer.Option("--until-end", help="End with what is there now")] = False,
    raw: Annotated[bool, typer.Option("--json", help="Each change as it stands in the topic")] = False,
) -> None:
    """Follow the segment changes, one a line, with their reasons."""
    from streams.broker.confluent import KafkaBroker
    from streams.live.feeds import ChangeFeed

    wanted = _segmentations(segmentation or [])
    topic = settings.topic("segment-changes")
    with ChangeFeed(KafkaBroker(settings).reader("tail"), topic, from_beginning=from_beginning or until_end) as feed:
        while True:
            messages = feed.poll(_AT_A_TIME, _POLL_SECONDS)
            for message in messages:
                change = feed.change(message)
                if (not wanted or change.segmentation in wanted) and customer in (None, change.customer_id):
                    typer.echo(message.value() if raw else _line(change))
            if until_end and not messages and feed.at_end():
                return


def _segmentations(names: list[str]) -> set[str]:
    """Raises BadParameter for one that does not exist: waiting for its changes would be waiting for ever."""
    from models.row import SEGMENTATIONS

    known = (*SEGMENTATIONS, "micro")
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"{name!r} is none; there are {', '.join(known)}", param_hint="--segmentation")
    return set(names)


def _line(change: "Change") -> str:
    from streams.live.words import because, move, shown

    when = typer.style(f"{change.at[:10]} {change.at[11:16]}", dim=True)
    head = f"{when}  {change.segmentation:<9}  customer {typer.style(shown(change.customer_id), bold=True)}: {move(change)}"
    return f"{head}{typer.style(because(change), dim=True)}"
