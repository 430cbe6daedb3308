"""Logs: one line an occurrence, for people or machines, and no floods."""

import json
import logging
import re

from streams.logs import JsonLines, Repeats, TextLines


def record(level: int, message: str, *arguments: object, error: bool = False) -> logging.LogRecord:
    info = None
    if error:
        try:
            raise ValueError("no such thing")
        except ValueError as raised:
            info = (ValueError, raised, raised.__traceback__)
    return logging.LogRecord("shoal.worker", level, __file__, 1, message, arguments, info)


def test_a_line_for_people() -> None:
    line = TextLines("work-0").format(record(logging.INFO, "restored partition %d", 3))
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d\d\d work-0 info: restored partition 3", line)


def test_a_line_for_machines() -> None:
    line = json.loads(JsonLines("work-0").format(record(logging.ERROR, "ended", error=True)))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("at"))
    assert "ValueError: no such thing" in line.pop("error")
    assert line == {"level": "error", "process": "work-0", "logger": "shoal.worker", "message": "ended"}


def test_warnings_that_differ_in_figures_only_come_once_in_ten_seconds() -> None:
    now = 100.0
    repeats = Repeats(lambda: now)

    def passes(message: str, level: int = logging.WARNING) -> bool:
        return repeats.filter(record(level, message))

    assert passes("connect to 127.0.0.1:9092 failed after 3 ms")
    assert not passes("connect to 127.0.0.1:9092 failed after 12 ms")
    assert passes("epoch 7 was aborted")
    now = 109.9
    assert not passes("connect to 127.0.0.1:9092 failed after 1 ms")
    now = 110.0
    assert passes("connect to 127.0.0.1:9092 failed after 1 ms")


def test_what_is_no_warning_always_passes() -> None:
    repeats = Repeats(lambda: 0.0)
    assert all(repeats.filter(record(logging.INFO, f"partition {number} runs")) for number in range(8))
