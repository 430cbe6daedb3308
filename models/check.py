"""Read snapshots and manifests from bytes, and refuse with all faults listed what could not be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from models.errors import UNREADABLE, SnapshotError
from models.features import COUNT, HABITS, catalogue_hash
from models.snapshot import Approval, Behaviour, Logistic, Manifest, Snapshot, Usual, Value

_BODIES: dict[str, type] = {
    "behaviour": Behaviour,
    "churn": Logistic,
    "purchase": Logistic,
    "value": Value,
    "usual": Usual,
}
_T = TypeVar("_T")
_HEX = frozenset("0123456789abcdef")
_snapshots = msgspec.json.Decoder(Snapshot)
_manifests = msgspec.json.Decoder(Manifest)
_approvals = msgspec.json.Decoder(Approval)


def decode_snapshot(data: bytes, *, name: str) -> Snapshot:
    """The snapshot in `data`; `name` is how a fault is reported (its hash, a topic and offset). Raises SnapshotError."""
    snapshot = _decode(_snapshots, data, name)
    faults = snapshot_faults(snapshot)
    if faults:
        raise SnapshotError(f"snapshot {name}", faults)
    return snapshot


def decode_manifest(data: bytes, *, name: str) -> Manifest:
    """The manifest in `data`. Raises SnapshotError with every fault."""
    manifest = _decode(_manifests, data, name)
    faults = manifest_faults(manifest)
    if faults:
        raise SnapshotError(f"manifest {name}", faults)
    return manifest


def decode_approval(data: bytes, *, name: str) -> Approval:
    """A person's word on a family. Raises SnapshotError with every fault."""
    approval = _decode(_approvals, data, name)
    faults = [] if _is_hash(approval.hash) else [f"hash: {approval.hash!r} is not 64 hex digits"]
    if not approval.by.strip():
        faults.append("by: say who promotes")
    if faults:
        raise SnapshotError(f"approval {name}", faults)
    return approval


def snapshot_faults(snapshot: Snapshot) -> list[str]:
    """Everything that is wrong with a snapshot's content; empty if nothing is."""
    faults: list[str] = []
    expected = _BODIES[snapshot.family]
    if not isinstance(snapshot.body, expected):
        given = type(snapshot.body).__name__.lower()
        return [f"body: family {snapshot.family} has a {expected.__name__.lower()} body, this is a {given} one"]
    if snapshot.features != catalogue_hash():
        faults.append(
            f"features: made for feature catalogue {snapshot.features}, this Shoal has {catalogue_hash()};"
            " run the learner of this version to get new snapshots"
        )
    if snapshot.version < 1:
        faults.append(f"version: {snapshot.version} is below 1")
    if snapshot.trained_on < 0:
        faults.append(f"trained_on: {snapshot.trained_on} is negative")
    match snapshot.body:
        case Logistic():
            _logistic(snapshot.body, faults)
        case Behaviour():
            _behaviour(snapshot.body, faults)
        case Value():
            _value(snapshot.body, faults)
        case Usual():
            _numbers("median", snapshot.body.median, COUNT, faults)
            _numbers("spread", snapshot.body.spread, COUNT, faults, above=0.0)
    return faults


def manifest_faults(manifest: Manifest) -> list[str]:
    """Everything that is wrong with a manifest's content; empty if nothing is."""
    faults: list[str] = []
    for family, champion in sorted(manifest.champions.items()):
        if not _is_hash(champion.hash):
            faults.append(f"champions.{family}.hash: {champion.hash!r} is not 64 hex digits")
        if champion.version < 1:
            faults.append(f"champions.{family}.version: {champion.version} is below 1")
    if not _is_hash(manifest.learner):
        faults.append(f"learner: {manifest.learner!r} is not 64 hex digits")
    if manifest.one_in < 1:
        faults.append(f"one_in: {manifest.one_in} is below 1")
    if not manifest.offsets:
        faults.append("offsets: there is none; one a partition of samples is needed")
    faults.extend(f"offsets[{p}]: {offset} is negative" for p, offset in enumerate(manifest.offsets) if offset < 0)
    faults.extend(
        f"absent: partition {p} is not one of the {len(manifest.offsets)}"
        for p in manifest.absent
        if not 0 <= p < len(manifest.offsets)
    )
    return faults


def _decode(decoder: msgspec.json.Decoder[_T], data: bytes, name: str) -> _T:
    try:
        return decoder.decode(data)
    except UNREADABLE as error:
        raise SnapshotError(name, [f"not readable: {error}"]) from error


def _is_hash(text: str) -> bool:
    return len(text) == 64 and set(text) <= _HEX


def _number(name: str, value: float, faults: list[str], *, above: float | None = None) -> None:
    if not math.isfinite(value):
        faults.append(f"{name}: {value} is not a finite number")
    elif above is not None and value <= above:
        faults.append(f"{name}: {value} must be above {above:g}")


def _numbers(name: str, values: Sequence[float], length: int, faults: list[str], *, above: float | None = None) -> None:
    if len(values) != length:
        faults.append(f"{name}: {len(values)} numbers where {length} are needed")
    for i, value in enumerate(values):
        _number(f"{name}[{i}]", value, faults, above=above)


def _logistic(body: Logistic, faults: list[str]) -> None:
    _numbers("mean", body.mean, COUNT, faults)
    _numbers("scale", body.scale, COUNT, faults, above=0.0)
    _numbers("weights", body.weights, COUNT, faults)
    _number("bias", body.bias, faults)
    _number("slope", body.slope, faults, above=0.0)
    _number("intercept", body.intercept, faults)
    if not 0.0 < body.threshold < 1.0:
        faults.append(f"threshold: {body.threshold} is no probability between 0 and 1")


def _behaviour(body: Behaviour, faults: list[str]) -> None:
    habits = len(HABITS)
    _numbers("mean", body.mean, habits, faults)
    _numbers("scale", body.scale, habits, faults, above=0.0)
    if not 0.0 < body.margin <= 1.0:
        faults.append(f"margin: {body.margin} must be above 0 and at most 1")
    if not body.clusters:
        faults.append("clusters: there is none")
    ids = [cluster.id for cluster in body.clusters]
    faults.extend(f"clusters: id {i} is outside 1 to 255" for i in ids if not 1 <= i <= 255)
    faults.extend(f"clusters: id {i} occurs {ids.count(i)} times" for i in sorted(set(ids)) if ids.count(i) > 1)
    names = [cluster.name for cluster in body.clusters]
    faults.extend(f"clusters: name {n!r} occurs {names.count(n)} times" for n in sorted(set(names)) if names.count(n) > 1)
    for cluster in body.clusters:
        if not cluster.name.strip():
            faults.append(f"clusters: id {cluster.id} has no name")
        if not 0.0 <= cluster.share <= 1.0:
            faults.append(f"clusters: share {cluster.share} of id {cluster.id} is not between 0 and 1")
        _numbers(f"centre of cluster {cluster.id}", cluster.centre, habits, faults)


def _value(body: Value, faults: list[str]) -> None:
    _number("horizon_days", body.horizon_days, faults, above=0.0)
    _number("factor", body.factor, faults, above=0.0)
    _number("usual_order", body.usual_order, faults)
    _number("strength", body.strength, faults, above=0.0)
    _numbers("quantiles", body.quantiles, 2, faults)
    if len(body.quantiles) == 2 and body.quantiles[0] > body.quantiles[1]:
        faults.append(f"quantiles: {body.quantiles[0]} (mid) is above {body.quantiles[1]} (high)")
