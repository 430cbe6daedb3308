"""Settings: file, environment and options in their order, and every fault of them at once."""

from pathlib import Path

import pytest

from streams.errors import SettingsError
from streams.settings import load_settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "shoal.toml"


def test_an_option_wins_over_the_environment_and_that_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('partitions = 2\nreplication = 2\ngroup = "of-the-file"\n')
    monkeypatch.setenv("SHOAL_PARTITIONS", "3")
    monkeypatch.setenv("SHOAL_REPLICATION", "3")
    settings = load_settings(file, partitions=4)
    assert (settings.partitions, settings.replication, settings.group) == (4, 3, "of-the-file")


def test_every_fault_is_told_at_once_and_the_setting_that_was_meant(file: Path) -> None:
    file.write_text('partitons = 3\nhorizon_days = "long"\nzzz = 1\n')
    with pytest.raises(SettingsError) as refused:
        load_settings(file)
    told = str(refused.value)
    assert str(file) in told
    assert "partitons: there is no such setting; do you mean partitions?" in told
    assert "zzz: there is no such setting" in told
    assert "horizon_days: Input should be a valid number" in told


@pytest.mark.parametrize(
    ("content", "why"),
    [("x = [", "not TOML"), ("commit_min_ms = 900\ncommit_max_ms = 100", "commit_min_ms 900 is above commit_max_ms 100")],
)
def test_a_file_that_cannot_be_used_is_named(file: Path, content: str, why: str) -> None:
    file.write_text(content)
    with pytest.raises(SettingsError, match=why) as refused:
        load_settings(file)
    assert str(file) in str(refused.value)


def test_a_file_that_is_not_there_is_a_fault(file: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file"):
        load_settings(file)
