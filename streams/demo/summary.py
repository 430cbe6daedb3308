"""What came out of a headless demo, counted in the topics, where a killed worker cannot falsify it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

import msgspec

from models.evaluation import pool
from models.row import ROW
from models.snapshot import Family, Manifest
from streams.broker.confluent import KafkaBroker
from streams.broker.protocol import TP, Message
from streams.contracts.changes import CustomerSegments
from streams.live.feeds import BEGINNING
from streams.live.scrape import Scrape, add_buckets, quantile
from streams.scoring.changelog import ROW_PREFIX, unpack_rows
from streams.scoring.digest import digest, live_entries
from streams.settings import Settings

_AT_A_TIME = 5_000


class Latency(msgspec.Struct, frozen=True):
    """From an event's arrival in its topic to the commit that shows its effects, ms; null before the first event."""

    p50: float | None
    p99: float | None


class Scored(msgspec.Struct, frozen=True):
    """A champion's tests, each on a sample before it was learnt, over the second half of the epochs."""

    auc: float | None
    log_loss: float | None
    n: int


class Scores(msgspec.Struct, frozen=True):
    """The two classifiers."""

    churn: Scored
    purchase: Scored


class Summary(msgspec.Struct, frozen=True):
    """`shoal demo --headless --summary FILE`. `segments`: customers by segment name, by segmentation."""

    events: int
    customers: int
    changes: int
    changes_by_segmentation: dict[str, int]
    dead_letters: int
    duplicates: int
    wall_seconds: float
    cpu_us_per_event: float | None
    latency_ms: Latency
    champion: dict[Family, int]
    scores: Scores
    segments: dict[str, dict[str, int]]
    state_digest: str


class _Moved(msgspec.Struct, frozen=True):
    segmentation: str


def summarise(settings: Settings, wall_seconds: float, workers: Sequence[Scrape], manifests: Sequence[Manifest]) -> Summary:
    """Reads the topics through. `workers`: the last scrape of each; `manifests` in the order of their epochs."""
    events = sum(1 for message in _records(settings, "events") if message.key() is not None)
    dead_letters = sum(1 for _ in _records(settings, "events.dlq"))
    live = _live(settings)
    applied = _applied(live)
    moved = msgspec.json.Decoder(_Moved).decode
    changes = Counter(moved(message.value() or b"").segmentation for message in _records(settings, "segment-changes"))
    latency = add_buckets(worker.buckets("shoal_end_to_end_seconds") for worker in workers)
    return Summary(
        events=events,
        customers=len(applied),
        changes=changes.total(),
        changes_by_segmentation=dict(sorted(changes.items())),
        dead_letters=dead_letters,
        duplicates=events - dead_letters - sum(applied),
        wall_seconds=round(wall_seconds, 3),
        cpu_us_per_event=_cpu_us_per_event(workers),
        latency_ms=Latency(_milliseconds(quantile(latency, 0.5)), _milliseconds(quantile(latency, 0.99))),
        champion=_champions(manifests),
        scores=Scores(_scored(manifests, "churn"), _scored(manifests, "purchase")),
        segments=_segments(settings),
        state_digest=digest(live),
    )


def _applied(live: dict[bytes, bytes]) -> list[int]:
    """How many events were applied to each customer: its row says so."""
    rows = unpack_rows([value for key, value in live.items() if key.startswith(ROW_PREFIX)], "state")
    found: list[int] = rows.view(ROW)["events"][:, 0].tolist()
    return found


def _segments(settings: Settings) -> dict[str, dict[str, int]]:
    """Customers by segment, from what `segments` says last of each."""
    decode = msgspec.json.Decoder(CustomerSegments).decode
    newest: dict[bytes, bytes] = {}
    for message in _records(settings, "segments"):
        key, value = message.key() or b"", message.value()
        if value is None:
            newest.pop(key, None)
        else:
            newest[key] = value
    counts: dict[str, Counter[str]] = {}
    for value in newest.values():
        customer = decode(value)
        for segmentation, membership in customer.memberships.items():
            counts.setdefault(segmentation, Counter())[membership.name] += 1
        for membership in customer.micro:
            counts.setdefault("micro", Counter())[membership.name] += 1
    return {segmentation: dict(sorted(names.items())) for segmentation, names in sorted(counts.items())}


def _live(settings: Settings) -> dict[bytes, bytes]:
    reader = KafkaBroker(settings).reader("summary-state")
    try:
        return live_entries(reader, settings.topic("state"))
    finally:
        reader.close()


def _records(settings: Settings, topic: str) -> Iterator[Message]:
    """All committed records of a topic, up to its present end."""
    reader = KafkaBroker(settings).reader(f"summary-{topic}")
    try:
        partitions = list(map(partial(TP, settings.topic(topic)), range(reader.partitions(settings.topic(topic)))))
        ends = {tp: reader.watermarks(tp)[1] for tp in partitions}
        reader.assign(dict.fromkeys(partitions, BEGINNING))
        # The embedded broker tells the start of a partition's last batch as its end: until nothing more comes.
        while (messages := reader.poll(_AT_A_TIME, 0.3)) or any(reader.position(tp) < end for tp, end in ends.items()):
            yield from messages
    finally:
        reader.close()


def _cpu_us_per_event(workers: Sequence[Scrape]) -> float | None:
    """What the workers spent after their start, for each event that they applied."""
    spent = sum(worker.value("process_cpu_seconds_total") or 0.0 for worker in workers)
    spent -= sum(worker.value("shoal_startup_cpu_seconds") or 0.0 for worker in workers)
    applied = sum(worker.value("shoal_events_total") or 0.0 for worker in workers)
    return round(1e6 * spent / applied, 2) if applied else None


def _champions(manifests: Sequence[Manifest]) -> dict[Family, int]:
    if not manifests:
        return {}
    return {family: champion.version for family, champion in sorted(manifests[-1].champions.items())}


def _scored(manifests: Sequence[Manifest], family: str) -> Scored:
    second_half = manifests[len(manifests) // 2 :]
    score = pool(manifest.tallies[family] for manifest in second_half if family in manifest.tallies)
    return Scored(score.auc, score.log_loss, score.n)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 1)
