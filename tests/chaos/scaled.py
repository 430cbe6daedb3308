"""`shoal` as a process whose worker is handed a fast clock: python -m tests.chaos.scaled START SPEED ANCHOR COMMAND ..."""

from __future__ import annotations

import sys

from streams.clock import ScaledClock


def main() -> None:
    """A worker with the clock; any other command as it is."""
    start, speed, anchor = sys.argv[1:4]
    sys.argv[1:] = sys.argv[4:]
    if sys.argv[1] != "work":
        from streams.cli.main import main as shoal

        shoal()
        return
    from streams.logs import start_logging
    from streams.scoring.main import main as work
    from streams.settings import load_settings

    slot = int(sys.argv[sys.argv.index("--slot") + 1])
    start_logging(f"work-{slot}", "json", "info")
    sys.exit(work(load_settings(), slot=slot, clock=ScaledClock(int(start), float(speed), int(anchor))))


if __name__ == "__main__":
    main()
