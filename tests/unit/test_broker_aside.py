"""Calls made aside: their results, their errors, and one that never returns."""

from __future__ import annotations

import threading
import time

import pytest

from streams.broker.confluent_aside import Aside


def test_a_call_is_made_and_its_error_raised() -> None:
    aside, made = Aside("test"), []
    aside(lambda: made.append(threading.current_thread().name), 1.0)
    with pytest.raises(ValueError, match="so it is"):
        aside(lambda: (_ for _ in ()).throw(ValueError("so it is")), 1.0)
    aside(lambda: made.append("again"), 1.0)
    aside.close()
    assert made == ["test", "again"]
    assert not aside.lost


def test_a_call_that_does_not_return_is_left_behind() -> None:
    aside, forever = Aside("test"), threading.Event()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        aside(forever.wait, 0.1)  # type: ignore[arg-type]  # what it would return is of no interest
    assert time.monotonic() - began < 1.0
    assert aside.lost
    forever.set()
    aside.close()
