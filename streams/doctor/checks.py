"""The checks of `shoal doctor`, each of which yields findings; `examine` runs them in the order in which they build up."""

import platform
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version

import confluent_kafka
from confluent_kafka import KafkaException

from models.definitions import compile_definitions
from models.errors import ShoalError, SnapshotError
from streams.admin import ANSWER_WITHIN, admin
from streams.broker.confluent import KafkaBroker
from streams.broker.protocol import TP, Message, Reader
from streams.clock import Clock
from streams.demo.finish import Positions
from streams.doctor.finding import Finding, Findings, Level, fail, ok, warn
from streams.errors import BrokerError
from streams.live.words import moment_words
from streams.presets import load_definitions, load_taxonomy
from streams.scoring.library import Library
from streams.settings import Settings
from streams.topics import TOPICS, check_topics
from streams.views.client import ViewsClient
from streams.views.errors import ViewsError

_MUCH_LAG = 50_000
_LETTERS_READ = 500
_TANSU = "tansu_cluster"

_LETTER_ADVICE = {
    "key": "produce events with the customer's id as record key: userId, else anonymousId",
    "not_json": "send JSON in UTF-8; a schema registry's or Avro's framing is not JSON",
    "no_id": "send userId or anonymousId with each event",
    "too_large": "shorten what the app sends, or raise max_event_bytes",
    "bad_timestamp": "send timestamps in ISO 8601 with a time zone, like 2026-03-01T12:00:00.000Z",
    "amount": "send amounts that are numbers, not negative and not absurd; a refund is an event of its own",
}


def examine(settings: Settings, clock: Clock) -> Findings:
    """All findings, one by one as they come. What stands on a broker is left out when there is none."""
    yield _software()
    yield from _files(settings)
    try:
        yield from _broker(settings)
    except BrokerError as error:
        seen, _, todo = str(error).rpartition(": ")
        yield fail("broker", seen, todo)
        return
    faults = check_topics(settings)
    if faults:
        by_todo: dict[str, list[str]] = {}
        for fault in faults:
            seen, _, todo = fault.partition(": ")
            by_todo.setdefault(todo, []).append(seen)
        for todo, all_seen in by_todo.items():
            yield fail("topics", "; ".join(all_seen), todo)
        return
    yield ok("topics", f"{len(TOPICS)} topics with prefix {settings.prefix!r} are as they must be")
    broker = KafkaBroker(settings)
    reader = broker.reader("doctor")
    try:
        yield from _models(settings, broker)
        yield from _workers(settings, reader)
        yield from _clock(settings, reader, clock)
        yield from _dead_letters(settings, reader)
    finally:
        reader.close()
    yield _views(settings)


def worst(findings: Sequence[Finding]) -> Level:
    """The gravest level among them."""
    levels = [finding.level for finding in findings]
    return next((level for level in (Level.FAIL, Level.WARN) if level in levels), Level.OK)


def _software() -> Finding:
    return ok(
        "software",
        f"shoal {version('shoal')}, Python {platform.python_version()}, confluent-kafka {confluent_kafka.__version__} "
        f"(librdkafka {confluent_kafka.libversion()[0]})",
    )


def _files(settings: Settings) -> Findings:
    try:
        taxonomy = load_taxonomy(settings.taxonomy)
        definitions = load_definitions(settings.definitions)
        compile_definitions(definitions)
    except ShoalError as error:
        yield fail("settings", str(error), "correct the file, then `shoal definitions check FILE`")
    else:
        yield ok("settings", f"taxonomy {taxonomy.name}, definitions {definitions.name} version {definitions.version}")


def _broker(settings: Settings) -> Findings:
    cluster = admin(settings).cluster()
    name = str(cluster.cluster_id)
    seen = f"{len(cluster.brokers)} broker(s) at {settings.bootstrap_servers}, cluster {name}"
    if name == _TANSU:
        yield warn(
            "broker",
            f"{seen}: the embedded one, in memory, which shows records of aborted transactions",
            "take Apache Kafka for anything that counts: shoal broker start --kind kafka",
        )
    else:
        yield ok("broker", seen)
    if len(cluster.brokers) >= 3 and settings.replication < 3:
        copies = f"topics are made with {settings.replication} replica(s) on {len(cluster.brokers)} brokers"
        yield warn("broker", copies, "set replication = 3")


