"""What the live view shows at one moment. Plain values: no broker, no clock, no terminal."""

from dataclasses import dataclass
from enum import StrEnum

from streams.contracts.changes import Change


class Phase(StrEnum):
    """Where a run is."""

    STARTING = "starting"
    RUNNING = "running"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Traffic:
    """How much came in and how far it is. `rate` events a second; `event_time` ms since 1970; `lag` records."""

    events: int = 0
    rate: float = 0.0
    lag: int | None = None
    event_time: int | None = None
    customers: int = 0
    changes: int = 0
    dead_letters: int = 0
    duplicates: int = 0
    expected: int | None = None
    """How many events the input has, where that is known."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment's size, and how many entered and left it over the time that `Segmentation.flow_over` names."""

    key: str
    name: str
    customers: int
    entered: int = 0
    left: int = 0


@dataclass(frozen=True, slots=True)
class Segmentation:
    """The segments of one segmentation, in the order of their definition."""

    name: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """The champion of a family: version (None: no champion yet), when promoted (event time, ms), running scores."""

    family: str
    version: int | None = None
    promoted: int | None = None
    tested: int = 0
    auc: float | None = None
    log_loss: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Screen:
    """Everything on the screen."""

    phase: Phase
    elapsed: float
    traffic: Traffic
    segmentations: tuple[Segmentation, ...]
    flow_over: str
    changes: tuple[Change, ...]
    """The newest, newest first."""
    models: tuple[Model, ...]
    input: str
    """What is being read, for people."""
    broker: str
    advice: tuple[str, ...]
    """What to do next, a sentence each."""
    warning: str = ""
