"""The command `shoal`: all commands in one application."""

import typer

from streams.cli import audit, definitions, demo, develop, doctor, feed, operate, profile, run, see
from streams.cli.command import Panel

app = typer.Typer(
    name="shoal",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Keeps every customer's segments true while they click.",
    epilog="Start with `shoal demo`. Every command has --help.",
)
app.add_typer(demo.app)
app.add_typer(see.app)
app.add_typer(profile.app)
app.add_typer(run.app)
app.add_typer(feed.app)
app.add_typer(doctor.app)
app.add_typer(operate.topics, name="topics", rich_help_panel=Panel.OPERATE)
app.add_typer(operate.broker, name="broker", rich_help_panel=Panel.OPERATE)
app.add_typer(definitions.app, name="definitions", rich_help_panel=Panel.OPERATE)
app.add_typer(audit.app, name="audit", rich_help_panel=Panel.OPERATE)
app.add_typer(operate.state)
app.add_typer(develop.app)


def main() -> None:
    """Runs the command that the process was started with."""
    app()


if __name__ == "__main__":
    main()
