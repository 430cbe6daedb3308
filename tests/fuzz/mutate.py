"""Breaks bytes a little, as a seed says."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

_TOKENS = (
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\n", b"\0", b"\x7f", b"\xc3", b"\xff", b"\xed\xa0\x80",
    b"0", b"-", b".", b"e9", b"null", b"true", b"NaN", b"1e999", b"-0", b"9" * 25, b"\\u0000", b"\\ud800", b"|", b"=",
    b"'", b"#", b"and", b"not", b"(" * 9, b"[" * 70, b"churn", b">=",
)  # fmt: skip


def mutate(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """One to four small changes: a bit, a token, a stretch gone, doubled, moved or taken from another input."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = _once(rng, data, others)
    return data


def _once(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    if not data:
        return rng.choice(_TOKENS)
    at = rng.randrange(len(data))
    end = min(len(data), at + rng.choice((1, 1, 2, 4, 8, 40)))
    match rng.randrange(7):
        case 0:
            return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
        case 1:
            return data[:at] + rng.choice(_TOKENS) + data[at:]
        case 2:
            return data[:at] + rng.choice(_TOKENS) + data[end:]
        case 3:
            return data[:at] + data[end:]
        case 4:
            return data[:end] + data[at:]
        case 5:
            other = rng.choice(others)
            start = rng.randrange(len(other) + 1)
            return data[:at] + other[start : start + end - at] + data[end:]
        case _:
            return data[:at]
