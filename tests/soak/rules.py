"""Other definitions, as a person brings them into force: `shoal definitions apply`."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from streams.errors import ShoalError
from tests.chaos.crew import Crew

_ROOT = Path(__file__).parents[2]
_RULES = _ROOT / "streams" / "presets" / "retail_definitions.toml"
_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Rules:
    """The retail preset in one version after another; its file is written to `folder`."""

    crew: Crew
    folder: Path

    def __call__(self, before: int) -> None:
        """before: how often there were other ones already."""
        file = self.folder / "rules.toml"
        text = _RULES.read_text(encoding="utf-8")
        file.write_text(text.replace("version = 1", f"version = {before + 2}", 1), encoding="utf-8")
        shoal = [sys.executable, "-m", "streams.cli.main", "definitions", "apply", str(file)]
        ended = subprocess.run(
            shoal, cwd=_ROOT, env={**os.environ, **self.crew.environment()}, capture_output=True, text=True, timeout=_WITHIN_S
        )
        if ended.returncode:
            raise ShoalError(f"definitions could not be applied: {ended.stderr.strip()[-300:]}")