def _models(settings: Settings, broker: KafkaBroker) -> Findings:
    reader = broker.reader("doctor-models")
    library = Library(reader, settings.topic("models"))
    try:
        library.open()
    finally:
        reader.close()
    if library.refused:
        yield fail(
            "models",
            f"{library.refused} record(s) of {settings.topic('models')} cannot be used",
            "see the messages above; the champions before them stay in force",
        )
    newest = library.newest()
    if newest is None:
        todo = f"run `shoal learn`; the first labels mature after {settings.horizon_days:g} days"
        yield warn("models", "no manifest yet: rules decide alone", todo)
        return
    try:
        library.champions(newest.manifest)
    except SnapshotError as error:
        yield fail("models", str(error), "restart the learner with the version of Shoal that the workers have")
        return
    champions = ", ".join(f"{family} v{champion.version}" for family, champion in sorted(newest.manifest.champions.items()))
    yield ok("models", f"trained through {moment_words(newest.manifest.epoch)}: {champions or 'no champion yet'}")
    if newest.manifest.absent:
        absent = ", ".join(map(str, newest.manifest.absent))
        yield warn("models", f"the learner went on without partition(s) {absent}", "look for a worker that is stuck on them")


def _workers(settings: Settings, reader: Reader) -> Findings:
    group = settings.group_name()
    # Held until the answer is there: a client that is collected takes its questions with it.
    client = admin(settings)
    try:
        asked = client.describe_consumer_groups([group], request_timeout=ANSWER_WITHIN)
        members = len(asked[group].result(timeout=ANSWER_WITHIN + 2).members)
    except (KafkaException, TimeoutError) as error:
        yield warn("workers", f"group {group} cannot be described: {error}", "grant Describe on the group")
        return
    positions = Positions(settings, reader)
    try:
        lag = positions.lag()
    finally:
        positions.close()
    seen = f"{members} worker(s) in group {group}, {lag:,} records behind"
    if not members:
        yield warn("workers", seen, "start `shoal work`")
    elif lag > _MUCH_LAG:
        yield warn("workers", seen, f"start more workers, up to one for each of the {settings.partitions} partitions")
    else:
        yield ok("workers", seen)


def _clock(settings: Settings, reader: Reader, clock: Clock) -> Findings:
    now = clock.now_ms()
    newest = max((message.timestamp()[1] for message in _last(reader, settings.topic("events"), 1)), default=None)
    seen = f"here it is {moment_words(now)} UTC"
    if newest is not None and newest > now + settings.future_tolerance_ms:
        yield warn(
            "clock",
            f"{seen}, but an event was appended at {moment_words(newest)}",
            "set the clocks of this machine and of the producers by NTP: events dated ahead are clamped",
        )
    else:
        yield ok("clock", seen)


def _dead_letters(settings: Settings, reader: Reader) -> Findings:
    topic = settings.topic("events.dlq")
    letters = _last(reader, topic, _LETTERS_READ)
    if not letters:
        yield ok("dead letters", "none")
        return
    kinds: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for letter in letters:
        headers = {name: value.decode("utf-8", "replace") for name, value in letter.headers() or ()}
        kind = headers.get("kind", "?")
        kinds[kind] += 1
        examples[kind] = headers.get("reason", "?")
    for kind, count in kinds.most_common():
        advice = _LETTER_ADVICE.get(kind, "correct what sends them")
        yield warn("dead letters", f"{count} of the last {len(letters)}: {examples[kind]}", advice)


def _views(settings: Settings) -> Finding:
    url = f"http://{settings.http_host}:{settings.http_port}"
    try:
        with ViewsClient(url, timeout=3.0) as views:
            status = views.status()
    except ViewsError as error:
        return warn("views", str(error), "")
    if status.prefix != settings.prefix:
        return warn("views", f"those at {url} are of prefix {status.prefix!r}", "set http_port of the ones that are meant")
    if not status.ready:
        return warn("views", f"{url} is not ready: {status.reason}", "wait, or see its log")
    return ok("views", f"{url} knows {status.customers:,} customers, {status.lag:,} records behind")


def _last(reader: Reader, topic: str, count: int) -> list[Message]:
    """The last records of a topic, at most `count` of each partition."""
    ends = {TP(topic, number): reader.watermarks(TP(topic, number)) for number in range(reader.partitions(topic))}
    reader.assign({tp: max(low, high - count) for tp, (low, high) in ends.items()})
    found: list[Message] = []
    while any(reader.position(tp) < high for tp, (_, high) in ends.items()):
        found.extend(reader.poll(1_000, 0.3))
    return found
