"""A progress bar for replays, where somebody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from streams.replay.produce import Progress


@contextmanager
def progress_bar(console: Console | None, total: int | None, what: str) -> Iterator[Callable[[Progress], None] | None]:
    """Yields what `produce.run` may report to; None when the console is no terminal."""
    if console is None or not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[day]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=total, day="")

        def watch(progress: Progress) -> None:
            day = datetime.fromtimestamp(progress.at / 1000, UTC).strftime("%Y-%m-%d")
            bar.update(task, completed=progress.events, day=day)

        yield watch
