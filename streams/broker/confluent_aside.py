"""Calls into librdkafka that may never return: made in a thread of their own, which can be left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue


class Aside:
    """One call at a time, in another thread. After a TimeoutError that thread is lost with its call: make no more."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._ends: SimpleQueue[BaseException | None] = SimpleQueue()
        self.lost = False
        # A daemon: the process can end while it waits.
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def __call__(self, call: Callable[[], None], within_s: float) -> None:
        """Returns when the call has, or raises what it raises; TimeoutError when it takes longer."""
        self._calls.put(call)
        try:
            raised = self._ends.get(timeout=within_s)
        except Empty:
            self.lost = True
            raise TimeoutError from None
        if raised is not None:
            raise raised

    def close(self) -> None:
        """Ends the thread, if it is not lost."""
        self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            except BaseException as raised:  # noqa: BLE001 it is raised where the call was made
                self._ends.put(raised)
            else:
                self._ends.put(None)
