"""Snapshots and manifests that cannot be trusted are refused, with every fault listed at once."""

import msgspec
import pytest

from models.check import decode_approval, decode_manifest, decode_snapshot, snapshot_faults
from models.errors import SnapshotError
from models.features import COUNT, HABITS, catalogue_hash
from models.snapshot import (
    Approval,
    Behaviour,
    Body,
    Champion,
    Cluster,
    Family,
    Logistic,
    Manifest,
    Score,
    Snapshot,
    Usual,
    Value,
    content_hash,
    encode,
)  # fmt: skip

ZEROS, ONES = [0.0] * COUNT, [1.0] * COUNT
LOGISTIC = Logistic(ZEROS, ONES, ZEROS, 0.1, 1.0, 0.0, 0.5)
VALUE = Value(30.0, 1.2, 50.0, 1.5, [100.0, 400.0])
USUAL = Usual(ZEROS, ONES)
H0, H1 = [0.0] * len(HABITS), [1.0] * len(HABITS)


def cluster(i: int, name: str, **given: object) -> Cluster:
    whole: dict[str, object] = {"share": 0.5, "centre": H0, **given}
    return Cluster(i, name, "", [], **whole)  # type: ignore[arg-type]


BEHAVIOUR = Behaviour(H0, H1, [cluster(1, "Ones"), cluster(7, "Sevens")], 0.8)


def snapshot(family: Family, body: Body, **given: object) -> Snapshot:
    fields: dict[str, object] = {"version": 3, "created": 5, "trained_on": 10, "features": catalogue_hash(), **given}
    return Snapshot(family, body=body, metrics=Score(), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("family", "body"),
    [("churn", LOGISTIC), ("purchase", LOGISTIC), ("behaviour", BEHAVIOUR), ("value", VALUE), ("usual", USUAL)],
)
def test_a_good_snapshot_comes_back_as_it_was(family: Family, body: Body) -> None:
    good = snapshot(family, body)
    data = encode(good)
    assert decode_snapshot(data, name=content_hash(data)) == good
    assert encode(decode_snapshot(data, name="x")) == data


def test_all_faults_are_listed_at_once() -> None:
    nan = float("nan")
    bad = Logistic([nan, *ZEROS[1:]], [0.0, *ONES[1:]], ZEROS[1:], float("inf"), 0.0, 0.0, 1.0)
    faults = "\n".join(snapshot_faults(snapshot("churn", bad, version=0, trained_on=-1, features="older")))
    for fault in (
        "mean[0]: nan is not a finite number",
        "scale[0]: 0.0 must be above 0",
        f"weights: {COUNT - 1} numbers where {COUNT} are needed",
        "bias: inf",
        "slope: 0.0",
        "threshold: 1.0",
        "version: 0",
        "trained_on: -1",
        "features: made for feature catalogue older",
    ):
        assert fault in faults


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (Behaviour(H0, H1, [], 0.8), "there is none"),
        (Behaviour(H0, H1, [cluster(0, "a"), cluster(256, "b")], 0.8), "id 0 is outside 1 to 255.*id 256"),
        (Behaviour(H0, H1, [cluster(2, "a"), cluster(2, "b")], 0.8), "id 2 occurs 2 times"),
        (Behaviour(H0, H1, [cluster(1, "a"), cluster(2, "a")], 0.8), "name 'a' occurs 2 times"),
        (Behaviour(H0, H1, [cluster(1, " ")], 0.8), "id 1 has no name"),
        (Behaviour(H0, H1, [cluster(1, "a", share=1.5)], 0.8), "share 1.5 of id 1"),
        (Behaviour(H0, H1, [cluster(1, "a", centre=H0[1:])], 0.8), "centre of cluster 1: .* numbers where"),
        (Behaviour(H0, H1, [cluster(1, "a")], 1.5), "margin: 1.5"),
        (Behaviour(H0, H0, [cluster(1, "a")], 0.8), r"scale\[0\]: 0.0 must be above 0"),
    ],
)
def test_kinds_that_cannot_be_told_apart_are_refused(body: Behaviour, fault: str) -> None:
    with pytest.raises(SnapshotError, match=fault):
        decode_snapshot(encode(snapshot("behaviour", body)), name="n")


@pytest.mark.parametrize(
    ("family", "body", "fault"),
    [
        ("churn", VALUE, "family churn has a logistic body, this is a value one"),
        ("usual", LOGISTIC, "family usual has a usual body"),
        ("value", Value(0.0, -1.0, 50.0, 0.0, [5.0, 4.0]), "horizon_days.*factor.*strength.*quantiles: 5.0 .mid. is above 4.0"),
        ("value", Value(30.0, 1.0, 50.0, 1.0, [5.0]), "quantiles: 1 numbers where 2"),
        ("usual", Usual(ZEROS, [-1.0, *ONES[1:]]), r"spread\[0\]: -1.0"),
    ],
)
def test_other_families_are_checked_too(family: Family, body: Body, fault: str) -> None:
    with pytest.raises(SnapshotError, match=fault):
        decode_snapshot(encode(snapshot(family, body)), name="n")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b'{"family":"oracle"}', b'{"family":"churn","version":"1"}'])
def test_what_is_no_snapshot_is_refused_in_a_sentence(data: bytes) -> None:
    with pytest.raises(SnapshotError, match=r"^models offset 7: not readable"):
        decode_snapshot(data, name="models offset 7")


def manifest(**given: object) -> Manifest:
    fields: dict[str, object] = {
        "epoch": 5, "champions": {"churn": Champion("a" * 64, 1, 5, "learner", "the first")}, "one_in": 1,
        "offsets": [3, 4], "absent": [1], "learner": "b" * 64, "tests": {}, **given,
    }  # fmt: skip
    return Manifest(**fields)  # type: ignore[arg-type]


def test_a_manifest_comes_back_as_it_was() -> None:
    assert decode_manifest(encode(manifest()), name="m") == manifest()


def test_a_manifest_s_faults_are_listed_at_once() -> None:
    champion = Champion("xyz", 0, 5, "learner", "")
    bad = manifest(champions={"churn": champion}, one_in=0, offsets=[-1, 2], absent=[2], learner="")
    with pytest.raises(SnapshotError) as caught:
        decode_manifest(encode(bad), name="m")
    faults = "\n".join(caught.value.faults)
    for fault in (
        "champions.churn.hash",
        "champions.churn.version",
        "one_in: 0",
        "offsets[0]: -1",
        "absent: partition 2",
        "learner",
    ):
        assert fault in faults


def test_the_hash_names_the_bytes_and_keys_are_in_one_order() -> None:
    one = manifest(tests={"churn": Score(n=1), "behaviour": Score(n=2)})
    other = manifest(tests={"behaviour": Score(n=2), "churn": Score(n=1)})
    assert encode(one) == encode(other)
    assert content_hash(encode(one)) != content_hash(encode(manifest()))


def test_an_approval_says_who_and_what() -> None:
    good = Approval("churn", "c" * 64, "ada", "looks right")
    assert decode_approval(encode(good), name="a") == good
    with pytest.raises(SnapshotError, match=r"hash.*64 hex.*by: say who"):
        decode_approval(encode(Approval("churn", "c", " ", "")), name="a")
    with pytest.raises(SnapshotError, match="not readable"):
        decode_approval(msgspec.json.encode({"family": "oracle"}), name="a")
