"""The published contracts: current, self-contained, and true of what is written and read."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from typer.testing import CliRunner

from models.features import CATALOGUE
from models.row import ROW, ROW_BYTES
from streams.cli.main import app
from streams.contracts import schema
from streams.contracts.changes import Change, Membership, Reason, Recommend, Scores, Source
from streams.contracts.samples import Label, Mark, Sample
from streams.topics import TOPICS

ROOT = Path(__file__).parents[2]

CHANGE = Change(
    id="e-3-1041-0",
    customer_id="13047",
    segmentation="lifecycle",
    previous=Membership("active", "Active", "2011-06-02T09:30:00Z"),
    current=Membership("at_risk", "At risk", "2011-09-01T00:00:00Z"),
    at="2011-09-01T00:00:00Z",
    cause="sweep",
    confidence=0.81,
    scores=Scores(churn=0.74, purchase=None, value_365d=312.5),
    thresholds=Scores(churn=0.6),
    reasons=[Reason("overdue", "how overdue the next order is", 3.1, 0.8, 1.4)],
    hysteresis="confirmed",
    model={"churn": 12},
    definitions="5d41402abc4b2a76",
    source=Source("shoal.events", 3, 1041),
    recommend=Recommend(channel="email", hour=18, categories=["kitchen"]),
    holdout=False,
    consent=True,
)


def valid(record: type[msgspec.Struct], document: bytes) -> bool:
    validator = jsonschema.Draft202012Validator(schema.json_schema(record))
    return validator.is_valid(json.loads(document))


def references(part: Any) -> list[str]:
    if isinstance(part, dict):
        found = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return found + [name for inner in part.values() for name in references(inner)]
    return [name for inner in part for name in references(inner)] if isinstance(part, list) else []


def resolve(document: dict[str, Any], reference: str) -> Any:
    part: Any = document
    for step in reference.removeprefix("#/").split("/"):
        part = part[step]
    return part


def test_the_committed_documents_are_current() -> None:
    assert schema.stale(ROOT / "docs", schema.documents()) == [], "run `shoal contracts` and commit what it writes"


def test_documents_come_out_the_same_each_time() -> None:
    assert schema.documents() == schema.documents()


@pytest.mark.parametrize("record", schema.RECORDS, ids=lambda record: record.__name__)
def test_a_schema_is_valid_and_whole(record: type[msgspec.Struct]) -> None:
    made = schema.json_schema(record)
    jsonschema.Draft202012Validator.check_schema(made)
    for reference in references(made):
        assert resolve(made, reference)
    assert made["description"]


def test_a_change_as_written_fits_its_schema() -> None:
    body = msgspec.json.encode(CHANGE)
    assert valid(Change, body)
    assert not valid(Change, body.replace(b'"sweep"', b'"whim"'))
    assert not valid(Change, body.replace(b'"customer_id"', b'"customer"'))


def test_samples_and_marks_as_written_fit_their_schemas() -> None:
    sample = msgspec.json.encode(Sample("13047", 1_314_835_200_000, [0.0] * len(CATALOGUE), Label(3, 1, 20.5)))
    assert valid(Sample, sample)
    assert not valid(Mark, sample)
    assert valid(Mark, msgspec.json.encode(Mark(1_314_835_200_000, 12, 400)))


@pytest.mark.parametrize(
    ("event", "fits"),
    [
        ({"type": "track", "event": "Order Completed", "userId": "7", "timestamp": "2026-03-01T10:00:00Z"}, True),
        ({"type": "page", "anonymousId": "a-1", "timestamp": "2026-03-01T10:00:00Z", "sentAt": "later"}, True),
        ({"type": "page", "anonymousId": "a-1", "userId": None, "timestamp": "2026-03-01T10:00:00Z"}, True),
        ({"type": "track", "event": "Order Completed", "timestamp": "2026-03-01T10:00:00Z"}, False),
        ({"type": "bark", "userId": "7", "timestamp": "2026-03-01T10:00:00Z"}, False),
        ({"type": "page", "userId": 7, "timestamp": "2026-03-01T10:00:00Z"}, False),
        ({"type": "page", "userId": "7"}, False),
    ],
)
def test_an_event_has_a_type_a_time_and_an_id(event: dict[str, Any], fits: bool) -> None:
    (event_schema,) = (record for record in schema.RECORDS if record.__name__ == "Event")
    assert valid(event_schema, json.dumps(event).encode()) == fits


def test_asyncapi_has_a_channel_for_each_topic_and_every_reference_resolves() -> None:
    document = json.loads(schema.documents()["contracts/asyncapi.json"])
    assert document["asyncapi"] == "3.0.0"
    assert set(document["channels"]) == {topic.name for topic in TOPICS}
    found = references(document)
    assert len(found) > 50
    for reference in found:
        assert resolve(document, reference)
    for topic in TOPICS:
        kafka = document["channels"][topic.name]["bindings"]["kafka"]
        assert kafka["topicConfiguration"]["cleanup.policy"] == [topic.cleanup]


def test_every_schema_travels_in_a_channel() -> None:
    document = json.loads(schema.documents()["contracts/asyncapi.json"])
    travelling = {
        resolve(document, message["$ref"])["payload"].get("$ref", "").rsplit("/", 1)[-1]
        for channel in document["channels"].values()
        for message in channel["messages"].values()
    }
    assert {record.__name__ for record in schema.RECORDS} <= travelling


def test_the_pages_name_every_feature_and_every_byte() -> None:
    documents = schema.documents()
    features = documents["features.md"]
    assert [feature.name for feature in CATALOGUE if f"| `{feature.name}` |" not in features] == []
    rows = [line.split(" | ") for line in documents["row-layout.md"].splitlines() if line.startswith("| ")][2:]
    end = 0
    for row in rows:
        assert int(row[0].removeprefix("| ")) == end
        end += int(row[1])
    assert end == ROW_BYTES == ROW.itemsize


def test_what_is_stale_is_named_and_mended(tmp_path: Path) -> None:
    check = ["contracts", "--check", "--docs", str(tmp_path)]
    runner = CliRunner()
    missing = runner.invoke(app, check)
    assert missing.exit_code == 1
    assert "features.md" in missing.stderr
    assert runner.invoke(app, ["contracts", "--docs", str(tmp_path)]).exit_code == 0
    assert runner.invoke(app, check).exit_code == 0
    (tmp_path / "features.md").write_text("nothing")
    again = runner.invoke(app, check)
    assert again.exit_code == 1
    assert "features.md" in again.stderr
    assert "row-layout.md" not in again.stderr
