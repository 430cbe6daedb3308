"""The folder of programs that Shoal is measured beside, and how a benchmark runs a program."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

Figures = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
_LONGEST = 900.0


def yardstick() -> Path | None:
    """The folder that holds peers/, copied into build/, or None with a word of why. SHOAL_PEERS names another place."""
    source = Path(os.environ.get("SHOAL_PEERS", ROOT.parent / "shared" / "bench"))
    if not (source / "peers" / "python" / "bare_loop.py").is_file():
        say(f"no bare_loop.py in {source}: measuring the worker alone (set SHOAL_PEERS to the folder that holds peers/)")
        return None
    copy = BUILD / "peers"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("target", "__pycache__"))
    for path in (copy, *copy.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)
    return copy


def last_json(command: list[str], more: dict[str, str] | None = None) -> Figures:
    """The last JSON line that a command prints. Raises RuntimeError with its last words."""
    environment = {**os.environ, **(more or {})}
    try:
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_LONGEST, env=environment)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{' '.join(command)} was not done after {_LONGEST:.0f} s") from error
    lines = [line for line in run.stdout.splitlines() if line.startswith("{")]
    if run.returncode or not lines:
        raise RuntimeError(f"{' '.join(command)} ended with {run.returncode}: {run.stderr.strip()[-800:]}")
    found: Figures = json.loads(lines[-1])
    return found


def write_json(name: str, figures: Figures) -> None:
    """Writes build/`name`."""
    BUILD.mkdir(exist_ok=True)
    (BUILD / name).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    say(f"written to build/{name}")


def say(text: str) -> None:
    """Tells whoever waits what is being done."""
    print(text, file=sys.stderr, flush=True)
