"""The command line: quick to answer, its options become settings, its errors are sentences."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from streams.cli.command import with_settings
from streams.cli.main import app
from streams.demo.children import environment_of
from streams.errors import TopicError
from streams.settings import Settings, load_settings

COMMANDS = {
    "demo", "tail", "profile", "work", "learn", "serve", "simulate", "replay", "doctor", "topics", "broker",
    "definitions", "models", "audit", "digest", "contracts",
}  # fmt: skip
HEAVY = ("rich", "numba", "river", "scipy", "faust", "pydantic", "confluent_kafka", "numpy", "prometheus_client")


def shoal(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[typer.Typer, list[Settings]]:
    """A command that only keeps the settings that it got, in a folder without shoal.toml."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SHOAL_")]:
        monkeypatch.delenv(name)
    kept: list[Settings] = []
    probing = typer.Typer()

    @probing.command()
    @with_settings
    def look(settings: Settings, fail: bool = False) -> int:
        kept.append(settings)
        if fail:
            raise TopicError("topic shoal.state is missing: run `shoal topics create`")
        return 3

    return probing, kept


def test_help_lists_every_command_in_its_group() -> None:
    lines = shoal("--help").stdout.splitlines()
    told = {line.split()[0] for line in lines if line.startswith("  ") and line[2].isalpha()}
    assert told == COMMANDS
    panels = [line for line in lines if line in ("See it:", "Run it:", "Feed it:", "Operate it:")]
    assert panels == ["See it:", "Run it:", "Feed it:", "Operate it:"]


def test_no_command_at_all_is_answered_with_the_help() -> None:
    assert shoal().output == shoal("--help").output


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help_and_says_what_it_is_for(command: str) -> None:
    told = shoal(command, "--help")
    assert told.exit_code == 0
    assert len(told.stdout.splitlines()) > 5


def test_help_waits_for_nothing_heavy() -> None:
    check = (
        "import sys, atexit; from streams.cli.main import app; "
        f"atexit.register(lambda: print([name for name in {HEAVY!r} if name in sys.modules])); app(['--help'])"
    )
    ran = subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, text=True)
    assert ran.stdout.splitlines()[-1] == "[]"
    assert "See it" in ran.stdout


def test_a_demo_starts_its_processes_before_it_loads_the_kernel() -> None:
    check = "import sys, streams.demo.main; print([name for name in ('numba', 'scipy', 'river') if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "[]"


def test_options_become_settings(probe: tuple[typer.Typer, list[Settings]]) -> None:
    probing, kept = probe
    given = ["-b", "broker:1", "--prefix", "p.", "--partitions", "9", "--clock", "ticks", "--set", "horizon_days=14"]
    given += ["--set", "kafka.security.protocol=SSL", "--set", "kafka.ssl.ca.location=/etc/ca.pem"]
    assert CliRunner().invoke(probing, given).exit_code == 3
    (settings,) = kept
    assert (settings.bootstrap_servers, settings.prefix, settings.partitions) == ("broker:1", "p.", 9)
    assert (settings.clock, settings.horizon_days) == ("ticks", 14.0)
    assert settings.kafka == {"security.protocol": "SSL", "ssl.ca.location": "/etc/ca.pem"}


def test_options_win_over_the_environment_and_that_over_the_file(
    probe: tuple[typer.Typer, list[Settings]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    probing, kept = probe
    file = tmp_path / "mine.toml"
    file.write_text('prefix = "file."\npartitions = 2\nbatch = 10\n')
    monkeypatch.setenv("SHOAL_PREFIX", "environment.")
    monkeypatch.setenv("SHOAL_PARTITIONS", "3")
    CliRunner().invoke(probing, ["--config", str(file), "--prefix", "option."])
    (settings,) = kept
    assert (settings.prefix, settings.partitions, settings.batch) == ("option.", 3, 10)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--set", "batch"], "--set batch: not NAME=VALUE"),
        (["--set", "bach=3"], "bach"),
        (["--set", "batch=many"], "batch: Input should be a valid integer"),
        (["--config", "nowhere.toml"], "nowhere.toml: there is no such file"),
        (["--fail"], "topic shoal.state is missing: run `shoal topics create`"),
    ],
)
def test_an_error_is_one_sentence_and_status_2(
    probe: tuple[typer.Typer, list[Settings]], given: list[str], sentence: str
) -> None:
    told = CliRunner().invoke(probe[0], given)
    assert told.exit_code == 2
    assert told.stdout == ""
    (line,) = told.stderr.splitlines()
    assert line.startswith("shoal: ")
    assert sentence in line


def test_with_debug_the_traceback_comes(probe: tuple[typer.Typer, list[Settings]]) -> None:
    told = CliRunner().invoke(probe[0], ["--fail", "--debug"])
    assert isinstance(told.exception, TopicError)


def test_a_missing_broker_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.admin.ANSWER_WITHIN", 0.3)
    told = shoal("topics", "check", "-b", "127.0.0.1:1")
    assert told.exit_code == 2
    assert "no Kafka broker answers at 127.0.0.1:1" in told.stderr


def test_a_segmentation_that_does_not_exist_is_not_waited_for() -> None:
    told = shoal("tail", "-b", "127.0.0.1:1", "-s", "lifecycl")
    assert told.exit_code == 2
    assert "'lifecycl' is none" in told.stderr
    assert "lifecycle" in told.stderr


def test_broker_status_and_stop_without_a_broker(tmp_path: Path) -> None:
    for command in ("status", "stop"):
        told = shoal("broker", command, "--folder", str(tmp_path))
        assert told.exit_code == 1
        assert "no broker runs in" in told.stdout


def test_definitions_are_checked_whole(tmp_path: Path) -> None:
    good = shoal("definitions", "check", "retail")
    assert good.exit_code == 0
    assert "7 of lifecycle" in good.stdout
    file = tmp_path / "mine.toml"
    file.write_text('version = 0\nname = "mine"\n[lifecycle]\nconfirmations = 1_000\n')
    bad = shoal("definitions", "check", str(file))
    assert bad.exit_code == 2
    assert "version is 0" in bad.stderr
    assert "confirmations is 1000" in bad.stderr


def test_a_child_gets_exactly_the_settings_that_it_is_to_have(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = load_settings(prefix="child.", kafka={"sasl.password": 'a=b,"c"'}, horizon_days=3.5, quarantine=True)
    before = {"PATH": "/bin", "SHOAL_PREFIX": "other.", "SHOAL_CONFIG": "other.toml", "SHOAL_KAFKA__X": "1"}
    environment = environment_of(wanted, before)
    assert environment["PATH"] == "/bin"
    for name in [name for name in os.environ if name.startswith("SHOAL_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        if name.startswith("SHOAL_"):
            monkeypatch.setenv(name, value)
    assert load_settings() == wanted
