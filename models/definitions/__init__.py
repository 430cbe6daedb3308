"""Definitions: which segments there are and by which rules; from TOML to the arrays that the kernel runs. Pure."""

from models.definitions.program import Program, compile_definitions
from models.definitions.schema import decode_definitions, encode_definitions, parse_definitions
from models.definitions.segments import Definitions

__all__ = [
    "Definitions",
    "Program",
    "compile_definitions",
    "decode_definitions",
    "encode_definitions",
    "parse_definitions",
]
