"""`shoal work`, `shoal learn` and `shoal serve`: the three kinds of process."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.command import Panel, with_settings

if TYPE_CHECKING:
    from streams.settings import Settings

app = typer.Typer()


class LogChoice(StrEnum):
    """Lines for people, or JSON objects for machines."""

    TEXT = "text"
    JSON = "json"


class LevelChoice(StrEnum):
    """Debug names customers; info never does."""

    INFO = "info"
    DEBUG = "debug"


LogFormat = Annotated[LogChoice, typer.Option("--log-format", envvar="SHOAL_LOG_FORMAT", help="How to log, on stderr")]
LogLevel = Annotated[LevelChoice, typer.Option("--log-level", envvar="SHOAL_LOG_LEVEL", help="How much to log")]


@app.command(rich_help_panel=Panel.RUN)
@with_settings
def work(
    settings: "Settings",
    processes: Annotated[int, typer.Option("--processes", min=1, metavar="N", help="Workers to run, one a core")] = 1,
    slot: Annotated[
        int, typer.Option("--slot", min=0, metavar="N", help="Number of this worker, unique in the group and stable")
    ] = 0,
    log_format: LogFormat = LogChoice.TEXT,
    log_level: LogLevel = LevelChoice.INFO,
) -> int:
    """Score events: read them, keep every customer's state, publish segment changes, exactly once."""
    from streams.logs import start_logging
    from streams.scoring.main import main

    start_logging(f"work-{slot}", log_format.value, log_level.value)
    return main(settings, processes=processes, slot=slot)


@app.command(rich_help_panel=Panel.RUN)
@with_settings
def learn(settings: "Settings", log_format: LogFormat = LogChoice.TEXT, log_level: LogLevel = LevelChoice.INFO) -> int:
    """Learn from samples, epoch by epoch, and publish model snapshots. One process."""
    from streams.learning.main import main
    from streams.logs import start_logging

    start_logging("learn", log_format.value, log_level.value)
    return main(settings)


@app.command(rich_help_panel=Panel.RUN)
@with_settings
def serve(settings: "Settings", log_format: LogFormat = LogChoice.TEXT, log_level: LogLevel = LevelChoice.INFO) -> int:
    """Serve the views over HTTP: a customer's memberships, segment sizes, flows by the hour."""
    from streams.logs import start_logging
    from streams.views.main import main

    start_logging("serve", log_format.value, log_level.value)
    return main(settings)
