"""A way from a loopback port here to the pages of a release that serves nobody, with no more than a login needs.

Each request goes over https to a page of ours, which shows that one release and does nothing else. Its token goes in a
header, the path that was asked for in another. Styles and pictures are not sent.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from crm.errors import CrmhostError, GateFailed
from playbooks.sftponly.installer import Installer, Shown
from playbooks.sftponly.layout import Layout
from playbooks.sftponly.release import Kept
from playbooks.sftponly.sftp import Files
from playbooks.sftponly.web import Asked, Site, Whole
from playbooks.terminal import safe_line

_SENT = 1 << 20
"""Bytes of a form at most."""
_LONGEST = 25.0
"""Seconds that an answer may take: less than whoever asks waits."""
_SILENT = 10.0
"""Seconds that whoever has connected may say nothing."""
_PASSED_ON = ("Accept", "Accept-Language", "Content-Type", "Cookie", "Origin", "Referer", "User-Agent")
_OF_THE_WAY = frozenset(
    ("connection", "content-length", "date", "keep-alive", "server", "transfer-encoding", "upgrade", "x-crmhost")
)
"""Headers of an answer that are of one connection, or ours."""
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?")
_PATH = re.compile(r"/[!-~]{0,4000}")
_SECURE = re.compile(r";\s*secure\s*(?=;|$)", re.IGNORECASE)


@contextmanager
def inside(
    files: Files, site: Site, layout: Layout, kept: Kept, tell: Callable[[str], None]
) -> Iterator[tuple[str, int]]:
    """Give a loopback address here at which the release answers for as long as this is held; the page goes with it.

    files: a channel that nothing else uses meanwhile. tell: is told why a request could not be passed on. Raises
    GateFailed where the site does not let the page run.
    """
    installer = Installer(files, site, layout, "show", tell, shows=kept.folder)
    try:
        relay = _Relay(installer, kept, tell)
        relay.try_it()
        with _Server(relay) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="inside", daemon=True)
            thread.start()
            try:
                yield "127.0.0.1", server.server_port
            finally:
                server.shutdown()
                thread.join()
    finally:
        installer.leave()
        files.close()


class _Relay:
    """Passes requests on, one at a time."""

    def __init__(self, installer: Installer, kept: Kept, tell: Callable[[str], None]) -> None:
        self._installer = installer
        self._kept = kept
        self._tell = tell

    def try_it(self) -> None:
        """Raise GateFailed unless the page is run; the release is asked nothing."""
        answer = self._installer.page(Shown(self._kept.folder, "none"), "/", {}, _LONGEST)
        if not answer.ours:
            raise GateFailed(
                f"the page of PHP through which the copy is asked answered {safe_line(str(answer)[:200])!r}",
                "Is somebody at work on the host, or does a firewall for web applications stand before PHP?",
            )

    def pass_on(self, host: str, asked: Asked) -> Whole | str:
        """Return the release's answer, or why there is none."""
        try:
            shown = Shown(self._kept.folder, self._kept.manifest.web_root, f"http://{host}")
            answer = self._installer.passed(shown, asked, _LONGEST)
        except CrmhostError as error:  # its page could not be put there anew
            return self._none(error.what)
        if answer.status and answer.ours:
            return answer
        said = answer.body[:200].decode("utf-8", "replace")
        return self._none(f"the site answered {answer.status} {said}" if answer.status else f"no answer: {said}")

    def _none(self, why: str) -> str:
        why = safe_line(why, 300)
        self._tell(f"a request could not be passed on: {why}")
        return why


class _Server(HTTPServer):
    """Answers on a spare loopback port, one connection after the other: there is one browser."""

    def __init__(self, relay: _Relay) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.relay = relay

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 -- as its base has it
        """Say nothing: whoever asked has gone, and what he asked for is nobody else's business."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _SILENT

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdecimal() or int(length) > _SENT:
            self._refuse(413, f"a form has {_SENT} bytes at most, and says how many")
            return
        self._answer(self.rfile.read(int(length)))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- as its base has it
        """Write nothing: there are secrets in what is asked."""

    def _answer(self, body: bytes) -> None:
        host = self.headers.get("Host", "")
        if not _HOST.fullmatch(host) or not _PATH.fullmatch(self.path):
            self._refuse(400, "not a request of a browser")
            return
        headers = {name: value for name in _PASSED_ON if (value := self.headers.get(name)) is not None}
        got = self.server.relay.pass_on(host, Asked(self.command, self.path, headers, body))
        if isinstance(got, str):
            self._refuse(502, got)
            return
        self.send_response_only(got.status)
        for name, value in got.headers:
            if name.lower() not in _OF_THE_WAY:
                value = " ".join(value.splitlines())  # noqa: PLW2901 -- one that was folded is one line again
                self.send_header(name, plain(value) if name.lower() == "set-cookie" else value)
        self._end(got.body)

    def _refuse(self, status: int, why: str) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self._end(why.encode())

    def _end(self, body: bytes) -> None:
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def plain(cookie: str) -> str:
    """Return a cookie that comes back over http too, which the way on this machine is. Pure."""
    return _SECURE.sub("", cookie)
