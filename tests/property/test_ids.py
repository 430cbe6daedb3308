"""Ids behave as a dict of rows would, whatever comes, goes and collides."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.identity import stable_hash
from models.ids import Ids

_KEYS = st.lists(st.binary(max_size=12) | st.sampled_from([b"ada", b"bob", b"a" * 256]), max_size=30)


@settings(max_examples=200)
@given(batches=st.lists(_KEYS, max_size=8), kept=st.lists(st.integers(0, 60), max_size=8))
def test_like_a_dict(batches: list[list[bytes]], kept: list[int]) -> None:
    ids, rows = Ids(), dict[bytes, int]()
    for number, batch in enumerate(batches):
        expected = [rows.setdefault(key, len(rows)) for key in batch]
        assert ids.locate(batch).tolist() == expected
        if number < len(kept):
            ids.truncate(kept[number])
            rows = {key: r for key, r in rows.items() if r < kept[number]}
        assert list(ids) == list(rows)
        assert ids.find(batch).tolist() == [rows.get(key, -1) for key in batch]
    assert ids.of(np.arange(len(ids))) == list(rows) == [ids[r] for r in range(len(ids))]
    assert ids.hashes[: len(ids)].tolist() == [stable_hash(key) for key in rows]


def test_a_hundred_thousand_come_and_half_of_them_go() -> None:
    keys = [b"customer-%d" % n for n in range(100_000)]
    Random(3).shuffle(keys)
    ids = Ids()
    for start in range(0, len(keys), 997):
        ids.locate(keys[start : start + 997])
    assert ids.find(keys).tolist() == list(range(len(keys)))
    ids.truncate(50_000)
    assert ids.find(keys).tolist() == [*range(50_000), *[-1] * 50_000]
    assert ids.locate(keys[::-1]).tolist() == [*range(50_000, 100_000), *range(49_999, -1, -1)]
    assert ids[len(keys) - 1] == keys[50_000]


def test_two_of_one_hash_stay_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.ids.hash_slices", lambda text, ends, out: out.fill(7))
    ids = Ids()
    assert ids.locate([b"ada", b"bob", b"ada", b"ad", b"adam"]).tolist() == [0, 1, 0, 2, 3]
    assert ids.find([b"adam", b"bob", b"eve"]).tolist() == [3, 1, -1]
    ids.truncate(1)
    assert ids.find([b"ada", b"bob"]).tolist() == [0, -1]
    assert ids.locate([b"adam", b"bob"]).tolist() == [1, 2]


def test_who_is_known() -> None:
    ids = Ids()
    ids.locate([b"ada", b"bob"])
    assert (b"ada" in ids, b"eve" in ids, len(ids), ids[0:1]) == (True, False, 2, [b"ada"])
    for row in (-1, 2):
        with pytest.raises(IndexError, match=f"row {row} of 2"):
            ids[row]
