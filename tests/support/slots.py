"""A site whose two slots are tiny web processes that say which of them answered: what an ingress switches between."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from crmhost.door import Door
from infra import naming, sites
from infra.engine.engine import Engine
from infra.engine.run import OneShot, create
from tests.support.ingress import SharedIngress
from tests.support.until import until

_WEB = """
import http.server, sys

class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        seen = [self.headers.get(name, "") for name in ("X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-For")]
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = " ".join([sys.argv[1], *seen]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("", 8000), Web).serve_forever()
"""


@dataclass(frozen=True, slots=True)
class Slots:
    """A site and its two web processes."""

    engine: Engine
    contract: str
    host: str
    door: Door

    @property
    def url(self) -> str:
        """Return the customer's URL."""
        return f"https://{self.host}/"

    def container(self, slot: str) -> str:
        """Return the name of a slot's container."""
        return naming.process(self.contract, slot * 12, "web")

    def ask(self, method: str = "GET", path: str = "/", **headers: str) -> tuple[int, str, dict[str, str]]:
        """Ask over a connection of its own; returns status, body and headers (their names in lower case)."""
        connection = self.door.connection(urlsplit(self.url), 15)
        try:
            connection.request(method, path, body="a=b" if method == "POST" else None, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), {k.lower(): v for k, v in answer.getheaders()}
        finally:
            connection.close()


@contextmanager
def two_slots(engine: Engine, ingress: SharedIngress) -> Iterator[Slots]:
    """Bring up both web processes; the site itself is the test's to make. Everything goes at the end."""
    contract = f"t{uuid.uuid4().hex[:8]}"
    host = f"{contract}.example"
    made = Slots(engine, contract, host, Door(ingress.address, ingress.authority))
    try:
        for slot in ("a", "b"):
            spec = OneShot(
                made.container(slot),
                ingress.settings.images.python,
                ("python3", "-c", _WEB, slot),
                naming.labels(contract, "web"),
                networks={naming.EDGE: (naming.web_alias(slot, host),)},
            )
            engine.start(create(engine.client, spec))
        for slot in ("a", "b"):
            until(partial(_listens, engine, made.container(slot)), "the web process")
        yield made
    finally:
        sites.remove(engine, host)
        for slot in ("a", "b"):
            engine.remove(made.container(slot))


def _listens(engine: Engine, container: str) -> bool:
    probe = "import socket; socket.create_connection(('127.0.0.1', 8000), 1)"
    ok = engine.execute(container, ["python3", "-c", probe]).code == 0
    if not ok:
        time.sleep(0.1)
    return ok
