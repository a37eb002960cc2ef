"""The same pages for a web server that runs the application itself (WSGI)."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from http.client import parse_headers
from pathlib import Path
from typing import Any

from .store import Site, site
from .web import Handler

HERE: Site = site(Path("site.conf"))


class Wire:
    """A request that was read already, in the place of a socket; what is answered is kept."""

    def __init__(self, request: bytes) -> None:
        self.request = io.BytesIO(request)
        self.answer = b""

    def makefile(self, *_: object) -> io.BytesIO:
        return self.request

    def settimeout(self, _seconds: float | None) -> None:
        """Wait for nobody."""

    def sendall(self, data: bytes) -> None:
        self.answer += bytes(data)


class Server:
    """What a handler asks its server for."""

    here = HERE


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    wire = Wire(_request(environ))
    Handler(wire, (environ.get("REMOTE_ADDR", ""), 0), Server())  # type: ignore[arg-type] # the parts that it uses
    answer = io.BytesIO(wire.answer)
    status = answer.readline().decode().split(" ", 1)[1].strip()
    headers = [(name, value) for name, value in parse_headers(answer).items() if name not in {"Server", "Date"}]
    start_response(status, headers)
    return [answer.read()]


def _request(environ: dict[str, Any]) -> bytes:
    path = environ["PATH_INFO"] + (f"?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else "")
    length = int(environ.get("CONTENT_LENGTH") or 0)
    lines = [
        f"{environ['REQUEST_METHOD']} {path} HTTP/1.0",
        f"Content-Length: {length}",
        f"Cookie: {environ.get('HTTP_COOKIE', '')}",
    ]
    body: bytes = environ["wsgi.input"].read(length) if length else b""
    return "\r\n".join([*lines, "", ""]).encode() + body
