"""Work beside the screen: once, or over and over; what goes wrong in it is raised where it is looked at."""

from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """Runs a function in the background; `result` is there as soon as it has one."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._failure: BaseException | None = None
        self.result: T | None = None
        # A daemon: when the demo is told to end, its input need not be complete.
        Thread(target=self._run, name="once", daemon=True).start()

    def check(self) -> None:
        """Raises what ended the work, if something did."""
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            self.result = self._work()
        except BaseException as error:  # noqa: BLE001  # raised again by `check`, in the main thread
            self._failure = error


class Rounds:
    """A context manager: while open, a function runs over and over, `pause` seconds apart."""

    def __init__(self, work: Callable[[], None], pause: float) -> None:
        self._work, self._pause = work, pause
        self._failure: BaseException | None = None
        self._stop = Event()
        self._thread = Thread(target=self._run, name="rounds", daemon=True)

    def check(self) -> None:
        """Raises what ended the rounds, if something did."""
        if self._failure is not None:
            raise self._failure

    def __enter__(self) -> "Rounds":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._work()
                self._stop.wait(self._pause)
        except BaseException as error:  # noqa: BLE001  # raised again by `check`, in the main thread
            self._failure = error
