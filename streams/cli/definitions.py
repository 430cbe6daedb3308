"""`shoal definitions`: check a file of segments and rules, and put it in force while everything runs."""

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.command import plain, with_settings

if TYPE_CHECKING:
    from models.definitions import Definitions
    from streams.broker.protocol import Broker
    from streams.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Check segments and rules, and put them in force.")

File = Annotated[str, typer.Argument(metavar="FILE", help="TOML, or the name of a preset, such as retail")]


@app.command("check")
@plain
def check(file: File) -> None:
    """Say what is wrong with a file, all at once, or what it defines."""
    from models.definitions import compile_definitions, encode_definitions
    from models.definitions.segments import RULED
    from models.snapshot import content_hash
    from streams.presets import load_definitions

    definitions = load_definitions(file)
    compile_definitions(definitions)
    parts = [f"{len(definitions.ruled(name).segments)} of {name}" for name in RULED]
    typer.echo(
        f"{file} is good: {definitions.name}, version {definitions.version}, with segments: {', '.join(parts)}, "
        f"{len(definitions.micro.segments)} micro; hash {content_hash(encode_definitions(definitions))[:12]}"
    )


@app.command("apply")
@with_settings
def apply(
    settings: "Settings",
    file: File,
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who puts it in force; you, if not given")] = None,
) -> None:
    """Put a file in force: workers take it between two batches, and journal it. Nobody is rescored at once."""
    from models.definitions import compile_definitions
    from streams.broker.confluent import KafkaBroker
    from streams.clock import WallClock
    from streams.presets import load_definitions
    from streams.topics import require_topics

    definitions = load_definitions(file)
    compile_definitions(definitions)
    require_topics(settings)
    content = put_in_force(KafkaBroker(settings), settings, definitions, by or getpass.getuser(), WallClock().now_ms())
    typer.echo(f"{file} is in force: definitions {content[:12]}, version {definitions.version}")


def put_in_force(broker: "Broker", settings: "Settings", definitions: "Definitions", by: str, at: int) -> str:
    """Writes the definitions and, in the same transaction, that they are in force; returns their content hash.

    `at`: ms since 1970. Raises BrokerError.
    """
    import msgspec

    from models.definitions import encode_definitions
    from models.snapshot import content_hash
    from streams.contracts.keys import DEFINITIONS_IN_FORCE, definitions_key
    from streams.contracts.status import Status

    data = encode_definitions(definitions)
    content = content_hash(data)
    topic = settings.topic("models")
    writer = broker.writer(f"{settings.prefix}definitions")
    try:
        writer.begin()
        writer.produce(topic, 0, definitions_key(content), data)
        writer.produce(topic, 0, DEFINITIONS_IN_FORCE, msgspec.json.encode(Status(content, by, at)))
        writer.commit()
    finally:
        writer.close()
    return content
