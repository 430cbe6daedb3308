"""What a broker of one's own needs, and what is said when it is not there."""

import shutil
from pathlib import Path

import pytest

from streams.embedded import LocalBrokerError, MissingPrerequisite, fetch_kafka_jars, jars, start_broker
from tests.integration.shell_program import program


def test_without_java_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPrerequisite, match=r"needs Java 17 .* no `java` here: install a JDK 17 or later"):
        start_broker("kafka", tmp_path / "broker")


def test_an_old_java_and_a_wrong_java_home_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(MissingPrerequisite, match="correct JAVA_HOME"):
        jars.find_java()
    program(tmp_path / "bin" / "java", "echo 'openjdk version \"11.0.2\" 2019-01-15' >&2")
    with pytest.raises(MissingPrerequisite, match=r'is older \(openjdk version "11\.0\.2"'):
        jars.find_java()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As if shoal were installed, not checked out: the jars belong into the user's cache. The folder of the jars."""
    package = tmp_path / "site-packages" / "streams" / "embedded"
    monkeypatch.setattr(jars, "__file__", str(package / "jars.py"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "shoal" / f"kafka-{jars.kafka_version()}" / "target" / "libs"


@pytest.fixture
def java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH but for the shell's own tools, with a Java in it that only knows its version."""
    program(tmp_path / "bin" / "java", "echo 'openjdk version \"17.0.15\" 2025-04-15' >&2")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


@pytest.mark.usefixtures("java")
def test_without_the_jars_it_names_the_command_that_fetches_them(installed: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingPrerequisite, match=rf"not in {installed}: fetch them with `.* -m streams\.embedded`"):
        start_broker("kafka", tmp_path / "broker")


@pytest.mark.usefixtures("java", "installed")
def test_without_maven_it_says_what_to_install() -> None:
    with pytest.raises(MissingPrerequisite, match="needs Maven, and there is no `mvn` here: install it"):
        fetch_kafka_jars()


def test_what_maven_says_when_it_fails_is_passed_on(installed: Path, java: Path) -> None:
    program(java / "mvn", 'echo "[ERROR] Unknown host"; exit 1')
    with pytest.raises(LocalBrokerError, match=r"ended with 1\); look at the network .*\n\[ERROR\] Unknown host"):
        fetch_kafka_jars()
    assert not jars.jars_present()
    assert (installed.parents[1] / "pom.xml").is_file()


@pytest.mark.kafka
@pytest.mark.slow
def test_an_installed_shoal_fetches_the_jars_into_the_users_cache(installed: Path) -> None:
    if shutil.which("mvn") is None:
        pytest.skip("there is no Maven (mvn) here")
    assert fetch_kafka_jars() == installed
    assert (installed / f"kafka_2.13-{jars.kafka_version()}.jar").is_file()
    assert jars.jars_present()
    before = {jar.name: jar.stat().st_mtime_ns for jar in installed.glob("*.jar")}
    fetch_kafka_jars()
    assert {jar.name: jar.stat().st_mtime_ns for jar in installed.glob("*.jar")} == before, "fetched once only"
