"""The program that asks a site on its own host, against a real server with TLS on loopback."""

from __future__ import annotations

import hashlib
import http.server
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crm.recipe import Ask, Http
from playbooks.lan.driver import site_question
from playbooks.lan.sites import Address
from playbooks.programs import program
from tests.support.certificates import make_authority


class Page(http.server.BaseHTTPRequestHandler):
    """Answers with the host that was asked for."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200 if self.path == "/ready" else 404)
        self.end_headers()
        self.wfile.write(f"ready at {self.headers['Host']}".encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[int, str]]:
    """Give the port of a site with TLS, and the SHA-256 of its certificate."""
    context = make_authority(tmp_path).server("crm.acme.lan")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = int(server.server_address[1])
    shown = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port)))
    yield port, hashlib.sha256(shown).hexdigest()
    server.shutdown()
    server.server_close()


def asked(port: int, certificate: str, path: str = "/ready") -> dict[str, Any]:
    """Ask as the driver does, and return the answer."""
    address = Address("crm.acme.lan", port, secure=True)
    given = site_question(Ask(Http("GET", path), "^200 ready"), address, certificate, 0.5)
    done = subprocess.run(
        ["sh", "-c", program("site", sys.executable).text], input=given.encode(), capture_output=True, check=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_site_is_asked_by_its_name_and_believed_by_its_certificate(site: tuple[int, str]) -> None:
    port, certificate = site
    answer = asked(port, certificate)
    assert (answer["held"], answer["answer"]) == (True, f"200 ready at crm.acme.lan:{port}")


def test_another_answer_another_certificate_and_nobody_are_no_proof(site: tuple[int, str]) -> None:
    port, certificate = site
    for port_, shown, path, what in (
        (port, certificate, "/other", "404 "),
        (port, "00" * 32, "/ready", "another certificate is shown"),
        (1, certificate, "/ready", "no answer: ConnectionRefusedError"),
    ):
        answer = asked(port_, shown, path)
        assert not answer["held"]
        assert answer["answer"].startswith(what)


def test_the_usual_port_is_left_out_of_the_host_s_name() -> None:
    given = site_question(Ask(Http("GET", "/"), "^200"), Address("a.lan", 443, secure=True), "ab", 1.0)
    assert json.loads(given)["headers"]["Host"] == "a.lan"
    plain = site_question(Ask(Http("GET", "/"), "^200"), Address("a.lan", 80, secure=False), None, 1.0)
    assert json.loads(plain)["certificate"] is None
