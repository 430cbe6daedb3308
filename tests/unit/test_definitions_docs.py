"""The pages on definitions and taxonomy: what they show is what the code does."""

import re
from pathlib import Path

import pytest

from models.definitions import compile_definitions, parse_definitions
from models.definitions.expression import MOST_CHARACTERS, MOST_DEPTH
from models.definitions.variables import SCORES
from models.errors import DefinitionsError
from models.row import BEHAVIOURS, CHANNELS
from models.taxonomy import parse_taxonomy

DOCS = Path(__file__).parents[2] / "docs"
BROKEN = """
version = 1
name = "mine"
[[lifecycle.segments]]
key = "sleeping"
name = "Sleeping"
description = "Ordered before, silent for three months."
when = "orders >= 1 and day_since_order > 90"
[primary]
priority = ["lifecycle:sleepy"]
"""


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)


def test_the_examples_are_complete_files() -> None:
    (definitions,) = blocks("definitions.md", "toml")
    assert len(compile_definitions(parse_definitions(definitions, "docs")).rules) == 3
    (taxonomy,) = blocks("taxonomy.md", "toml")
    assert parse_taxonomy(taxonomy, "docs").category_codes["Boots"] == 0


def test_the_faults_shown_are_those_given() -> None:
    (shown,) = blocks("definitions.md", "text")
    with pytest.raises(DefinitionsError) as caught:
        parse_definitions(BROKEN, "docs")
    assert list(caught.value.faults) == shown.splitlines()


def test_the_pages_name_everything_there_is() -> None:
    definitions, taxonomy = ((DOCS / page).read_text("utf-8") for page in ("definitions.md", "taxonomy.md"))
    for name in SCORES:
        assert f"`{name}`" in definitions
    for name in (*BEHAVIOURS, *CHANNELS):
        assert f"`{name}`" in taxonomy
    assert f"{MOST_CHARACTERS:,} characters, nested at most {MOST_DEPTH} levels" in definitions
