"""The application that Passenger runs, called here as a WSGI server calls one."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

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
