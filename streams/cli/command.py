"""What all commands share: the options that become Settings, errors as one sentence, a clean end on Ctrl-C."""

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec

import typer

from streams.errors import SettingsError, ShoalError

if TYPE_CHECKING:
    from streams.settings import Settings

P = ParamSpec("P")

FAULT = 2
INTERRUPTED = 130


class Panel(StrEnum):
    """The groups of `shoal --help`, in the order of its sections."""

    SEE = "See it"
    RUN = "Run it"
    FEED = "Feed it"
    OPERATE = "Operate it"
    SETTINGS = "Settings (all of them: shoal.toml and SHOAL_*)"


class ClockChoice(StrEnum):
    """What drives sweeps."""

    WALL = "wall"
    TICKS = "ticks"


_SHARED = {
    "config": Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Settings; ./shoal.toml if it is there", rich_help_panel=Panel.SETTINGS),
    ],
    "bootstrap_servers": Annotated[
        str | None,
        typer.Option("--bootstrap-servers", "-b", metavar="HOST:PORT,..", help="Kafka brokers", rich_help_panel=Panel.SETTINGS),
    ],
    "prefix": Annotated[
        str | None,
        typer.Option("--prefix", metavar="TEXT", help="What topic names start with", rich_help_panel=Panel.SETTINGS),
    ],
    "partitions": Annotated[
        int | None,
        typer.Option("--partitions", metavar="N", help="Partitions of events", rich_help_panel=Panel.SETTINGS),
    ],
    "clock": Annotated[
        ClockChoice | None,
        typer.Option("--clock", help="What drives sweeps", rich_help_panel=Panel.SETTINGS),
    ],
    "chosen": Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any other setting, as often as needed: --set horizon_days=14 --set kafka.security.protocol=SSL",
            rich_help_panel=Panel.SETTINGS,
        ),
    ],
    "debug": Annotated[bool, typer.Option("--debug", help="Show the traceback of an error", rich_help_panel=Panel.SETTINGS)],
}


def with_settings(command: Callable[Concatenate["Settings", P], int | None]) -> Callable[..., None]:
    """Gives a command the shared options and, as its first argument, the Settings made of them.

    What the command returns is the process's exit status.
    """
    own = list(inspect.signature(command).parameters.values())[1:]
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False if name == "debug" else None, annotation=annotation)
        for name, annotation in _SHARED.items()
    ]

    @wraps(command)
    def run(**options: Any) -> None:
        given = {name: options.pop(name) for name in _SHARED}
        with sentences(debug=given["debug"]):
            settings = _settings(given)
            status = command(settings, **options)  # type: ignore[call-arg]
            raise typer.Exit(status or 0)

    run.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *shared]}
    return run


def plain(command: Callable[P, int | None]) -> Callable[P, None]:
    """For a command that needs no settings. What it returns is the process's exit status."""

    @wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> None:
        with sentences(debug=False):
            raise typer.Exit(command(*arguments, **options) or 0)

    return run


@contextmanager
def sentences(*, debug: bool) -> Iterator[None]:
    """Turns a ShoalError into its sentence on stderr and exit status 2, and Ctrl-C into 130."""
    try:
        yield
    except ShoalError as error:
        if debug:
            raise
        typer.secho("shoal: ", fg="red", bold=True, err=True, nl=False)
        typer.echo(str(error), err=True)
        raise typer.Exit(FAULT) from error
    except KeyboardInterrupt as interrupt:
        raise typer.Exit(INTERRUPTED) from interrupt
    except BrokenPipeError as closed:
        # Whoever read our output has seen enough, as `head` does. Python would complain once more when it flushes.
        sys.stdout = sys.__stderr__
        raise typer.Exit(0) from closed


def _settings(given: dict[str, Any]) -> "Settings":
    from streams.settings import load_settings

    clock = given["clock"]
    return load_settings(
        given["config"],
        bootstrap_servers=given["bootstrap_servers"],
        prefix=given["prefix"],
        partitions=given["partitions"],
        clock=None if clock is None else clock.value,
        **_chosen(given["chosen"] or []),
    )


def _chosen(assignments: list[str]) -> dict[str, Any]:
    """`["horizon_days=14", "kafka.ssl.ca.location=ca.pem"]` -> settings by name. Raises SettingsError."""
    chosen: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name:
            raise SettingsError(f"--set {assignment}", ["not NAME=VALUE"])
        if name.startswith("kafka."):
            chosen.setdefault("kafka", {})[name.removeprefix("kafka.")] = value
        else:
            chosen[name] = value
    return chosen
