"""Runs a `shoal` command that ends when whoever started it does: `python -m streams.cli.leash work --slot 0`.

Its standard input is a pipe that the starter holds. The system closes it however the starter ends, also by SIGKILL.
"""

import os
import signal
import sys
from threading import Thread

from streams.cli.main import main


def _watch() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        continue
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    Thread(target=_watch, name="leash", daemon=True).start()
    main()
