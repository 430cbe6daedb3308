"""`shoal simulate` and `shoal replay`: events into the input topics."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.command import Panel, with_settings

if TYPE_CHECKING:
    from streams.replay import ReplayReport
    from streams.settings import Settings

app = typer.Typer()

Rate = Annotated[float | None, typer.Option("--rate", metavar="N", help="Events a second; else as fast as the broker takes them")]
Speed = Annotated[float | None, typer.Option("--speed", metavar="N", help="Or N seconds of event time a second")]
Trail = Annotated[float, typer.Option("--trail-days", metavar="N", help="Ticks after the last event (--clock ticks)")]


@app.command(rich_help_panel=Panel.FEED)
@with_settings
def simulate(
    settings: "Settings",
    customers: Annotated[int, typer.Option("--customers", min=1, metavar="N", help="How many")] = 20_000,
    days: Annotated[int, typer.Option("--days", min=1, metavar="N", help="How long")] = 90,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="N", help="The same seed, the same events")] = 1,
    start: Annotated[datetime | None, typer.Option("--start", formats=["%Y-%m-%d"], help="The first day")] = None,
    drift_at: Annotated[int | None, typer.Option("--drift-at", metavar="DAY", help="Day on which kinds swap habits")] = None,
    bad: Annotated[int, typer.Option("--bad", min=0, metavar="N", help="Malformed records among them")] = 0,
    truth: Annotated[Path | None, typer.Option("--truth", metavar="FILE", help="Write what each customer really is")] = None,
    rate: Rate = None,
    speed: Speed = None,
    trail_days: Trail = 0.0,
) -> None:
    """Simulate a shop whose kinds of customers are known, and write what they do into events."""
    from rich.console import Console

    from streams.simulator import simulate

    report = simulate(
        settings,
        customers,
        days,
        seed,
        start=None if start is None else start.date(),
        drift_at=drift_at,
        bad=bad,
        rate=rate,
        speed=speed,
        trail_days=trail_days,
        truth=truth,
        console=Console(stderr=True),
    )
    _tell(report)


@app.command(rich_help_panel=Panel.FEED)
@with_settings
def replay(
    settings: "Settings",
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="JSON lines, CSV or parquet; without it Online Retail, which ships with Shoal"),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="MEANING=COLUMN", help="Which column is what: --map customer_id=Client --map amount=Total"),
    ] = None,
    mapping: Annotated[Path | None, typer.Option("--mapping", metavar="FILE", help="The same, and formats, as TOML")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out rows that cannot be read, and count them")] = False,
    shift_to: Annotated[
        datetime | None,
        typer.Option("--shift-to", formats=["%Y-%m-%d"], help="Move all times so that the last event is on this day, UTC"),
    ] = None,
    rate: Rate = None,
    speed: Speed = None,
    trail_days: Trail = 0.0,
) -> None:
    """Write recorded events, or orders, into events, in the order of their time."""
    from datetime import UTC

    from rich.console import Console

    from streams.replay import load_mapping, replay_file, replay_online_retail

    console = Console(stderr=True)
    until = None if shift_to is None else int(shift_to.replace(tzinfo=UTC).timestamp() * 1000)
    if file is None:
        if columns or mapping is not None:
            raise typer.BadParameter("only for a FILE", param_hint="--map, --mapping")
        report = replay_online_retail(settings, rate=rate, speed=speed, trail_days=trail_days, shift_to=until, console=console)
    else:
        report = replay_file(
            settings,
            file,
            mapping=load_mapping(mapping, columns or []) if columns or mapping is not None else None,
            skip_bad=skip_bad,
            rate=rate,
            speed=speed,
            trail_days=trail_days,
            shift_to=until,
            console=console,
        )
    _tell(report)


def _tell(report: "ReplayReport") -> None:
    ticks = f" and {report.ticks:,} ticks" if report.ticks else ""
    raw = f", {report.raw:,} malformed records" if report.raw else ""
    skipped = f"; {report.skipped:,} bad rows left out" if report.skipped else ""
    typer.echo(
        f"wrote {report.events:,} events of {report.customers:,} customers{ticks}{raw} in {report.seconds:.1f} s"
        f" ({report.rate:,.0f} a second){skipped}"
    )
