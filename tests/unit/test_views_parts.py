"""The small parts of the views: packing, credentials, the filter of the log, the client's address and errors."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import unquote_to_bytes

import msgspec
import pytest
from faust.auth import SASLCredentials
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts.changes import CustomerSegments, Membership, Scores
from streams.errors import SettingsError
from streams.views import openapi
from streams.views.client import ViewsClient
from streams.views.credentials import broker_credentials
from streams.views.errors import NotReady, Unreachable, ViewsError
from streams.views.packing import Packing
from streams.views.seldom import Seldom

ROOT = Path(__file__).parents[2]


@given(st.lists(st.binary(max_size=600), max_size=12))
def test_packed_values_come_out_as_they_went_in(values: list[bytes]) -> None:
    packing = Packing()
    packed = [packing.pack(value, b"") for value in values]
    assert [packing.unpack(each) for each in packed] == values


def test_records_that_are_alike_take_a_fraction_of_their_size() -> None:
    packing = Packing()
    segmentations = ("lifecycle", "behaviour", "value", "intent", "affinity", "offer", "primary")
    records = []
    for number in range(100):
        memberships = {
            name: Membership(f"{name}-{number % 7}", f"{name.title()} {number % 7}", "2011-05-02T10:00:00Z")
            for name in segmentations
        }
        customer = CustomerSegments(
            f"c-{number}",
            "2011-05-02T10:00:00Z",
            memberships,
            [],
            Scores(number / 7, 0.1, number * 3.7),
            {},
            {"churn": 3},
            "0123abcd",
        )
        records.append(msgspec.json.encode(customer))
    packed = [packing.pack(each, b"c-") for each in records]
    assert sum(map(len, packed[4:])) < sum(map(len, records[4:])) / 4


def test_no_customer_stays_in_the_dictionary() -> None:
    packing = Packing()
    for number in range(9):
        packing.pack(b'{"customer_id":"secret-%d","at":"now"}' % number, b"secret-%d" % number)
    kept = [value for value in vars(packing).values() if isinstance(value, bytes)]
    assert kept
    assert not any(b"secret" in value for value in kept)


def test_an_open_broker_needs_no_credentials() -> None:
    assert broker_credentials({}) is None
    assert broker_credentials({"client.id": "x", "security.protocol": "plaintext"}) is None


def test_a_login_is_handed_over() -> None:
    options = {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "me", "sasl.password": "secret"}
    made = broker_credentials({"security.protocol": "SASL_SSL", **options})
    assert isinstance(made, SASLCredentials)
    assert (made.username, made.password, made.mechanism.value) == ("me", "secret", "SCRAM-SHA-512")
    assert made.protocol.value == "SASL_SSL"
    assert made.ssl_context is not None
    assert made.ssl_context.check_hostname
    plain = broker_credentials({"security.protocol": "SASL_PLAINTEXT", **options})
    assert plain is not None
    assert plain.protocol.value == "SASL_PLAINTEXT"


def test_certificates_are_checked_unless_told_otherwise() -> None:
    made = broker_credentials({"security.protocol": "SSL"})
    assert made is not None
    assert made.context.check_hostname  # type: ignore[union-attr]
    open_to_all = broker_credentials({"security.protocol": "SSL", "enable.ssl.certificate.verification": "false"})
    assert open_to_all is not None
    assert not open_to_all.context.check_hostname  # type: ignore[union-attr]


def test_every_fault_of_the_login_is_named() -> None:
    with pytest.raises(SettingsError) as raised:
        broker_credentials({
            "security.protocol": "SASL_SSL", "sasl.mechanism": "GSSAPI", "ssl.keystore.location": "k.p12",
        })  # fmt: skip
    said = str(raised.value)
    for words in ("GSSAPI", "sasl.username is missing", "sasl.password is missing", "ssl.keystore.location means nothing"):
        assert words in said
    with pytest.raises(SettingsError, match=r"ssl\.ca|certificates cannot be used"):
        broker_credentials({"security.protocol": "SSL", "ssl.ca.location": "/nowhere/ca.pem"})
    with pytest.raises(SettingsError, match="TLS is none of"):
        broker_credentials({"security.protocol": "TLS"})


def test_a_chatty_library_is_heard_seldom() -> None:
    now = 100.0
    seldom = Seldom("chatty", 30.0, lambda: now)

    def heard(name: str, message: str, *arguments: object) -> bool:
        return seldom.filter(logging.LogRecord(name, logging.ERROR, "", 0, message, arguments, None))

    assert heard("chatty.inner", "no node %s", 1)
    assert not heard("chatty.inner", "no node %s", 2)
    assert heard("chatty", "something else")
    assert all(heard(name, "no node %s", 1) for name in ("ours", "ours", "chattyish", "chattyish"))
    now = 130.0
    assert heard("chatty.inner", "no node %s", 3)


def test_the_document_in_docs_is_current() -> None:
    path = ROOT / "docs" / openapi.PATH
    assert path.read_text(encoding="utf-8") == openapi.text(), "run `shoal contracts` and commit what it writes"


@pytest.mark.parametrize("address", ["127.0.0.1:8080", "ftp://127.0.0.1", "http://", ""])
def test_the_client_refuses_what_is_no_address(address: str) -> None:
    with pytest.raises(ViewsError, match="is no address of the views"):
        ViewsClient(address)


class _Answers(BaseHTTPRequestHandler):
    """Answers each path with what stands in it, quoted: /<status>/<body>/v1/status."""

    def do_GET(self) -> None:
        _, status, told, *_ = self.path.split("/")
        body = unquote_to_bytes(told)
        self.send_response(int(status))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """No news."""


@pytest.fixture
def stranger() -> Iterator[str]:
    """Something that speaks HTTP and is not the views."""
    with HTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_the_client_tells_who_is_not_the_views(stranger: str) -> None:
    with ViewsClient(f"{stranger}/200/hello") as client, pytest.raises(ViewsError, match="not Shoal's views"):
        client.status()
    with ViewsClient(f'{stranger}/200/{{"version":"%FF"}}') as client, pytest.raises(ViewsError, match="not Shoal's views"):
        client.status()
    with ViewsClient(f"{stranger}/500/oops") as client, pytest.raises(ViewsError, match="answered 500"):
        client.status()
    with ViewsClient(f"{stranger}/503/busy") as client, pytest.raises(NotReady, match="answered 503"):
        client.status()


def test_the_client_says_when_nobody_answers(stranger: str) -> None:
    with ViewsClient("http://127.0.0.1:1", timeout=1) as client, pytest.raises(Unreachable, match="shoal serve"):
        client.segments()
