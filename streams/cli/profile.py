"""`shoal profile`: all that is known of one customer."""

from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.command import Panel, with_settings

if TYPE_CHECKING:
    from streams.settings import Settings

app = typer.Typer()


@app.command(rich_help_panel=Panel.SEE)
@with_settings
def profile(
    settings: "Settings",
    customer: Annotated[str, typer.Argument(metavar="ID", help="The customer's id")],
    views: Annotated[str | None, typer.Option("--views", metavar="URL", help="Address of the views (`shoal serve`)")] = None,
    raw: Annotated[bool, typer.Option("--json", help="As JSON")] = False,
) -> None:
    """Show one customer: memberships with their reasons, scores, and every feature."""
    from rich.console import Console

    from streams.errors import BrokerError
    from streams.live.customer import Profile, look_up
    from streams.views.client import ViewsClient

    # On stderr, so that JSON on stdout stays JSON.
    aside = Console(stderr=True)
    with aside.status("looking through the views, the state and the changes"):
        with ViewsClient(views or f"http://{settings.http_host}:{settings.http_port}") as client:
            segments = client.customer(customer)
            prefix = client.status().prefix
        if prefix != settings.prefix:
            # The views know which topics theirs are; somebody who asks them means those.
            settings = settings.model_copy(update={"prefix": prefix})
        try:
            found = look_up(settings, segments)
        except BrokerError as error:
            aside.print(f"memberships only, without features and reasons: {error}", style="yellow", highlight=False)
            found = Profile(segments, None)
    if raw:
        import msgspec

        typer.echo(msgspec.json.encode(found))
        return
    from streams.live.panel import profile_panel

    console = Console()
    console.print(profile_panel(found, console.width))
