"""`shoal models`: who decides in each family, who waits, and a person's word on it."""

import getpass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.command import with_settings

if TYPE_CHECKING:
    from models.snapshot import Family, Manifest
    from streams.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Show champions and candidates; promote, or go back.")


class FamilyChoice(StrEnum):
    """The families of models."""

    BEHAVIOUR = "behaviour"
    CHURN = "churn"
    PURCHASE = "purchase"
    VALUE = "value"
    USUAL = "usual"


@app.command("list")
@with_settings
def list_models(settings: "Settings") -> None:
    """Show the champion of each family with its running scores, and the candidate that is tested against it."""
    from rich.console import Console
    from rich.table import Table

    from streams.live.words import moment_words

    manifest = _newest(settings)
    table = Table(box=None, header_style="grey58")
    for heading in ("family", "", "version", "hash", "tested on", "AUC", "log loss"):
        table.add_column(heading, no_wrap=True)
    table.add_column("why", min_width=24)
    for family, champion in sorted(manifest.champions.items()):
        test = manifest.tests.get(family)
        table.add_row(
            family,
            "champion",
            f"v{champion.version}",
            champion.hash[:12],
            "" if test is None else f"{test.n:,}",
            "" if test is None or test.auc is None else f"{test.auc:.3f}",
            "" if test is None or test.log_loss is None else f"{test.log_loss:.3f}",
            f"{moment_words(champion.promoted)}, by {champion.promoted_by}: {champion.reason}",
        )
    for name, candidate in sorted(manifest.candidates.items()):
        waits = "waits for you" if candidate.ready else "candidate"
        version, tested = f"v{candidate.version}", f"{candidate.tested:,}"
        table.add_row(name, waits, version, candidate.hash[:12], tested, "", "", candidate.verdict)
    console = Console()
    console.print(f"trained through {moment_words(manifest.epoch)}", highlight=False)
    if table.row_count:
        console.print(table)
    else:
        console.print("no champion yet, and no candidate: the rules decide alone", highlight=False)


@app.command("promote")
@with_settings
def promote(
    settings: "Settings",
    family: Annotated[FamilyChoice, typer.Argument(help="Whose champion it is to be")],
    snapshot: Annotated[
        str | None, typer.Argument(metavar="[HASH]", help="Its content hash, or how that begins; else the candidate")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the manifest")] = "approved",
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who says so; you, if not given")] = None,
) -> None:
    """Make a candidate champion, or an older version again: the learner does it with its next epoch."""
    from models.snapshot import Approval
    from streams.broker.confluent import KafkaBroker
    from streams.clock import WallClock
    from streams.learning import promote as learner

    name: Family = family.value
    content = _candidate(_newest(settings), name) if snapshot is None else _whole(settings, snapshot)
    approval = Approval(name, content, by or getpass.getuser(), reason)
    learner.promote(settings, KafkaBroker(settings), WallClock(), approval)
    typer.echo(f"{name} {content[:12]} becomes champion with the learner's next epoch")


def _newest(settings: "Settings") -> "Manifest":
    from streams.broker.confluent import KafkaBroker
    from streams.live.errors import FeedError
    from streams.live.feeds import ManifestFeed
    from streams.topics import require_topics

    require_topics(settings)
    feed = ManifestFeed(KafkaBroker(settings).reader("models"), settings.topic("models"))
    try:
        feed.refresh(2.0)
        manifests = feed.manifests()
    finally:
        feed.close()
    if not manifests:
        raise FeedError(f"{settings.topic('models')} holds no manifest yet: run `shoal learn`, and give it time to learn")
    return manifests[-1]


def _candidate(manifest: "Manifest", family: str) -> str:
    from models.errors import SnapshotError

    candidate = manifest.candidates.get(family)
    if candidate is None:
        raise SnapshotError(f"family {family}", ["no candidate is being tested: name a snapshot by its hash"])
    return candidate.hash


def _whole(settings: "Settings", beginning: str) -> str:
    """The one content hash in `models` that begins so. Raises SnapshotError."""
    from models.errors import SnapshotError
    from streams.broker.confluent import KafkaBroker
    from streams.broker.protocol import TP
    from streams.contracts.keys import SNAPSHOT
    from streams.live.feeds import BEGINNING

    tp = TP(settings.topic("models"), 0)
    reader = KafkaBroker(settings).reader("models")
    found: set[str] = set()
    try:
        end = reader.watermarks(tp)[1]
        reader.assign({tp: BEGINNING})
        while reader.position(tp) < end:
            keys = (message.key() or b"" for message in reader.poll(1_000, 0.2))
            found |= {key.removeprefix(SNAPSHOT).decode() for key in keys if key.startswith(SNAPSHOT + beginning.encode())}
    finally:
        reader.close()
    if len(found) != 1:
        said = f"{len(found)} snapshots begin so: give more of it" if found else "no snapshot begins so: see `shoal models list`"
        raise SnapshotError(f"hash {beginning}", [said])
    return found.pop()
