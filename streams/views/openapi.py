"""The OpenAPI document of the views, made from the types they answer with."""

from __future__ import annotations

import inspect
import json
from typing import Any

import msgspec

from streams.contracts.changes import CustomerSegments
from streams.views.answers import Flows, Members, Problem, Segments, Status
from streams.views.flows import HOURS_KEPT

PATH = "api/openapi.json"
"""Below docs/."""

MOST_MEMBERS, USUAL_MEMBERS = 1_000, 100
MOST_HOURS, USUAL_HOURS = HOURS_KEPT, 24

_ANSWERS: tuple[type[msgspec.Struct], ...] = (CustomerSegments, Segments, Members, Flows, Status, Problem)
_DESCRIPTION = """\
Read-only, JSON, for programs inside your network: there is no login, put a proxy before it that has one. Answers carry no
CORS headers, so pages of other sites cannot read them. What is refused comes as a `Problem`: a code for programs, a
sentence for people.

- **Committed only.** A change shows when its transaction is committed, and never if it is aborted. (The embedded broker
  shows aborted records to every reader; it is for trying.)
- **Nothing half rebuilt.** After a start everything but `/v1/status`, `/healthz` and `/openapi.json` answers 503 until all
  that was committed by then is in the tables.
- **Each change counted once**, whatever is read again after a crash: every stored hour of flows knows the last offset
  counted in it. Hours are kept for 400 days; `hours` counts back from the newest change.
- **While the broker is away** the answers go on as of then, and `reason` in `/v1/status` says so.
- **A customer who moves while you page** through a segment is on one of the pages, or on none.
"""
_TEXT = {"type": "string"}
_LICENSE = {"name": "Apache-2.0", "identifier": "Apache-2.0"}


def document() -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    _, components = msgspec.json.schema_components(_ANSWERS, ref_template="#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Shoal views",
            "version": "1",
            "summary": "Customers' memberships, the sizes of segments, and the flows between them.",
            "description": _DESCRIPTION,
            "license": _LICENSE,
        },
        "paths": {
            "/v1/customers/{id}": _get(
                "getCustomer", "All memberships of a customer", CustomerSegments,
                [_in_path("id", "The customer's id: userId, or anonymousId before a login; a slash in it as %2F.")],
                {"404": "No such customer has memberships"},
            ),
            "/v1/segments": _get("listSegments", "All segments that have customers, with their sizes", Segments),
            "/v1/segments/{segmentation}/{segment}": _get(
                "listMembers", "A page of the customers in a segment", Members,
                [
                    _in_path("segmentation", "lifecycle, behaviour, value, intent, affinity, offer, primary or micro."),
                    _in_path("segment", "The segment's key, as /v1/segments shows it."),
                    _whole("limit", "Members on the page.", USUAL_MEMBERS, MOST_MEMBERS),
                    _optional("after", "What `next` of the page before said; good until the views start again.", _TEXT),
                ],
                {"400": "A limit or a cursor that cannot be used", "404": "Nobody is in such a segment"},
            ),
            "/v1/flows": _get(
                "listFlows", "How many customers moved from which segment to which, by the hour of the event", Flows,
                [
                    _whole("hours", "How many hours up to the newest change.", USUAL_HOURS, MOST_HOURS),
                    _optional("segmentation", "Only this one.", _TEXT),
                ],
                {"400": "Hours that cannot be used"},
            ),
            "/v1/status": _get("getStatus", "Positions, lag, versions, and readiness", Status, ready=True),
            "/healthz": _plain("getHealth", "The process lives", "ok"),
            "/readyz": _plain("getReadiness", "The tables are rebuilt, answers are true", "ready", waits=True),
            "/openapi.json": {
                "get": {
                    "operationId": "getOpenApi", "summary": "This document",
                    "responses": {"200": _answer("The document", {"type": "object"})},
                }
            },
        },
        "components": {"schemas": {name: _described(schema) for name, schema in sorted(components.items())}},
    }  # fmt: skip


def text() -> str:
    """The document as it lies in docs/."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _get(
    name: str,
    summary: str,
    answer: type[msgspec.Struct],
    parameters: list[dict[str, Any]] | None = None,
    refusals: dict[str, str] | None = None,
    *,
    ready: bool = False,
) -> dict[str, Any]:
    told = {"400": "An unknown parameter", **(refusals or {})} | ({} if ready else {"503": "Not rebuilt yet"})
    responses = {"200": _answer(summary, _reference(answer))}
    responses |= {status: _answer(why, _reference(Problem)) for status, why in sorted(told.items())}
    operation = {"operationId": name, "summary": summary, "parameters": parameters or [], "responses": responses}
    return {"get": operation}


def _plain(name: str, summary: str, word: str, *, waits: bool = False) -> dict[str, Any]:
    said = {"type": "object", "properties": {"status": {"const": word}}, "required": ["status"]}
    responses = {"200": _answer(summary, said)}
    if waits:
        responses["503"] = _answer("Not rebuilt yet", _reference(Problem))
    return {"get": {"operationId": name, "summary": summary, "responses": responses}}


def _answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _reference(answer: type[msgspec.Struct]) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{answer.__name__}"}


def _in_path(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "description": description, "schema": _TEXT}


def _optional(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def _whole(name: str, description: str, usual: int, most: int) -> dict[str, Any]:
    return _optional(name, description, {"type": "integer", "minimum": 1, "maximum": most, "default": usual})


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    if "description" in schema:
        schema = {**schema, "description": inspect.cleandoc(schema["description"])}
    return schema
