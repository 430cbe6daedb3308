"""`shoal audit replay`: recompute what was decided, and compare."""

from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.command import with_settings

if TYPE_CHECKING:
    from streams.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Check what was decided against its input.")


@app.callback()
def audit() -> None:
    """Check what was decided against its input."""


@app.command("replay")
@with_settings
def replay(
    settings: "Settings",
    partition: Annotated[int, typer.Option("--partition", min=-1, metavar="P", help="Only this partition; -1 for all")] = -1,
) -> int:
    """Recompute every decision from input, journal and snapshots; the exit status is 1 where one differs."""
    from streams.broker.confluent import KafkaBroker
    from streams.errors import AuditError
    from streams.scoring.audit import Audit
    from streams.topics import require_topics

    require_topics(settings)
    audit = Audit(settings, KafkaBroker(settings), lambda text: typer.echo(text, err=True))
    numbers = range(settings.partitions) if partition < 0 else [partition]
    failed = unverifiable = 0
    try:
        for number in numbers:
            try:
                found = audit.partition(number)
            except AuditError as error:
                failed += 1
                typer.echo(f"partition {number}: DIFFERS. {error}")
                continue
            if not found.verifiable:
                unverifiable += 1
                typer.echo(f"partition {number}: not verifiable, its input before offset {found.input_starts} is gone")
                continue
            typer.echo(
                f"partition {number}: equal. {found.changes:,} changes from {found.events:,} records, {found.entries:,} entries: "
                f"{found.sweeps:,} sweeps, {found.adoptions:,} manifests, {found.definitions:,} changes of definitions"
            )
    finally:
        audit.close()
    equal = len(numbers) - failed - unverifiable
    typer.echo(f"{equal} of {len(numbers)} partitions equal" + (f", {unverifiable} not verifiable" if unverifiable else ""))
    return 1 if failed else 0
