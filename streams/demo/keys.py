"""Single keys from the terminal, without Enter, and waiting that a key cuts short."""

import os
import select
import sys
import time
from types import TracebackType


class Keys:
    """A context manager: while open, keys arrive one by one and are not shown. Where stdin is no terminal, none come."""

    def __init__(self) -> None:
        self._terminal = sys.stdin is not None and sys.stdin.isatty()

    def __enter__(self) -> "Keys":
        if self._terminal:
            import termios
            import tty

            self._before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._terminal:
            import termios

            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)

    def wait(self, seconds: float) -> str:
        """The key that was pressed within that time, else the empty string."""
        if not self._terminal:
            time.sleep(seconds)
            return ""
        ready, _, _ = select.select([sys.stdin], [], [], seconds)
        # Not through Python's buffer: what it holds, select does not see.
        return os.read(sys.stdin.fileno(), 1).decode(errors="replace") if ready else ""
