"""The learner's shell on the in-memory twin: epochs in, manifests out, once each, whatever happens in between."""

from collections.abc import Callable

import msgspec
import pytest

from models.check import decode_manifest, decode_snapshot
from models.errors import SequenceError, SnapshotError
from models.snapshot import Approval, content_hash, encode
from streams.broker.memory import MemoryBroker, MemoryCluster, Step
from streams.contracts.keys import LEARNER, manifest_key, snapshot_key
from streams.contracts.samples import MARK_KEY, Mark
from streams.errors import Fenced
from streams.learning.keys import approval_key
from streams.learning.promote import promote
from streams.learning.shell import run_learner
from streams.settings import Settings
from tests.integration.learner_input import manifests, said, sample_bytes, settings_for, write_epoch
from tests.unit.learning_samples import at, records

EPOCHS = 34


class SteppingClock:
    """A clock that moves by `step` seconds each time it is looked at."""

    def __init__(self, step: float = 0.01) -> None:
        self.now, self.step = 1_000.0, step

    def now_ms(self) -> int:
        return int(self.now * 1000)

    def monotonic(self) -> float:
        self.now += self.step
        return self.now


class Killed(Exception):
    """The process is gone."""


def cluster_for(settings: Settings, fault: Callable[[Step], None] | None = None) -> MemoryCluster:
    cluster = MemoryCluster(fault=fault)
    cluster.create_topic(settings.topic("samples"), settings.partitions)
    cluster.create_topic(settings.topic("models"), 1)
    return cluster


def until_manifests(broker: MemoryBroker, settings: Settings, n: int, patience: int = 2_000) -> Callable[[], bool]:
    """Stops when so many manifests are there; fails when they do not come."""
    left = [patience]

    def stop() -> bool:
        left[0] -= 1
        assert left[0] > 0, f"{len(manifests(broker, settings))} manifests instead of {n}"
        return len(manifests(broker, settings)) >= n

    return stop


def undisturbed(epochs: int = EPOCHS) -> list[tuple[bytes, bytes]]:
    settings = settings_for("shoal.")
    broker = MemoryBroker(cluster_for(settings))
    for epoch, day in enumerate(records(epochs)):
        write_epoch(broker, settings, epoch, day)
    run_learner(settings, broker, SteppingClock(), until_manifests(broker, settings, epochs))
    return said(broker, settings)


def test_every_epoch_is_learnt_once_and_all_it_names_is_there() -> None:
    everything = undisturbed()
    epochs = [decode_manifest(value, name="m") for key, value in everything if key.startswith(b"manifest|")]
    assert [m.epoch for m in epochs] == [at(e) for e in range(EPOCHS)]
    held = {key: value for key, value in everything if key.startswith(b"snapshot|")}
    for manifest in epochs:
        for champion in manifest.champions.values():
            snapshot = decode_snapshot(held[b"snapshot|" + champion.hash.encode()], name=champion.hash)
            assert snapshot.version == champion.version
    assert set(epochs[-1].champions) == {"churn", "purchase", "behaviour", "value", "usual"}
    assert content_hash([value for key, value in everything if key == LEARNER][-1]) == epochs[-1].learner
    assert not any(m.rejected or m.absent for m in epochs)


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_anywhere_and_started_again_it_says_the_same(seed: int) -> None:
    settings = settings_for("shoal.")
    steps = [0]
    moments = {40 * seed + 97 * i for i in range(12)}

    def fault(step: Step) -> None:
        if not step.who.startswith("shoal.learner") and step.who != "learner":
            return
        steps[0] += 1
        if steps[0] in moments:
            raise Killed

    cluster = cluster_for(settings, fault)
    broker = MemoryBroker(cluster)
    for epoch, day in enumerate(records(EPOCHS)):
        write_epoch(broker, settings, epoch, day)
    kills = 0
    while len(manifests(broker, settings)) < EPOCHS:
        try:
            run_learner(settings, broker, SteppingClock(), until_manifests(broker, settings, EPOCHS))
        except Killed:
            kills += 1
    assert kills >= 5
    assert said(broker, settings) == undisturbed()


