"""Simulates a shop whose customers' kinds and ends are known. May import contracts, settings and `streams.replay`."""

from streams.simulator.generate import SimEvent, Truth, generate_events, truth, write_truth
from streams.simulator.malformed import Bad, malformed
from streams.simulator.personas import PERSONAS, Persona
from streams.simulator.population import Config
from streams.simulator.simulate import simulate

__all__ = [
    "PERSONAS",
    "Bad",
    "Config",
    "Persona",
    "SimEvent",
    "Truth",
    "generate_events",
    "malformed",
    "simulate",
    "truth",
    "write_truth",
]
