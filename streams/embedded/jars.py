"""Apache Kafka's jars: where they lie, whether they are complete, and fetching them with Maven."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

from streams.embedded.errors import LocalBrokerError, MissingPrerequisite

JAVA = 17
"""The oldest Java that Apache Kafka 4 runs on."""


def kafka_version() -> str:
    """The version of Apache Kafka that pom.xml names."""
    found = re.search(r"<kafka\.version>([^<]+)</kafka\.version>", _pom().decode())
    if found is None:
        raise LocalBrokerError("pom.xml names no <kafka.version>: reinstall shoal")
    return found[1]


def jars_folder() -> Path:
    """Where the jars are, or will be: deploy/kafka/target/libs in a checkout, else the user's cache."""
    checkout = Path(__file__).parents[2] / "deploy" / "kafka"
    if (checkout / "pom.xml").is_file():
        return checkout / "target" / "libs"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "shoal" / f"kafka-{kafka_version()}" / "target" / "libs"


def find_java() -> str:
    """The path of a Java that is new enough. Raises MissingPrerequisite."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    install = f"install a JDK {JAVA} or later (Debian and Ubuntu: apt-get install openjdk-{JAVA}-jre-headless)"
    if java is None:
        raise MissingPrerequisite(f"Apache Kafka needs Java {JAVA} or later, and there is no `java` here: {install}")
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    except OSError as error:
        raise MissingPrerequisite(f"cannot run {java} ({error}): correct JAVA_HOME, or {install}") from error
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < JAVA:
        first = said.strip().splitlines()[0] if said.strip() else "it says nothing"
        raise MissingPrerequisite(f"Apache Kafka needs Java {JAVA} or later, {java} is older ({first}): {install}")
    return java


def jars_present() -> bool:
    """Whether all jars that pom.xml asks for are there."""
    try:
        return _stamp().read_text() == _pom_digest()
    except FileNotFoundError:
        return False


def require_jars() -> Path:
    """The folder with the jars. Raises MissingPrerequisite with the command that fetches them."""
    if not jars_present():
        raise MissingPrerequisite(
            f"the jars of Apache Kafka {kafka_version()} are not in {jars_folder()}: fetch them with `{_command()}` "
            "(43 MB, once; needs Maven)"
        )
    return jars_folder()


def fetch_kafka_jars() -> Path:
    """Fetches the jars unless they are there, and returns their folder.

    Raises MissingPrerequisite without Java or Maven, LocalBrokerError when Maven fails.
    """
    libs = jars_folder()
    if jars_present():
        return libs
    find_java()
    maven = shutil.which("mvn")
    if maven is None:
        raise MissingPrerequisite(
            f"fetching Apache Kafka {kafka_version()} needs Maven, and there is no `mvn` here: install it "
            "(Debian and Ubuntu: apt-get install maven)"
        )
    libs.parent.mkdir(parents=True, exist_ok=True)
    with (libs.parent / "fetching.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not jars_present():
            _copy_with_maven(maven, libs)
    return libs


def _copy_with_maven(maven: str, libs: Path) -> None:
    pom = libs.parents[1] / "pom.xml"
    if not pom.is_file():
        pom.write_bytes(_pom())
    # Jars of another version must not stay on the class path.
    shutil.rmtree(libs, ignore_errors=True)
    ran = subprocess.run(
        [maven, "--quiet", "--batch-mode", "--file", str(pom), "package"], capture_output=True, text=True, check=False
    )
    if ran.returncode != 0:
        said = "\n".join((ran.stdout + ran.stderr).strip().splitlines()[:5])
        raise LocalBrokerError(
            f"Maven could not fetch Apache Kafka {kafka_version()} (mvn -f {pom} package ended with {ran.returncode}); "
            f"look at the network and ~/.m2/settings.xml. It said:\n{said}"
        )
    _stamp().write_text(_pom_digest())


def _pom() -> bytes:
    return (resources.files("streams.embedded") / "pom.xml").read_bytes()


def _pom_digest() -> str:
    return hashlib.sha256(_pom()).hexdigest()


def _stamp() -> Path:
    return jars_folder() / ".complete"


def _command() -> str:
    in_checkout = (Path(__file__).parents[2] / "Makefile").is_file()
    return "make broker-jars" if in_checkout else f"{sys.executable} -m streams.embedded"
