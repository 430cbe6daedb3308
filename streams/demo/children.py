"""The processes of a demo: started side by side, each with a log of its own, watched, and ended in order."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic

from streams.demo.errors import DemoError
from streams.settings import Settings

_STOPPED_WITHIN = 15.0
_LAST_WORDS = 12


class Child:
    """A `shoal` command that runs beside us. Ctrl-C in our terminal does not reach it: we end it, in good order.

    Should we be killed ourselves, it ends too (`streams.cli.leash`).
    """

    def __init__(self, name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name, self.log = name, log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli.leash", *arguments],
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def check(self) -> None:
        """Raises DemoError with the end of its log when it has ended."""
        status = self._process.poll()
        if status is not None:
            raise DemoError(f"{self.name} ended with status {status}; its log {self.log} ends:\n{self._last_words()}")

    def ask_to_end(self) -> None:
        """SIGTERM: it finishes what is under way."""
        if self._process.poll() is None:
            self._process.terminate()

    def wait_for_end(self, within: float) -> None:
        """Waits, and kills it when it takes longer than `within` seconds."""
        try:
            self._process.wait(max(0.0, within))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-_LAST_WORDS:]) or "  (nothing)"


def stop_all(children: Sequence[Child]) -> None:
    """Ends the children one after the other, in the order given, so that none misses what it still needs."""
    deadline = monotonic() + _STOPPED_WITHIN
    for child in children:
        child.ask_to_end()
        child.wait_for_end(deadline - monotonic())


def environment_of(settings: Settings, before: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment under which a child has exactly these settings, whatever files or variables there are."""
    kept = os.environ if before is None else before
    environment = {name: value for name, value in kept.items() if not name.startswith("SHOAL_")}
    environment["SHOAL_CONFIG"] = os.devnull
    for name, value in settings.model_dump().items():
        environment[f"SHOAL_{name.upper()}"] = json.dumps(value) if isinstance(value, dict) else str(value)
    return environment
