"""Archives are fetched from a real server over TLS: once, whole, and never another than the one that was pinned."""

from __future__ import annotations

import hashlib
import http.server
import io
import ssl
import tarfile
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest

from crm.errors import CrmhostError
from crm.plan import Event
from crm.recipe import Archive
from crmhost import fetch
from crmhost.fetch import Shelf
from tests.support.certificates import make_authority


def packed() -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as tar:
        for number in range(50):
            content = hashlib.sha256(str(number).encode()).digest() * 100
            entry = tarfile.TarInfo(f"crm-1.0/file{number}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return sink.getvalue()


CONTENT = packed()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Site:
    """A server with one file; cut: so many bytes come before the line breaks; ranges: it knows them."""

    url: str = ""
    content: bytes = CONTENT
    cut: int | None = None
    ranges: bool = True
    asked: list[str] = field(default_factory=list)
    trust: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    def archive(self, path: str = "/crm.tar.gz", sha256: str = SHA256) -> Archive:
        return Archive(self.url + path, sha256)

    def opens(self, request: urllib.request.Request) -> IO[bytes]:
        """Ask as crmhost does, but trust the tests' own authority."""
        opener = urllib.request.build_opener(fetch._HttpsAlone, urllib.request.HTTPSHandler(context=self.trust))  # noqa: SLF001 - with another trust
        answer: IO[bytes] = opener.open(request, timeout=10)
        return answer


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    authority = make_authority(tmp_path)
    site = Site()
    site.trust.load_verify_locations(authority.file)

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            site.asked.append(asked)
            if self.path.startswith("/moved"):
                self.send_response(302)
                self.send_header("Location", "http://127.0.0.1:1/" if "http" in self.path else "/crm.tar.gz")
                self.end_headers()
                return
            if not self.path.startswith("/crm"):
                self.send_error(404)
                return
            start = int(asked.removeprefix("bytes=").removesuffix("-") or 0) if site.ranges else 0
            if start >= len(site.content):
                self.send_error(416)
                return
            body = site.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if site.cut is None else body[: site.cut])
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.socket = authority.server("127.0.0.1").wrap_socket(server.socket, server_side=True)
    site.url = f"https://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def shelf(site: Site, tmp_path: Path, events: list[Event]) -> Shelf:
    return Shelf(tmp_path / "shelf", events.append, opens=site.opens)


def names(path: Path) -> list[str]:
    with tarfile.open(path) as tar:
        return tar.getnames()


def test_it_is_fetched_once_and_told(site: Site, shelf: Shelf, events: list[Event]) -> None:
    first = shelf(site.archive())
    assert names(first) == [f"file{number}" for number in range(50)]
    assert shelf(site.archive("/crm-elsewhere.tar.gz")) == first, "the checksum says what it is, not the address"
    assert site.asked == [""]
    assert [(event.subject, event.state) for event in events] == [
        ("archive crm.tar.gz", "begin"),
        ("archive crm.tar.gz", "done"),
    ]
    assert shelf.folder.stat().st_mode & 0o077 == 0
    assert [path.name for path in shelf.folder.iterdir() if path.suffix == ".part"] == []


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_was_cut_off_goes_on(site: Site, shelf: Shelf, ranges: bool) -> None:
    site.cut, site.ranges = 1000, ranges
    with pytest.raises(CrmhostError, match="could not be fetched"):
        shelf(site.archive())
    site.cut = None
    assert len(names(shelf(site.archive()))) == 50
    assert site.asked == ["", "bytes=1000-"]


def test_what_was_whole_before_a_kill_is_not_fetched_again(site: Site, shelf: Shelf) -> None:
    shelf.folder.mkdir()
    (shelf.folder / f"{SHA256}.part").write_bytes(CONTENT)
    assert len(names(shelf(site.archive()))) == 50
    assert site.asked == [f"bytes={len(CONTENT)}-"]


def test_another_archive_than_the_pinned_one_is_not_used(site: Site, shelf: Shelf) -> None:
    site.content = CONTENT + b"\0"
    with pytest.raises(CrmhostError) as refused:
        shelf(site.archive())
    found = hashlib.sha256(site.content).hexdigest()
    assert refused.value.what == f"{site.url}/crm.tar.gz: its SHA-256 is {found}, and {SHA256} was expected"
    assert not list(shelf.folder.glob("*.tar.gz")) + list(shelf.folder.glob("*.part"))
    site.content = CONTENT
    assert len(names(shelf(site.archive()))) == 50


def test_a_server_that_never_ends_is_left(site: Site, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "MOST_BYTES", 1000)
    with pytest.raises(CrmhostError, match="sends more than"):
        shelf(site.archive())


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/no.tar.gz", "HTTP Error 404"),
        ("/moved-to-http.tar.gz", "redirects to http://127.0.0.1:1/, which is no https"),
    ],
)
def test_what_cannot_be_fetched_says_how_a_closed_network_goes_on(
    site: Site, shelf: Shelf, path: str, why: str
) -> None:
    with pytest.raises(CrmhostError) as refused:
        shelf(site.archive(path))
    assert why in refused.value.what
    assert f"archives: [{{of: …, sha256: {SHA256}, file: PATH}}]" in refused.value.remedy


def test_a_redirect_within_https_is_followed(site: Site, shelf: Shelf) -> None:
    assert len(names(shelf(site.archive("/moved.tar.gz")))) == 50


def test_a_server_that_nobody_vouches_for_is_refused(site: Site, tmp_path: Path) -> None:
    with pytest.raises(CrmhostError, match="CERTIFICATE_VERIFY_FAILED"):
        Shelf(tmp_path / "shelf", lambda _: None)(site.archive())


def test_a_file_that_the_fleet_names_is_taken_instead_and_stays(site: Site, tmp_path: Path) -> None:
    own = tmp_path / "shelf" / "copy.tar.gz"
    own.parent.mkdir()
    own.write_bytes(CONTENT)
    shelf = Shelf(tmp_path / "shelf", lambda _: None, {SHA256: own}, site.opens)
    assert len(names(shelf(site.archive()))) == 50
    assert site.asked == []
    assert own.read_bytes() == CONTENT


def test_a_file_that_is_another_or_is_missing_is_named(site: Site, tmp_path: Path) -> None:
    own = tmp_path / "copy.tar.gz"
    shelf = Shelf(tmp_path / "shelf", lambda _: None, {SHA256: own}, site.opens)
    with pytest.raises(CrmhostError, match=r"copy\.tar\.gz: cannot be read"):
        shelf(site.archive())
    own.write_bytes(b"another")
    with pytest.raises(CrmhostError, match=r"copy\.tar\.gz: its SHA-256 is"):
        shelf(site.archive())
    assert site.asked == []


def test_several_deploys_at_once_fetch_it_once(site: Site, tmp_path: Path) -> None:
    shelves = [Shelf(tmp_path / "shelf", lambda _: None, opens=site.opens) for _ in range(4)]
    found: list[Path] = []
    threads = [threading.Thread(target=lambda each=each: found.append(each(site.archive()))) for each in shelves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found) == 4
    assert site.asked == [""]


@pytest.mark.parametrize("url", ["http://x.example/a.tar.gz", "https://x.example/a.exe", "file:///a.tar.gz", ""])
def test_an_archive_is_at_an_https_url(url: str) -> None:
    with pytest.raises(ValueError, match="at an https URL"):
        Archive(url, SHA256)


def test_a_checksum_is_one() -> None:
    with pytest.raises(ValueError, match="is no SHA-256"):
        Archive("https://x.example/a.zip", "abc")
