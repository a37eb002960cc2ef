"""The public URL's gate, against real servers on loopback."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from crm.errors import GateFailed
from crm.recipe import Ask, Exec, Http, Sql
from crmhost.public import check, fetch
from crmhost.question import question
from tests.support.wants import small_want


@contextmanager
def serving(answers: Callable[[int], tuple[int, str]]) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, body = answers(len(asked))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_it_asks_until_the_front_end_knows_its_new_back_end() -> None:
    with serving(lambda n: (502, "bad gateway") if n < 3 else (200, "ready 1.0, 1 accounts")) as (url, asked):
        check(small_want(url=url), sleep=lambda _: None)
        assert asked == ["/ready"] * 3


def test_a_wrong_answer_is_shown_when_patience_runs_out() -> None:
    instants = iter([0.0, 1.0, 99.0])
    with serving(lambda _: (302, "elsewhere")) as (url, asked):
        with pytest.raises(GateFailed, match=r"/ready answered '302 elsewhere', not '\^200 ready'"):
            check(small_want(url=url), clock=lambda: next(instants), sleep=lambda _: None)
        assert len(asked) == 2


def test_nobody_there_is_an_answer_too() -> None:
    with serving(lambda _: (200, "")) as (url, _):
        pass
    assert fetch(f"{url}/x", 1).startswith("no answer: ")


def test_a_certificate_that_nobody_vouches_for_is_refused(self_signed: ssl.SSLContext) -> None:
    class Handler(BaseHTTPRequestHandler):
        """Never gets that far."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = self_signed.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign] # the client's refusal is the point
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        answer = fetch(f"https://127.0.0.1:{server.server_port}/", 5)
        server.shutdown()
    assert "CERTIFICATE_VERIFY_FAILED" in answer


@pytest.mark.parametrize(
    ("ready", "live", "asked"),
    [
        (Ask(Http("GET", "/r"), "r"), Ask(Http("GET", "/l"), "l"), "/r"),
        (Ask(Sql("select 1"), "1"), Ask(Http("GET", "/l"), "l"), "/l"),
        (Ask(Http("POST", "/r"), "r"), Ask(Exec(("true",)), "x"), "/"),
    ],
)
def test_it_asks_what_can_be_asked_over_http(ready: Ask, live: Ask, asked: str) -> None:
    want = small_want()
    how = question(replace(want, recipe=replace(want.recipe, ready=ready, live=live))).how
    assert isinstance(how, Http)
    assert how.path == asked


@pytest.fixture
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """Return a server's context with a certificate that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=36500))
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
