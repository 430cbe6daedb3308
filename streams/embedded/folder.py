"""The folder of a local broker: its pid file, its log, and the lock that the broker's process holds while it lives.

The lock tells a live broker from a stale pid file: the system releases it however the process ends, and a process that
got the same pid later does not hold it.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from models.errors import UNREADABLE
from streams.embedded.errors import LocalBrokerError

# The shell leaves the broker behind as an orphan that keeps the inherited lock, so that it outlives the command that
# started it and nobody has to wait for its exit status. $0 is the log, $@ the command.
_DETACH = '"$@" >>"$0" 2>&1 </dev/null & echo $!'


class PidFile(msgspec.Struct, frozen=True):
    """What a later command needs to know of a broker that was started here."""

    kind: str
    pid: int
    port: int
    temporary: bool


@dataclass(frozen=True)
class BrokerFolder:
    """Where a broker keeps what it stores, and where it is found again."""

    path: Path

    @property
    def log(self) -> Path:
        """What the broker's process printed."""
        return self.path / "broker.log"

    @property
    def _pid_file(self) -> Path:
        return self.path / "broker.json"

    @property
    def _lock_file(self) -> Path:
        return self.path / "broker.lock"

    def recorded(self) -> PidFile | None:
        """What the last start here wrote, whether or not it still runs; None if nothing was started.

        Raises LocalBrokerError for a pid file that cannot be read.
        """
        try:
            return msgspec.json.decode(self._pid_file.read_bytes(), type=PidFile)
        except FileNotFoundError:
            return None
        except UNREADABLE as error:
            raise LocalBrokerError(
                f"{self._pid_file} is not a broker's pid file ({error}): remove it, or give another folder"
            ) from error

    def alive(self) -> bool:
        """Whether a broker's process runs in this folder."""
        try:
            with self._lock_file.open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    @contextmanager
    def claimed(self) -> Iterator[int]:
        """The folder's lock, as a file descriptor, while a broker is being started in it.

        Raises LocalBrokerError when a broker runs or starts there already.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise LocalBrokerError(
                    f"a broker runs in {self.path} already: stop it with `shoal broker stop --folder {self.path}`, "
                    "or give another folder"
                ) from error
            yield descriptor
        finally:
            os.close(descriptor)

    def spawn(self, command: Sequence[str], lock: int, kind: str, port: int, temporary: bool) -> PidFile:
        """Runs `command` in the background, in this folder, holding `lock` as long as it lives."""
        # No pid file rather than the last broker's, until there is this one's.
        self._pid_file.unlink(missing_ok=True)
        self.log.unlink(missing_ok=True)
        shell = subprocess.run(
            ["sh", "-c", _DETACH, str(self.log), *command],
            cwd=self.path,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            pass_fds=[lock],
            start_new_session=True,
        )
        started = PidFile(kind=kind, pid=int(shell.stdout), port=port, temporary=temporary)
        # Renamed into place: a status that reads meanwhile sees the old file or the new one.
        new = self._pid_file.with_suffix(".new")
        new.write_bytes(msgspec.json.encode(started))
        new.replace(self._pid_file)
        return started

    def last_words(self, lines: int = 8) -> str:
        """The end of the log, for an error message."""
        try:
            text = self.log.read_text(errors="replace")
        except FileNotFoundError:
            return "(no log)"
        return "\n".join(text.splitlines()[-lines:]) or "(the log is empty)"
