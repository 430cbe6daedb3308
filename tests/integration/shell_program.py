"""Shell scripts that stand where a program is looked for."""

from pathlib import Path


def program(path: Path, script: str) -> None:
    """Writes an executable script to `path`."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
