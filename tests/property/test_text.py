"""Numbers as compiled code writes them: JSON of any size, six digits of it, and always an end."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.scoring.text import put_number

ROOM = 64


def written(value: float) -> bytes:
    out = np.zeros(ROOM, np.uint8)
    return out[: put_number(out, 0, value)].tobytes()


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(1e22)
@example(9.9999999e25)
@example(1e41)
@example(-1.79e308)
def test_a_number_is_written_with_six_digits(value: float) -> None:
    read = msgspec.json.decode(written(value), type=float)
    expected = float(f"{value:.6g}") if abs(value) >= 1e-15 else 0.0
    assert math.isclose(read, expected, rel_tol=1.1e-5 if abs(value) < 1e15 else 2e-6)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_null(value: float) -> None:
    assert written(value) == b"null"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, b"0"), (12.5, b"12.5"), (1e21, b"1000000000000000000000"), (1e22, b"1e22"), (1.25e40, b"1.25e40"), (0.001, b"0.001")],
)
def test_it_reads_like_a_number(value: float, text: bytes) -> None:
    assert written(value) == text
