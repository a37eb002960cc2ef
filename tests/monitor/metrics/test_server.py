from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from sqlalchemy import Engine
from starlette.requests import Request as Asked
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from contract.model import Contract
from contract.parse import parse
from crm.errors import CrmhostError
from monitor.accounts import Accounts
from monitor.clock import SystemClock
from monitor.metrics import Books, Exposition, Watching
from monitor.post import watched_from
from monitor.running import RunningPeriods
from monitor.server import Server, Troubles, make_app
from monitor.store.database import migrate, open_database
from monitor.watch import Options, Watch
from tests.support.listeners import Listener
from tests.support.until import until

pytestmark = pytest.mark.slow

CONTRACT = """\
contract: acme
customer: {{name: ACME Co.}}
crm: {{recipe: creme, version: 2.8.6, url: "{url}"}}
target: {{kind: saas}}
term: {{signed: 2026-01-01, accepted: 2026-01-02}}
sla: {{availability: 98 %, period: {{every: 30 days, from: "2026-02-01T00:00:00Z"}}}}
monitor: {{interval: 200 ms, timeout: 200 ms}}
"""


class Silent:
    """A log that nobody reads."""

    def warning(self, event: str, **values: object) -> None:
        pass


class Nothing:
    """A monitor of no contracts."""

    def watching(self) -> Watching:
        return Watching("local", 0, (), 0, 0, 0)

    def periods(self) -> tuple[()]:
        return ()

    def books(self) -> Books:
        return Books()

    def backups(self) -> tuple[()]:
        return ()


class Fetched(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def fetch(url: str, **headers: str) -> Fetched:
    request = Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})  # noqa: S310 - loopback
    try:
        with urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
            found = {name.lower(): value for name, value in answer.headers.items()}
            return Fetched(answer.status, found, answer.read())
    except HTTPError as error:
        return Fetched(error.code, {}, error.read())


def contract(url: str) -> Contract:
    parsed = parse(CONTRACT.format(url=url).encode(), "acme.yaml")
    assert parsed.contract is not None, parsed.problems
    return parsed.contract


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(tmp_path / "fleet.db")
    migrate(engine)
    yield engine
    engine.dispose()


@contextmanager
def serving(exposition: Exposition, troubles: Troubles = lambda: (), *pages: Route) -> Iterator[Server]:
    server = Server(make_app(exposition, troubles, pages))
    server.start()
    try:
        yield server
    finally:
        server.stop()


def test_a_running_monitor_shows_itself(engine: Engine) -> None:
    with Listener(lambda exchange: exchange.answer()) as crm:
        contracts = [contract(crm.url())]
        clock = SystemClock()
        watch = Watch(watched_from("local", contracts), engine, clock, Silent(), Options(beat=100_000))
        exposition = Exposition(Accounts(watch, engine, clock, RunningPeriods(engine, clock, contracts)))
        watch.start()
        try:
            with serving(exposition, lambda: () if watch.alive else ("the monitor does not probe",)) as server:
                assert fetch(f"{server.url}healthz") == Fetched(200, fetch(f"{server.url}healthz").headers, b"ok\n")
                good = b'crmhost_span_state{contract="acme",vantage="local",state="up"} 1\n'
                until(lambda: good in fetch(f"{server.url}metrics").body, "the service is shown as up")
                measured = b'crmhost_availability_ratio{contract="acme"} 1.0'
                until(lambda: measured in fetch(f"{server.url}metrics").body, "the running period is shown")
                crm.close()
                bad = b'crmhost_probe_failures_total{contract="acme",vantage="local",reason="connect-refused"}'
                until(lambda: bad in fetch(f"{server.url}metrics").body, "the failure is shown with its reason")
                fallen = b'crmhost_availability_ratio{contract="acme"} 0.'
                until(lambda: fallen in fetch(f"{server.url}metrics").body, "the downtime is shown")
                watch.stop()
                assert fetch(f"{server.url}healthz").body == b"the monitor does not probe\n"
                assert fetch(f"{server.url}healthz").status == 503
        finally:
            watch.stop()


def test_it_is_compressed_for_who_wants_that() -> None:
    with serving(Exposition(Nothing())) as server:
        plain = fetch(f"{server.url}metrics")
        assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert b"crmhost_build_info{version=" in plain.body
        packed = fetch(f"{server.url}metrics", accept_encoding="gzip")
        assert packed.headers["content-encoding"] == "gzip"
        assert b"crmhost_build_info{version=" in gzip.decompress(packed.body)


def test_it_listens_on_loopback_only_and_serves_the_pages_that_are_given() -> None:
    def page(_request: Asked) -> PlainTextResponse:
        return PlainTextResponse("a page")

    with serving(Exposition(Nothing()), lambda: (), Route("/statements", page)) as server:
        assert server.url == f"http://127.0.0.1:{server.port}/"
        assert fetch(f"{server.url}statements").body == b"a page"
        assert fetch(f"{server.url}nothing").status == 404


def test_an_address_that_is_taken_is_refused_by_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            CrmhostError, match=rf"http://127.0.0.1:{port}: cannot listen there \(Address already in use"
        ):
            Server(make_app(Exposition(Nothing()), lambda: ()), port=port).start()


def test_a_stop_is_quick_while_a_client_keeps_its_connection() -> None:
    with serving(Exposition(Nothing())) as server, socket.create_connection(("127.0.0.1", server.port)) as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(4096).startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 2
        assert not server.alive
