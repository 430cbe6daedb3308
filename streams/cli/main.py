"""The command `shoal`: all commands in one application."""

from typing import Any

import typer
from typer.core import TyperGroup

from streams.cli import audit, definitions, demo, develop, doctor, feed, models, operate, profile, run, see
from streams.cli.command import Panel


class Overview(TyperGroup):
    """Prints the commands in their groups itself: what draws typer's boxes takes longer to load than all the rest."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help of `shoal` alone; each command has typer's."""
        formatter.write_usage("shoal", "COMMAND [OPTIONS]")
        formatter.write_paragraph()
        formatter.write_text(self.help or "")
        for panel in Panel:
            commands = [(name, command) for name, command in self.commands.items() if _panel(command) == panel]
            if commands:
                with formatter.section(panel):
                    formatter.write_dl([(name, _purpose(command)) for name, command in commands])
        formatter.write_paragraph()
        formatter.write_text(self.epilog or "")


def _purpose(command: Any) -> str:
    """The first paragraph of its help, on one line."""
    return " ".join((command.help or "").partition("\n\n")[0].split())


def _panel(command: Any) -> str:
    panel = command.rich_help_panel
    return panel if isinstance(panel, str) else ""


app = typer.Typer(
    name="shoal",
    cls=Overview,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with `shoal demo`. Every command has --help.",
)


@app.callback(invoke_without_command=True)
def overview(ctx: typer.Context) -> None:
    """Keeps every customer's segments true while they click."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


app.add_typer(demo.app)
app.add_typer(see.app)
app.add_typer(profile.app)
app.add_typer(run.app)
app.add_typer(feed.app)
app.add_typer(doctor.app)
app.add_typer(operate.topics, name="topics", rich_help_panel=Panel.OPERATE)
app.add_typer(operate.broker, name="broker", rich_help_panel=Panel.OPERATE)
app.add_typer(definitions.app, name="definitions", rich_help_panel=Panel.OPERATE)
app.add_typer(models.app, name="models", rich_help_panel=Panel.OPERATE)
app.add_typer(audit.app, name="audit", rich_help_panel=Panel.OPERATE)
app.add_typer(operate.state)
app.add_typer(develop.app)


def main() -> None:
    """Runs the command that the process was started with."""
    app()


if __name__ == "__main__":
    main()
