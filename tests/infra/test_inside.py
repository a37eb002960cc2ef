"""A web process in a container that publishes nothing is reached from here, by many at once."""

from __future__ import annotations

import http.client
import threading
import uuid
from collections.abc import Iterator

import pytest

from infra import naming
from infra.engine.connect import Reach, connect
from infra.engine.engine import Engine
from infra.inside import inside
from tests.support.engine import RealEngine
from tests.support.images import Images

pytestmark = pytest.mark.slow

SERVER = (
    "import http.server\n"
    "class Answer(http.server.BaseHTTPRequestHandler):\n"
    "    def do_POST(self):\n"
    "        body = self.rfile.read(int(self.headers['Content-Length']))\n"
    "        self.send_response(200); self.end_headers(); self.wfile.write(body[::-1])\n"
    f"http.server.ThreadingHTTPServer(('0.0.0.0', {naming.WEB_PORT}), Answer).serve_forever()\n"
)
LARGE = bytes(range(256)) * 4096


@pytest.fixture(scope="module")
def host(engine: RealEngine) -> Iterator[Engine]:
    with connect(Reach(engine.url)) as connected:
        yield connected


@pytest.fixture(scope="module")
def web(host: Engine, images: Images) -> Iterator[str]:
    """A container without any network whose web process sends back what it was sent, backwards."""
    name = f"crmhost-t{uuid.uuid4().hex[:8]}-web"
    client = host.client
    program = f"import os; os.makedirs('/opt/crm/bin'); os.symlink('/usr/bin/python3', '/opt/crm/bin/python')\n{SERVER}"
    client.create_container(
        images.python,
        command=["python3", "-c", program],
        name=name,
        host_config=client.create_host_config(network_mode="none"),
    )
    host.start(name)
    yield name
    host.remove(name)


def ask(address: tuple[str, int], body: bytes) -> bytes:
    connection = http.client.HTTPConnection(*address, timeout=60)
    try:
        connection.request("POST", "/", body=body)
        return connection.getresponse().read()
    finally:
        connection.close()


def test_it_answers_many_at_once(host: Engine, web: str) -> None:
    answers = []
    with inside(host, web) as address:
        while True:
            try:
                assert ask(address, b"ready?") == b"?ydaer"
                break
            except (ConnectionError, http.client.HTTPException):
                continue
        asking = [threading.Thread(target=lambda: answers.append(ask(address, LARGE))) for _ in range(4)]
        for one in asking:
            one.start()
        for one in asking:
            one.join()
    assert answers == [LARGE[::-1]] * 4


def test_nothing_answers_once_it_is_left_or_where_no_process_listens(host: Engine, web: str) -> None:
    with inside(host, "crmhost-nobody-web") as address, pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(address, b"x")
    with inside(host, web) as address:
        pass
    with pytest.raises(ConnectionError):
        ask(address, b"x")
