"""The application that Passenger runs, called here as a WSGI server calls one."""

from __future__ import annotations

import importlib.util
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.until import until

CRM = """\
import pathlib
pathlib.Path(__file__).with_name("imported").touch()
class Body:
    def __iter__(self):
        yield b"hello"
    def close(self):
        pathlib.Path(__file__).with_name("cleared").touch()
def application(environ, start_response):
    if environ["PATH_INFO"] == "/broken":
        raise RuntimeError("broken")
    start_response("200 OK", [("X-Scheme", environ["HTTP_X_FORWARDED_PROTO"])])
    return Body()
"""


LOADER = """\
import pathlib, runpy, select, socket
application = runpy.run_path(str(pathlib.Path("crmhost_wsgi.py").resolve()))["served"]()
server = socket.socket(socket.AF_UNIX)
server.bind("asked")
server.listen()
print("up", flush=True)
while True:
    select.select([server], [], [])
    client, _ = server.accept()
    if client.recv(100) == b"ask":  # and nothing where the visitor has gone
        body = application({"PATH_INFO": "/", "wsgi.url_scheme": "https"}, lambda *_: None)
        client.sendall(b"begun")
        client.recv(100)
        client.sendall(b"".join(body))
        body.close()
    client.close()
"""
"""What Passenger's loader does, a request at a time, each in two steps."""


class Site:
    """A release's folder, and its application once it is asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.closed = folder, folder / "closed"
        self.status: str = ""
        self.headers: dict[str, str] = {}
        shutil.copy(str(resources.files("playbooks.webhost.door") / "crmhost_wsgi.py"), folder)
        (folder / "site_of_this_test.py").write_text(CRM)
        (folder / "page.html").write_text("closed for a while")
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "path", list(sys.path))
        monkeypatch.delitem(sys.modules, "site_of_this_test", raising=False)
        self.spec: dict[str, Any] = {
            "entry": "site_of_this_test:application",
            "cwd": str(folder),
            "mark": "cafe",
            "closed": str(self.closed),
            "page": str(folder / "page.html"),
            "env": {},
            "log": str(folder / "web.log"),
        }
        (folder / "crmhost_wsgi.json").write_text(json.dumps(self.spec))
        self.door = _module(folder / "crmhost_wsgi.py")
        self._application: Any = None

    def ask(self, path: str = "/") -> Iterable[bytes]:
        """Return the body of an answer that is not closed yet."""
        self._application = self._application or self.door.guarded(self.spec)

        def start(status: str, headers: list[tuple[str, str]], *_: object) -> None:
            self.status, self.headers = status, dict(headers)

        answer: Iterable[bytes] = self._application({"PATH_INFO": path, "wsgi.url_scheme": "https"}, start)
        return answer

    def busy(self) -> bool:
        """Tell whether a request is at work, as another process sees it."""
        look = ["flock", "--nonblock", str(self.folder / "busy"), "true"]
        return subprocess.run(look, check=False).returncode != 0

    def there(self, name: str) -> bool:
        """Tell whether the application left that behind."""
        return (self.folder / name).exists()


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("crmhost_wsgi_of_this_test", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, monkeypatch)


def shut(body: Iterable[bytes]) -> bytes:
    """Read an answer as a server does, and close it."""
    text = b"".join(body)
    body.close()  # type: ignore[attr-defined]  # PEP 3333: of a body that has one
    return text


def test_a_request_is_at_work_until_its_answer_is_closed(site: Site) -> None:
    first, second = site.ask(), site.ask()
    assert (site.status, site.headers) == ("200 OK", {"X-Scheme": "https", "X-Crmhost-Release": "cafe"})
    assert site.busy()
    assert shut(first) == b"hello"
    assert site.there("cleared")
    assert site.busy()
    assert shut(second) == b"hello"
    assert not site.busy()


def test_a_request_that_fails_is_at_work_no_more(site: Site) -> None:
    with pytest.raises(RuntimeError, match="broken"):
        site.ask("/broken")
    assert not site.busy()


def test_what_begins_while_customers_are_out_loads_no_application_until_they_are_in(site: Site) -> None:
    site.closed.touch()
    assert shut(site.ask()) == b"closed for a while"
    assert (site.status, site.headers["X-Crmhost-Release"]) == ("503 Service Unavailable", "cafe")
    assert not site.there("imported")
    site.closed.unlink()
    assert shut(site.ask()) == b"hello"
    site.closed.touch()
    assert shut(site.ask()) == b"closed for a while"
    assert not site.busy()


class Process:
    """A process that has loaded the application, and is asked as Passenger asks its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"

    def visitor(self) -> socket.socket:
        """Return a connection to it, which may have to wait."""
        visitor = socket.socket(socket.AF_UNIX)
        visitor.settimeout(30)
        visitor.connect(f"/proc/{self.process.pid}/cwd/asked")
        return visitor


def asked(visitor: socket.socket, text: str) -> str:
    """Send a text, and return what is answered."""
    visitor.sendall(text.encode())
    return visitor.recv(100).decode()


@pytest.fixture
def process(site: Site) -> Iterator[Process]:
    """Yield one that nobody has asked anything."""
    command = [sys.executable, "-c", LOADER]
    with subprocess.Popen(command, cwd=site.folder, stdout=subprocess.PIPE, text=True) as one:
        yield Process(one)
        one.kill()


def test_a_process_that_is_asked_to_end_answers_all_that_it_was_given(site: Site, process: Process) -> None:
    with process.visitor() as first, process.visitor() as second, process.visitor() as third:
        assert asked(first, "ask") == "begun"
        process.process.terminate()
        until(lambda: refused(process), "it takes nothing more", 30)
        site.closed.touch()
        assert asked(first, "answer") == "hello"
        for waiting in (second, third):
            assert asked(waiting, "ask") == "begun"
            assert site.busy()
            assert asked(waiting, "answer") == "closed for a while"
    assert process.process.wait(30) == 0
    assert (site.folder / "web.log").read_text() == "", "and it is no error"


def refused(process: Process) -> bool:
    """Tell whether it refuses to be asked, so that Passenger asks another."""
    try:
        process.visitor().close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_process_that_nobody_asks_anything_ends_at_once(site: Site, process: Process) -> None:
    process.process.terminate()
    assert process.process.wait(30) == 0
    assert (site.folder / "web.log").read_text() == ""
