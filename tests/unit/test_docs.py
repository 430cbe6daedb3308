"""What README and docs say is so: links, names of code, commands, metrics, settings, and the events they show."""

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
import typer
from jsonschema import Draft202012Validator
from prometheus_client import CollectorRegistry

from models.features import COUNT
from streams.cli.main import app
from streams.contracts.changes import Change
from streams.metrics import Metrics
from streams.presets import load_taxonomy
from streams.scoring.decode import Decode
from streams.settings import Settings, load_settings
from streams.topics import TOPICS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FOLDERS = ("models", "streams", "tests", "docs", "deploy")
# What a shell would do next, and is none of the command's.
AFTER_A_COMMAND = {"&", "&&", "|", "#", ";", ">"}


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def named(pages: list[Path]) -> list[Any]:
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages]


def links(page: Path) -> Iterator[tuple[str, Path]]:
    """Text and target of every link to a file of ours."""
    for label, target in re.findall(r"\[([^\]]*)\]\(([^)#\s]+)[^)]*\)", text(page)):
        if "://" not in target:
            yield label, (page.parent / target).resolve()


def blocks(page: Path, language: str = "") -> list[str]:
    """The fenced blocks in a language; those of commands name none."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text(page), flags=re.MULTILINE | re.DOTALL)
    return [content for said, content in found if said == language]


def quoted(page: Path) -> list[str]:
    """What stands in backticks in the running text."""
    prose = re.sub(r"^```.*?^```$", "", text(page), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", prose)


def told(page: Path, command: str) -> list[list[str]]:
    """The words behind `command` wherever a page tells to run it."""
    lines = [line for block in blocks(page) for line in block.splitlines()] + quoted(page)
    found = []
    for line in lines:
        for part in re.split(r" & | && |; ", line):
            called = part.strip().removeprefix(".venv/bin/")
            if called.split()[:1] == [command]:
                words = shlex.split(called, comments=True)
                end = next((i for i, word in enumerate(words) if word in AFTER_A_COMMAND), len(words))
                found.append(words[1:end])
    return found


@cache
def defined(path: Path) -> frozenset[str]:
    """`name`, `Class` and `Class.member` of everything that a module defines."""
    names = set()
    for node in ast.parse(path.read_bytes()).body:
        for name in _names(node):
            names.add(name)
            if isinstance(node, ast.ClassDef):
                names |= {f"{name}.{member}" for inner in node.body for member in _names(inner)}
    return frozenset(names)


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


@pytest.mark.parametrize("page", named(PAGES))
def test_every_link_leads_to_a_file(page: Path) -> None:
    assert [str(target) for _, target in links(page) if not target.exists()] == []


@pytest.mark.parametrize(("page", "least"), [("architecture.md", 50), ("guarantees.md", 30)])
def test_every_name_of_the_code_is_where_its_link_leads(page: str, least: int) -> None:
    code = [(label.strip("`"), target) for label, target in links(ROOT / "docs" / page) if target.suffix == ".py"]
    assert len(code) >= least
    assert [(name, str(path.relative_to(ROOT))) for name, path in code if name not in defined(path)] == []


def test_every_guarantee_has_a_test() -> None:
    promises = [
        line for line in text(ROOT / "docs" / "guarantees.md").splitlines() if line.startswith("| ") and "---" not in line
    ]
    promises = [line for line in promises if not line.startswith("| promise")]
    assert len(promises) > 15
    assert [line for line in promises if "tests/" not in line.split("|")[2]] == []


@pytest.mark.parametrize("page", named(PAGES))
def test_every_path_that_is_named_is_there(page: Path) -> None:
    paths = [name for name in quoted(page) if re.fullmatch(rf"({'|'.join(FOLDERS)})/[\w./-]*", name)]
    assert [name for name in paths if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", named(PAGES))
def test_every_shoal_command_has_the_parts_and_options_that_are_told(page: Path) -> None:
    wrong = []
    for words in told(page, "shoal"):
        command: Any = typer.main.get_command(app)
        rest = list(words)
        while rest and hasattr(command, "commands"):
            if rest[0] not in command.commands:
                break
            command = command.commands[rest.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        strange = [word for word in rest if word.startswith("-") and word.partition("=")[0] not in known]
        if strange or (hasattr(command, "commands") and rest and not rest[0].startswith("-")):
            wrong.append(" ".join(words))
    assert wrong == []


def test_the_command_check_sees_commands() -> None:
    assert len(told(ROOT / "README.md", "shoal")) > 10
    assert ["replay", "orders.csv"] in told(ROOT / "README.md", "shoal")


@pytest.mark.parametrize("page", named(PAGES))
def test_every_make_target_is_one(page: Path) -> None:
    (phony,) = re.findall(r"^\.PHONY: (.+)$", text(ROOT / "Makefile"), flags=re.MULTILINE)
    assert {words[0] for words in told(page, "make") if words} <= set(phony.split())


@pytest.mark.parametrize("page", named(PAGES))
def test_every_topic_is_one(page: Path) -> None:
    ours = {f"shoal.{topic.name}" for topic in TOPICS} | {"shoal.views-flows-changelog", "shoal.toml"}
    told_of = {name for name in quoted(page) if re.fullmatch(r"shoal\.[\w.-]+", name)}
    assert told_of <= ours


def test_the_change_in_the_readme_is_one_that_the_contract_allows() -> None:
    (shown,) = blocks(ROOT / "README.md", "json")
    change = msgspec.json.decode(shown, type=Change)
    assert msgspec.to_builtins(change) == msgspec.json.decode(shown)
    schema = msgspec.json.decode((ROOT / "docs/contracts/change.schema.json").read_bytes())
    Draft202012Validator(schema).validate(msgspec.json.decode(shown))


def test_the_event_in_getting_started_is_one_that_a_worker_takes() -> None:
    (shown,) = blocks(ROOT / "docs/getting-started.md", "json")
    event = msgspec.json.decode(shown)

    class Shown:
        def key(self) -> bytes:
            return str(event["userId"]).encode()

        def value(self) -> bytes:
            return shown.encode()

    settings = load_settings()
    decode = Decode(load_taxonomy("retail"), max_bytes=settings.max_event_bytes, max_amount=settings.max_amount)
    decoded = decode.run([Shown()])  # type: ignore[list-item]  # a key and a value are all it asks for
    assert decoded.bad == ()
    assert decoded.unknown == ()
    assert decoded.columns.revenue.tolist() == [50.0]


def test_the_settings_in_getting_started_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shown,) = blocks(ROOT / "docs/getting-started.md", "toml")
    file = tmp_path / "shoal.toml"
    file.write_text(shown)
    monkeypatch.setenv("SHOAL_KAFKA", '{"sasl.password": "secret"}')
    settings = load_settings(file)
    assert settings.kafka == {**tomllib.loads(shown)["kafka"], "sasl.password": "secret"}
    assert settings.partitions == 12


def test_every_metric_is_told_of_and_no_other() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    ours = {
        metric.name + ("_total" if metric.type == "counter" else "")
        for metric in registry.collect()
        if metric.name.startswith("shoal_")
    }
    page = ROOT / "docs" / "operations.md"
    assert {name for name in quoted(page) if re.fullmatch(r"shoal_\w+[a-z]", name)} == ours


def test_every_setting_that_is_named_is_one() -> None:
    known = set(Settings.model_fields)
    for page in PAGES:
        variables = set(re.findall(r"\bSHOAL_([A-Z][A-Z_]+)\b", text(page)))
        assert {name.lower() for name in variables} - known == set(), page


def test_the_readme_counts_the_features() -> None:
    assert f"{COUNT} features a customer" in text(ROOT / "README.md")


def test_the_picture_needs_nothing_from_elsewhere() -> None:
    picture = ROOT / "docs" / "img" / "live.svg"
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")
    assert not re.search(r"(href|src|url)\s*[=(]\s*[\"']?https?:", text(picture))
    assert (picture.name, picture) in [(target.name, target) for _, target in links(ROOT / "README.md")]


def test_every_page_is_in_the_index() -> None:
    listed = {target for _, target in links(ROOT / "docs" / "README.md")}
    assert {str(page.relative_to(ROOT)) for page in PAGES if page not in listed} == {"docs/README.md"}
