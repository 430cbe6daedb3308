"""`shoal demo`: all of it on this machine, on real customers."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.command import Panel, with_settings

if TYPE_CHECKING:
    from streams.settings import Settings

app = typer.Typer()


class BrokerChoice(StrEnum):
    """A broker that the demo starts itself."""

    EMBEDDED = "embedded"
    KAFKA = "kafka"


@app.command(rich_help_panel=Panel.SEE)
@with_settings
def demo(
    settings: "Settings",
    broker: Annotated[
        BrokerChoice | None,
        typer.Option("--broker", help="The broker to start; with --bootstrap-servers none is. Kafka needs Java 17"),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="Your own events or orders: JSON lines, CSV or parquet")
    ] = None,
    customers: Annotated[
        int | None, typer.Option("--simulate", min=1, metavar="N", help="N simulated customers instead of real ones")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the simulation")] = 1,
    workers: Annotated[int, typer.Option("--workers", min=1, metavar="N", help="Worker processes")] = 1,
    headless: Annotated[bool, typer.Option("--headless", help="No view; end by itself when all is done")] = False,
    summary: Annotated[
        Path | None, typer.Option("--summary", metavar="FILE", help="Where a headless run writes its figures, as JSON")
    ] = None,
    picture: Annotated[Path | None, typer.Option("--picture", metavar="FILE", help="Save the last frame as SVG")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the broker running at the end")] = False,
) -> None:
    """See it work: starts a broker, workers, learner and views, and replays a year of a real shop."""
    from rich.console import Console

    from streams.demo.input import Input
    from streams.demo.main import Options, run_demo, summary_json
    from streams.demo.stage import Plan
    from streams.embedded import Kind

    told = settings.model_fields_set
    ours: Kind = "kafka" if broker is BrokerChoice.KAFKA else "embedded"
    chosen = None if broker is None and "bootstrap_servers" in told else ours
    if "clock" not in told:
        # A year in a minute: its days go by with its events, not with the clock on the wall.
        settings = settings.model_copy(update={"clock": "ticks"})
    screen = Console()
    alone = headless or summary is not None or not screen.is_terminal
    options = Options(Plan(chosen, workers, keep), Input(file, customers, seed), alone, picture)
    found = run_demo(settings, options, Console(stderr=True) if alone else screen)
    if found is not None:
        if summary is not None:
            summary.write_text(summary_json(found), encoding="utf-8")
        else:
            typer.echo(summary_json(found), nl=False)
