"""The AsyncAPI 3 document: a channel for each topic, with the messages that travel in it."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from streams.contracts.changes import CE_TYPE
from streams.settings import Settings
from streams.topics import TOPICS, Topic

_BYTES = {"type": "string", "format": "binary"}
# Of the messages without a schema of their own; the learner's state is its own affair.
_PAYLOADS: dict[str, dict[str, str]] = {"DeadLetter": _BYTES, "StateRow": _BYTES, "LearnerState": {"type": "object"}}

# Message by name: what it says, and the payload. A JSON payload is the schema of that name.
_MESSAGES: dict[str, str] = {
    "Event": "Something that a customer did.",
    "Tick": "Time has come: a sweep is due (record key null; under the clock `ticks`).",
    "Command": "What changes a customer from outside the stream.",
    "DeadLetter": "The event's bytes as they came; headers say why it could not be used, and where it stood.",
    "StateRow": "A layout version and a customer's row (see row-layout.md); or a pending sample; or a sweep's cursor.",
    "CustomerSegments": "All memberships of a customer.",
    "Change": "One membership moved; CloudEvents 1.0 in binary mode.",
    "Sample": "A customer as of a time, with what came of it.",
    "Mark": "An epoch of this partition is complete (record key `mark`).",
    "Snapshot": "A model; record key = `snapshot|` and its content hash.",
    "Manifest": "Which models decide; record key = `manifest|` and the epoch, 13 digits.",
    "Approval": "A person's word on who is to be champion; record key = `approval|` and the family.",
    "LearnerState": "What the learner goes on from after a restart; record key `learner`.",
    "Definitions": "Segments, rules and thresholds; record key = `definitions|` and the content hash.",
    "Status": "Which definitions are in force (record key `status|definitions`).",
    "Entry": "What took effect in a partition, chained by hashes.",
}

_TRAVELS: dict[str, tuple[str, ...]] = {
    "events": ("Event", "Tick"),
    "commands": ("Command", "Tick"),
    "events.dlq": ("DeadLetter",),
    "state": ("StateRow",),
    "segments": ("CustomerSegments",),
    "segment-changes": ("Change",),
    "samples": ("Sample", "Mark"),
    "models": ("Snapshot", "Manifest", "Approval", "LearnerState", "Definitions", "Status"),
    "journal": ("Entry",),
}

_INPUTS = ("events", "commands")

_HEADERS: dict[str, dict[str, Any]] = {
    "Change": {
        "type": "object",
        "required": ["ce_specversion", "ce_type", "ce_source", "ce_id", "ce_time", "content-type"],
        "properties": {
            "ce_specversion": {"const": "1.0"},
            "ce_type": {"const": CE_TYPE},
            "ce_source": {"type": "string", "description": "The topic and partition whose record decided."},
            "ce_id": {"type": "string", "description": "The change's id: the same after any crash, so deduplicate by it."},
            "ce_time": {"type": "string", "format": "date-time"},
            "content-type": {"const": "application/json"},
        },
    },
    "DeadLetter": {
        "type": "object",
        "required": ["reason", "kind", "source_topic", "source_partition", "source_offset"],
        "properties": {
            "reason": {"type": "string", "description": "What is wrong with it, a sentence."},
            "kind": {"type": "string", "description": "The same in a word, as in shoal_dead_letters_total."},
            "source_topic": {"type": "string"},
            "source_partition": {"type": "string"},
            "source_offset": {"type": "string"},
            "truncated": {"type": "string", "description": "There when the bytes did not fit into a record."},
        },
    },
}

_CONTENT = {
    "DeadLetter": "application/octet-stream",
    "StateRow": "application/octet-stream",
}


def document(schemas: dict[str, Any]) -> dict[str, Any]:
    """The document, with the JSON Schemas of all records by name."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Shoal",
            "version": version("shoal"),
            "description": "What Shoal reads from Kafka and what it writes. Topic names have the default prefix.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": {
            f"{'read' if topic.name in _INPUTS else 'write'}-{topic.name}": {
                "action": "receive" if topic.name in _INPUTS else "send",
                "channel": {"$ref": f"#/channels/{topic.name}"},
                "summary": topic.holds,
            }
            for topic in TOPICS
        },
        "components": {
            "messages": {name: _message(name, summary, schemas) for name, summary in _MESSAGES.items()},
            "schemas": schemas,
        },
    }


def _channel(topic: Topic) -> dict[str, Any]:
    address = Settings.model_fields["prefix"].default + topic.name
    configuration: dict[str, Any] = {"cleanup.policy": [topic.cleanup]}
    if topic.cleanup == "delete":
        configuration["retention.ms"] = topic.retention_ms
    partitions = Settings.model_fields["partitions"].default if topic.partitions == "events" else topic.partitions
    return {
        "address": address,
        "description": f"{topic.holds[0].upper()}{topic.holds[1:]}. Record key: {topic.key}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _TRAVELS[topic.name]},
        "bindings": {
            "kafka": {
                "topic": address,
                "partitions": partitions,
                "topicConfiguration": configuration,
                "bindingVersion": "0.5.0",
            }
        },
    }


def _message(name: str, summary: str, schemas: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {
        "name": name,
        "summary": summary,
        "contentType": _CONTENT.get(name, "application/json"),
        "payload": {"$ref": f"#/components/schemas/{name}"} if name in schemas else _PAYLOADS[name],
    }
    if name in _HEADERS:
        message["headers"] = _HEADERS[name]
    return message
