"""Shutting customers out: the page at the address of what served, and nobody left at work; run as a host runs it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from importlib import resources
from pathlib import Path

import pytest

from crm.plan import Release
from crm.slots import Filled
from crmhost.sandbox.ports import free_port
from playbooks.manifest import Manifest, Runs, Timed
from playbooks.webhost import closed
from playbooks.webhost.layout import Layout
from tests.support.hosts import until

pytestmark = pytest.mark.slow
RUN = Filled(("true",), {}, "/")
RELEASE = Release("smallapp", "1.0", "a" * 64, "1")
MANIFEST = Manifest(RELEASE, "d" * 64, "127.0.0.1:1", (), Runs("web", RUN, 1), (Timed("beat", RUN, 1),))
HOLD = """
import fcntl, sys
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(str(tmp_path), "acme")
    Path(layout.data).mkdir(parents=True)
    Path(layout.runs).mkdir()
    return layout


@contextmanager
def holding(path: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("path", ["run/job-beat.cron", "data/db.sqlite3"])
def test_whoever_is_at_work_is_waited_for(layout: Layout, path: str) -> None:
    script = closed.ended(layout, [MANIFEST]).text
    with holding(f"{layout.root}/{path}") as holder, subprocess.Popen(["sh", "-c", script]) as waiting:
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(1.0)
        assert holder.stdin is not None
        holder.stdin.close()
        assert waiting.wait(30) == 0


@pytest.mark.timeout(25)  # sooner than somebody at work would be ended
def test_who_only_keeps_the_database_open_is_ended_once_no_request_is_at_work(layout: Layout) -> None:
    script = closed.ended(layout, [replace(MANIFEST, front="passenger")]).text
    Path(layout.release(RELEASE.id)).mkdir(parents=True)
    with (
        holding(layout.busy(RELEASE)) as request,
        holding(layout.db) as idle,
        subprocess.Popen(["sh", "-c", script]) as waiting,
    ):
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(2.0)
        assert idle.poll() is None
        assert request.stdin is not None
        request.stdin.close()
        assert waiting.wait() == 0
        assert request.wait() == 0
        assert idle.wait() == -signal.SIGTERM


def test_a_request_of_any_release_has_as_long_as_one_of_the_first(layout: Layout) -> None:
    led = replace(MANIFEST, front="passenger")
    other = replace(led, release=replace(RELEASE, version="1.1"))
    for one in (led, other):
        Path(layout.release(one.release.id)).mkdir(parents=True)
    Path(layout.busy(led.release)).touch()
    script = closed.ended(layout, [led, other]).text
    with holding(layout.busy(other.release)) as request, subprocess.Popen(["sh", "-c", script]) as waiting:
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(3.0)
        assert request.poll() is None
        assert request.stdin is not None
        request.stdin.close()
        assert waiting.wait(30) == 0
        assert request.wait() == 0


def test_a_process_of_another_release_is_seen_while_it_lives(layout: Layout) -> None:
    led = replace(MANIFEST, front="passenger")
    look = ["sh", "-c", closed.outdated(layout, [led]).text]
    assert subprocess.run(look, check=False).returncode == 0, "it never ran"
    Path(layout.release(RELEASE.id)).mkdir(parents=True)
    with holding(layout.alive(RELEASE)):
        assert subprocess.run(look, check=False).returncode == 1
    assert subprocess.run(look, check=False).returncode == 0


@pytest.mark.parametrize("path", ["run/job-beat.cron", "data/db.sqlite3"])
@pytest.mark.timeout(120)
def test_who_does_not_end_is_ended(layout: Layout, path: str) -> None:
    script = closed.ended(layout, [MANIFEST]).text
    with holding(f"{layout.root}/{path}") as holder:
        assert subprocess.run(["sh", "-c", script], check=False).returncode == 0
        assert holder.wait(10) == -signal.SIGTERM


def test_nobody_at_work_is_no_wait(layout: Layout) -> None:
    assert subprocess.run(["sh", "-c", closed.ended(layout, [MANIFEST]).text], check=False).returncode == 0


class Serving(socketserver.TCPServer):
    """What served, without a port that it shares."""

    allow_reuse_address = True


class Fine(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_the_page_takes_the_address_over_at_the_moment_that_it_is_free(tmp_path: Path) -> None:
    port, html = free_port(), tmp_path / "page.html"
    html.write_text("<p>We are updating")
    program = str(resources.files("playbooks.onhost").joinpath("page.py"))
    before = Serving(("127.0.0.1", port), Fine)
    thread = threading.Thread(target=before.serve_forever, args=(0.01,))
    thread.start()
    argv = [sys.executable, "-I", program, f"127.0.0.1:{port}", "120", str(html)]

    def answer(method: str = "GET") -> tuple[int, str | None, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            connection.request(method, "/x?y", b"z" * 3000 if method == "POST" else None)
            response = connection.getresponse()
            return response.status, response.getheader("Retry-After"), response.read()

    def shown() -> bool:
        try:
            return answer()[0] == 503
        except OSError:
            return False

    with subprocess.Popen(argv) as page:
        try:
            assert answer()[0] == 200
            before.shutdown()
            before.server_close()
            thread.join()
            until(shown, "the page is shown")
            for method in ("GET", "POST", "PUT", "DELETE", "PROPFIND"):
                assert answer(method) == (503, "120", b"<p>We are updating")
            assert answer("HEAD") == (503, "120", b"")
            with socket.create_connection(("127.0.0.1", port)):
                os.kill(page.pid, signal.SIGTERM)
                assert page.wait(30) == 0
        finally:
            page.kill()