def test_a_second_learner_fences_the_first() -> None:
    settings = settings_for("shoal.")
    broker = MemoryBroker(cluster_for(settings))
    for epoch, day in enumerate(records(2)):
        write_epoch(broker, settings, epoch, day)
    rounds = [0]

    def another_comes() -> bool:
        rounds[0] += 1
        if rounds[0] == 2:
            write_epoch(broker, settings, 2, records(3)[2])
            run_learner(settings, broker, SteppingClock(), until_manifests(broker, settings, 3))
            write_epoch(broker, settings, 3, records(4)[3])
        return rounds[0] > 50

    with pytest.raises(Fenced, match="another learner has taken over"):
        run_learner(settings, broker, SteppingClock(), another_comes)
    assert [decode_manifest(m, name="m").epoch for m in manifests(broker, settings)] == [at(0), at(1), at(2)]


@pytest.mark.parametrize(
    "garbage",
    [
        (manifest_key(at(99)), b'{"epoch":5,"champions":{'),
        (manifest_key(at(99)), b""),
        (b"manifest|soon", b"{}"),
        (snapshot_key("0" * 64), b"{}"),
    ],
)
def test_what_is_no_manifest_is_passed_over(garbage: tuple[bytes, bytes], caplog: pytest.LogCaptureFixture) -> None:
    """Whatever stands last in `models`, the learner goes on from the last manifest that is one."""
    settings = settings_for("shoal.")
    cluster = cluster_for(settings)
    broker = MemoryBroker(cluster)
    for epoch, day in enumerate(records(EPOCHS)):
        write_epoch(broker, settings, epoch, day)
    run_learner(settings, broker, SteppingClock(), until_manifests(broker, settings, 9))
    cluster.append(settings.topic("models"), 0, *garbage)
    before = len(manifests(broker, settings))
    run_learner(settings, broker, SteppingClock(), until_manifests(broker, settings, EPOCHS + before - 9))
    assert [one for one in said(broker, settings) if one != garbage] == undisturbed()
    if garbage[0].startswith(b"manifest|"):
        assert f"refused {settings.topic('models')} offset" in caplog.text


def test_a_manifest_under_another_epochs_key_is_passed_over() -> None:
    settings = settings_for("shoal.")
    cluster = cluster_for(settings)
    broker = MemoryBroker(cluster)
    for epoch, day in enumerate(records(EPOCHS)):
        write_epoch(broker, settings, epoch, day)
    run_learner(settings, broker, SteppingClock(), until_manifests(broker, settings, 9))
    first = next(value for key, value in said(broker, settings) if key == manifest_key(at(0)))
    cluster.append(settings.topic("models"), 0, manifest_key(at(50)), first)
    run_learner(settings, broker, SteppingClock(), until_manifests(broker, settings, EPOCHS + 1))
    assert [one for one in said(broker, settings) if one != (manifest_key(at(50)), first)] == undisturbed()


def test_a_wrong_count_stops_it_with_partition_and_offset() -> None:
    settings = settings_for("shoal.")
    cluster = cluster_for(settings)
    broker = MemoryBroker(cluster)
    day = records(1)[0]
    write_epoch(broker, settings, 0, day, only=[0])
    topic = settings.topic("samples")
    for record in day[:3]:
        cluster.append(topic, 1, record.customer_id.encode(), sample_bytes(record))
    cluster.append(topic, 1, MARK_KEY, msgspec.json.encode(Mark(at(0), 4, 200)))
    with pytest.raises(SequenceError, match=r"partition 1, offset 3: the mark .* counts 4 samples, 3 came"):
        run_learner(settings, broker, SteppingClock(), until_manifests(broker, settings, 1))
    assert manifests(broker, settings) == []


def test_a_second_mark_for_an_epoch_stops_it() -> None:
    settings = settings_for("shoal.")
    cluster = cluster_for(settings)
    broker = MemoryBroker(cluster)
    write_epoch(broker, settings, 0, records(1)[0])
    cluster.append(settings.topic("samples"), 0, MARK_KEY, msgspec.json.encode(Mark(at(0), 0, 200)))
    with pytest.raises(SequenceError, match=r"partition 0, offset \d+: a second mark"):
        run_learner(settings, broker, SteppingClock(), until_manifests(broker, settings, 2))


def test_under_ticks_it_waits_for_every_partition() -> None:
    settings = settings_for("shoal.", learner_deadline_ms=100)
    broker = MemoryBroker(cluster_for(settings))
    write_epoch(broker, settings, 0, records(1)[0], only=[0])
    rounds = iter(range(1_000))
    run_learner(settings, broker, SteppingClock(), lambda: next(rounds) > 500)
    assert manifests(broker, settings) == []


