"""The views' HTTP, on the broker that needs nothing installed: every answer is what the OpenAPI document says."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlsplit

import jsonschema
import pytest

from streams.settings import load_settings
from streams.topics import create_topics
from streams.views.answers import Flow, Segmentation, SegmentSize
from streams.views.errors import BadQuestion, NotFound
from tests.integration.views_site import SINCE, Serving, Worker, change, customer, free_port, serving

ODD_IDS = ("a/b c?d=e&f", "ünïcødé-客户", "%41", "..", "line\nbreak", "x" * 256)
PEOPLE = 250


@pytest.fixture(scope="module")
def views(embedded: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    settings = load_settings(bootstrap_servers=embedded, prefix=f"http{free_port()}.")
    create_topics(settings)
    with serving(settings, tmp_path_factory.mktemp("views")) as running:
        running.wait_ready()
        worker = Worker(settings)
        people = [customer(f"c{number:03d}", "active", ["night", "gifts"][: number % 3]) for number in range(PEOPLE)]
        odd = [customer(customer_id, "new") for customer_id in ODD_IDS]
        moves = [change(number, None, "new") for number in range(5)] + [change(5, "new", "active", "2011-05-03T23:59:59Z")]
        worker.write([*people, *odd], moves)
        running.eventually(lambda: running.client.segments().customers == PEOPLE + len(ODD_IDS))
        running.eventually(lambda: running.client.flows(48).changes == len(moves))
        yield running


def ask(views: Serving, path: str, method: str = "GET") -> tuple[int, Any, dict[str, str]]:
    connection = HTTPConnection(urlsplit(views.url).netloc, timeout=5)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        headers = dict(response.getheaders())
        assert headers["Content-Type"].startswith("application/json")
        return response.status, json.loads(response.read() or b"null"), headers
    finally:
        connection.close()


@pytest.fixture(scope="module")
def openapi(views: Serving) -> dict[str, Any]:
    status, document, _ = ask(views, "/openapi.json")
    assert status == 200
    return dict(document)


PATHS = {
    "/v1/customers/c001": "/v1/customers/{id}",
    "/v1/segments": "/v1/segments",
    "/v1/segments/lifecycle/active?limit=3": "/v1/segments/{segmentation}/{segment}",
    "/v1/segments/micro/night": "/v1/segments/{segmentation}/{segment}",
    "/v1/flows?hours=72&segmentation=lifecycle": "/v1/flows",
    "/v1/status": "/v1/status",
    "/healthz": "/healthz",
    "/readyz": "/readyz",
}


@pytest.mark.parametrize("asked", PATHS)
def test_answers_are_as_documented(views: Serving, openapi: dict[str, Any], asked: str) -> None:
    status, answer, headers = ask(views, asked)
    assert status == 200
    schema = openapi["paths"][PATHS[asked]]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(answer, {**schema, "components": openapi["components"]}, jsonschema.Draft202012Validator)
    # Other origins' pages get nothing.
    assert not [name for name in headers if name.lower().startswith("access-control")]


def test_every_documented_path_is_asked_here(openapi: dict[str, Any]) -> None:
    assert set(PATHS.values()) | {"/openapi.json"} == set(openapi["paths"])


REFUSALS = [
    ("GET", "/v1/customers/nobody", 404, "not_found", "no customer 'nobody'"),
    ("GET", "/v1/segments/lifecycle/lapsed", 404, "not_found", "there are active, new"),
    ("GET", "/v1/segments/mood/happy", 404, "not_found", "there are lifecycle, micro, value"),
    ("GET", "/v1/segments/lifecycle", 404, "no_such_path", "/openapi.json lists what there is"),
    ("GET", "/v1/nothing", 404, "no_such_path", "/openapi.json lists what there is"),
    ("GET", "/v1/flows?hours=0", 400, "bad_request", "hours=0 is no whole number from 1 to 9600"),
    ("GET", "/v1/flows?hours=-1", 400, "bad_request", "hours=-1"),
    ("GET", "/v1/flows?hours=99999999999999999999", 400, "bad_request", "from 1 to 9600"),
    ("GET", "/v1/flows?hours=%D9%A1", 400, "bad_request", "no whole number"),
    ("GET", "/v1/flows?hour=3", 400, "bad_request", "unknown parameter hour: there are hours, segmentation"),
    ("GET", "/v1/segments/lifecycle/active?limit=1001", 400, "bad_request", "from 1 to 1000"),
    ("GET", "/v1/segments/lifecycle/active?after=5", 400, "bad_request", "is no cursor"),
    ("GET", "/v1/segments/lifecycle/active?after=feed-5", 400, "bad_request", "before the views were started again"),
    ("GET", "/v1/segments?limit=3", 400, "bad_request", "this path takes none"),
    ("POST", "/v1/segments", 405, "method_not_allowed", "GET"),
    ("DELETE", "/v1/customers/c001", 405, "method_not_allowed", "GET"),
]


@pytest.mark.parametrize(("method", "path", "status", "code", "words"), REFUSALS)
def test_refusals_are_a_code_and_a_sentence(
    views: Serving, openapi: dict[str, Any], method: str, path: str, status: int, code: str, words: str
) -> None:
    answered, problem, _ = ask(views, path, method)
    assert (answered, problem["code"]) == (status, code)
    assert words in problem["message"]
    schema = {**openapi["components"]["schemas"]["Problem"], "components": openapi["components"]}
    jsonschema.validate(problem, schema, jsonschema.Draft202012Validator)


@pytest.mark.parametrize("customer_id", ODD_IDS)
def test_any_id_finds_its_customer(views: Serving, customer_id: str) -> None:
    assert views.client.customer(customer_id) == customer(customer_id, "new")


def test_a_slash_in_an_id_may_be_left_as_it_is(views: Serving) -> None:
    status, answer, _ = ask(views, f"/v1/customers/{quote('a/b c?d=e&f')}")
    assert (status, answer["customer_id"]) == (200, "a/b c?d=e&f")


def test_sizes_are_counted_once_and_the_largest_come_first(views: Serving) -> None:
    segments = {each.segmentation: each for each in views.client.segments().segmentations}
    everyone = PEOPLE + len(ODD_IDS)
    assert segments["lifecycle"] == Segmentation(
        "lifecycle",
        everyone,
        [SegmentSize("active", "Active", PEOPLE), SegmentSize("new", "New", len(ODD_IDS))],
    )
    at_night = sum(number % 3 > 0 for number in range(PEOPLE))
    with_gifts = sum(number % 3 > 1 for number in range(PEOPLE))
    assert segments["micro"].customers == at_night
    assert [(each.segment, each.customers) for each in segments["micro"].segments] == [
        ("night", at_night),
        ("gifts", with_gifts),
    ]


def test_pages_show_every_member_once(views: Serving) -> None:
    found: list[str] = []
    page = views.client.members("lifecycle", "active", limit=47)
    assert (page.name, page.customers, page.members[0].since) == ("Active", PEOPLE, SINCE)
    while True:
        found += [member.customer_id for member in page.members]
        if page.next is None:
            break
        page = views.client.members("lifecycle", "active", limit=47, after=page.next)
    assert sorted(found) == [f"c{number:03d}" for number in range(PEOPLE)]


def test_flows_reach_back_from_the_newest_change(views: Serving) -> None:
    newest = Flow("2011-05-03T23:00:00Z", "lifecycle", "new", "active", 1)
    flows = views.client.flows(24)
    assert (flows.first, flows.until, flows.flows) == ("2011-05-03T00:00:00Z", "2011-05-03T23:00:00Z", [newest])
    both = views.client.flows(38)
    assert both.first == SINCE
    assert both.flows == [Flow(SINCE, "lifecycle", None, "new", 5), newest]
    assert views.client.flows(38, "value").flows == []


def test_the_client_asks_with_the_right_errors(views: Serving) -> None:
    with pytest.raises(NotFound, match="nobody is in segment 'gone'"):
        views.client.members("lifecycle", "gone")
    with pytest.raises(BadQuestion, match="hours=0"):
        views.client.flows(0)


def test_without_a_broker_it_says_so_and_ends_when_told(prefix: str, tmp_path: Any) -> None:
    settings = load_settings(bootstrap_servers=f"127.0.0.1:{free_port()}", prefix=prefix)
    with serving(settings, tmp_path) as views:
        views.eventually(lambda: "no Kafka broker answers" in views.client.status().reason, 30)
        status, problem, headers = ask(views, "/v1/segments")
        assert (status, problem["code"], headers["Retry-After"]) == (503, "not_ready", "1")
        assert ask(views, "/readyz")[0] == 503
        assert ask(views, "/healthz")[0] == 200
        assert views.terminate() == 0
        assert "trying again in 0.5 s" in views.log.read_text()


def test_missing_topics_are_named(embedded: str, prefix: str, tmp_path: Any) -> None:
    settings = load_settings(bootstrap_servers=embedded, prefix=prefix)
    with serving(settings, tmp_path) as views:
        assert views.process.wait(30) == 2
        assert f"from {prefix}events to {prefix}models: run `shoal topics create`" in views.log.read_text()


def test_empty_topics_are_ready_in_moments(embedded: str, prefix: str, tmp_path: Any) -> None:
    settings = load_settings(bootstrap_servers=embedded, prefix=prefix)
    create_topics(settings)
    with serving(settings, tmp_path) as views:
        views.wait_ready()
        began = time.monotonic()
        # What counts is from the broker's answer on: how long Python takes to load is the machine's affair.
        assert (views.client.status().rebuilt_seconds or 99.0) < 4.0
        assert views.client.segments().customers == 0
        assert views.client.flows().until is None
        assert time.monotonic() - began < 4.0
        assert views.terminate() == 0
