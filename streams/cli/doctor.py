"""`shoal doctor`: is everything there, and well?"""

from typing import TYPE_CHECKING

import typer

from streams.cli.command import Panel, with_settings

if TYPE_CHECKING:
    from streams.settings import Settings

app = typer.Typer()

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@app.command(rich_help_panel=Panel.OPERATE)
@with_settings
def doctor(settings: "Settings") -> int:
    """Check broker, topics, models, workers, clock and dead letters, and say what to mend; status 1 when something fails."""
    from streams.clock import WallClock
    from streams.doctor.checks import examine, worst
    from streams.doctor.finding import Level

    findings = []
    for finding in examine(settings, WallClock()):
        findings.append(finding)
        level = typer.style(f"{finding.level:<4}", fg=_COLOURS[finding.level], bold=True)
        typer.echo(f"{level}  {finding.what:<12}  {finding.seen}")
        if finding.todo:
            typer.echo(f"{'':<20}-> {finding.todo}")
    return 1 if worst(findings) is Level.FAIL else 0
