"""Rows packed for the changelog are the same rows when unpacked, and nothing else can be unpacked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ShoalError
from models.kernel.packing import WORDS
from streams.scoring.changelog import pack_rows, unpack_rows

_words = st.one_of(st.just(0), st.just(0), st.integers(0, 2**64 - 1))
_rows = st.lists(st.lists(_words, min_size=WORDS, max_size=WORDS), min_size=0, max_size=4)


@given(rows=_rows, seed=st.integers(0, 99))
def test_rows_come_back_in_the_order_asked_for(rows: list[list[int]], seed: int) -> None:
    table = np.array(rows, np.uint64).reshape(-1, WORDS)
    which = np.random.default_rng(seed).permutation(len(rows))
    values = pack_rows(table, which)
    assert [len(value) for value in values] == [8 * (2 + int(np.count_nonzero(table[r]))) for r in which]
    assert unpack_rows(values, "here").tobytes() == table[which].tobytes()


@given(row=_rows.filter(bool), at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_mark_and_no_length_can_be_altered_unseen(row: list[list[int]], at: float, bit: int) -> None:
    (value,) = pack_rows(np.array(row[:1], np.uint64), np.zeros(1, np.int64))
    marks = bytearray(value)
    marks[int(at * 16)] ^= 1 << bit
    for altered in (bytes(marks), value[:-1], value[:-8], value + bytes(8), b"\0" * len(value)):
        with pytest.raises(ShoalError, match="here"):
            unpack_rows([value, altered, value], "here")
