"""A site that DNS does not name, behind an authority of its own, is reached at its address and verified by its name."""

from __future__ import annotations

import http.cookiejar
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from crmhost.door import STREET, Door
from crmhost.public import fetch
from tests.support.certificates import Authority, make_authority

URL = "https://crm.acme.example/ready"


@contextmanager
def serving(authority: Authority, *names: str) -> Iterator[tuple[str, int]]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"asked for {self.headers['Host']}".encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = authority.server(*names).wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign] # a client's refusal is the point of one test
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield "127.0.0.1", server.server_port
        server.shutdown()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return make_authority(tmp_path)


def test_the_site_is_reached_at_the_hosts_address_under_its_own_name(authority: Authority) -> None:
    with serving(authority, "crm.acme.example") as address:
        door = Door(address, authority.file.read_text())
        assert fetch(URL, 5, door) == "200 asked for crm.acme.example"


def test_cookies_go_through_the_same_door(authority: Authority) -> None:
    with serving(authority, "crm.acme.example") as address:
        door = Door(address, authority.file.read_text())
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        with urllib.request.build_opener(jar, *door.handlers()).open(URL, timeout=5) as answer:
            assert answer.read() == b"asked for crm.acme.example"


def test_a_certificate_for_another_name_is_refused(authority: Authority) -> None:
    with serving(authority, "crm.globex.example") as address:
        assert "Hostname mismatch" in fetch(URL, 5, Door(address, authority.file.read_text()))


def test_only_the_authority_that_was_named_is_believed(authority: Authority) -> None:
    with serving(authority, "crm.acme.example") as address:
        assert "CERTIFICATE_VERIFY_FAILED" in fetch(URL, 5, Door(address))


def test_no_authority_shows_in_a_repr(authority: Authority) -> None:
    assert "BEGIN" not in repr(Door(None, authority.file.read_text()))
    assert Door() == STREET
