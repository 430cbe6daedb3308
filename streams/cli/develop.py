"""`shoal contracts`: the documents that are made from the code."""

from pathlib import Path
from typing import Annotated

import typer

from streams.cli.command import Panel, plain

app = typer.Typer()


@app.command(rich_help_panel=Panel.OPERATE)
@plain
def contracts(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; the exit status is 1 when one is stale")] = False,
    docs: Annotated[Path, typer.Option("--docs", metavar="DIR", help="Where to write")] = Path("docs"),
) -> int:
    """Write JSON Schemas, the AsyncAPI and OpenAPI documents, the feature catalogue and the row layout."""
    from streams.contracts import schema
    from streams.views import openapi

    texts = {**schema.documents(), openapi.PATH: openapi.text()}
    if check:
        for path in (found := schema.stale(docs, texts)):
            typer.echo(f"{docs / path} is not current: run `shoal contracts`", err=True)
        return 1 if found else 0
    written = schema.write(docs, texts)
    for path in written:
        typer.echo(f"wrote {docs / path}")
    if not written:
        typer.echo("all documents are current")
    return 0
