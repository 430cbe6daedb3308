"""Replays recorded events into the input topics, with the ticks of their time.

May import contracts, errors, settings and topics.
"""

from streams.replay.errors import BadRows, ReplayError, RowError
from streams.replay.event import ReplayEvent
from streams.replay.files import online_retail, replay_file, replay_online_retail
from streams.replay.mapping import Mapping, load_mapping
from streams.replay.pace import Pace
from streams.replay.produce import Progress, ReplayReport, run

__all__ = [
    "BadRows",
    "Mapping",
    "Pace",
    "Progress",
    "ReplayError",
    "ReplayEvent",
    "ReplayReport",
    "RowError",
    "load_mapping",
    "online_retail",
    "replay_file",
    "replay_online_retail",
    "run",
]