def test_under_wall_it_goes_on_without_a_stuck_partition_and_drops_what_comes_late() -> None:
    settings = settings_for("shoal.", clock="wall", learner_deadline_ms=1_000)
    broker = MemoryBroker(cluster_for(settings))
    days = records(3)
    write_epoch(broker, settings, 0, days[0])
    write_epoch(broker, settings, 1, days[1], only=[0])
    run_learner(settings, broker, SteppingClock(), until_manifests(broker, settings, 2))
    write_epoch(broker, settings, 1, days[1], only=[1])
    write_epoch(broker, settings, 2, days[2])
    # Started anew, it knows from its state that partition 1 came too late.
    run_learner(settings, broker, SteppingClock(), until_manifests(broker, settings, 3))
    first, second, third = (decode_manifest(m, name="m") for m in manifests(broker, settings))
    assert [m.absent for m in (first, second, third)] == [[], [1], []]
    assert second.offsets[1] == first.offsets[1]
    assert second.offsets[0] > first.offsets[0]
    assert third.offsets[1] > second.offsets[1]


def test_a_partition_far_ahead_is_held_back_and_nothing_is_lost() -> None:
    settings = settings_for("shoal.")
    broker = MemoryBroker(cluster_for(settings))
    days = records(12)
    for epoch, day in enumerate(days):
        write_epoch(broker, settings, epoch, day, only=[0])
    written = [False]
    enough = until_manifests(broker, settings, 12)

    def stop() -> bool:
        if not written[0]:
            written[0] = True
            for epoch, day in enumerate(days):
                write_epoch(broker, settings, epoch, day, only=[1])
        return enough()

    run_learner(settings, broker, SteppingClock(), stop)
    assert manifests(broker, settings) == [v for k, v in undisturbed(12) if k.startswith(b"manifest|")]


def test_a_person_s_word_makes_a_candidate_champion_and_an_older_version_again() -> None:
    settings = settings_for("shoal.", promotion="manual")
    broker = MemoryBroker(cluster_for(settings))
    days = records(EPOCHS + 2)
    for epoch, day in enumerate(days[:EPOCHS]):
        write_epoch(broker, settings, epoch, day)
    run_learner(settings, broker, SteppingClock(), until_manifests(broker, settings, EPOCHS))
    last = decode_manifest(manifests(broker, settings)[-1], name="m")
    assert "churn" not in last.champions
    assert last.candidates["churn"].ready
    promote(settings, broker, SteppingClock(), Approval("churn", last.candidates["churn"].hash, "ada", "looks right"))
    with pytest.raises(SnapshotError, match="there is no such snapshot"):
        promote(settings, broker, SteppingClock(), Approval("purchase", "0" * 64, "ada", "nice number"))
    with pytest.raises(SnapshotError, match="one of churn, approved for purchase"):
        promote(settings, broker, SteppingClock(), Approval("purchase", last.candidates["churn"].hash, "ada", "mixed up"))
    say(broker, settings, Approval("purchase", "0" * 64, "ada", "written by hand"))
    write_epoch(broker, settings, EPOCHS, days[EPOCHS])
    run_learner(settings, broker, SteppingClock(), until_manifests(broker, settings, EPOCHS + 1))
    last = decode_manifest(manifests(broker, settings)[-1], name="m")
    assert (last.champions["churn"].promoted_by, last.champions["churn"].reason) == ("ada", "looks right")
    assert last.champions["churn"].promoted == at(EPOCHS)
    assert "purchase" not in last.champions
    write_epoch(broker, settings, EPOCHS + 1, days[EPOCHS + 1])
    run_learner(settings, broker, SteppingClock(), until_manifests(broker, settings, EPOCHS + 2))
    again = decode_manifest(manifests(broker, settings)[-1], name="m")
    assert again.champions["churn"] == last.champions["churn"]


def say(broker: MemoryBroker, settings: Settings, approval: Approval) -> None:
    writer = broker.writer("cli")
    writer.begin()
    writer.produce(settings.topic("models"), 0, approval_key(approval.family), encode(approval))
    writer.commit()
    writer.close()
