"""Runs on the host, in a release's folder: its WSGI application, as Passenger and a candidate's own server see it.

Beside it lies crmhost_wsgi.json: `python`; `entry`, such as `site_wsgi:application`; `cwd` and `env` of the web
process; `mark`, which tells releases apart; `closed`, a file while whose existence
only 503 is answered, with `page`; `log`.
"""

import fcntl
import http
import importlib
import json
import os
import pathlib
import socketserver
import sys
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIServer, make_server

HERE = pathlib.Path(__file__).resolve().parent
ALIVE = "alive"
"""The file of a release that each of its processes holds while it lives."""
MARK = "X-Crmhost-Release"
"""The header that says which release answers; its value is a digest, so it names neither the CRM nor its version."""

Start = Callable[..., Any]
Application = Callable[[dict[str, Any], Start], Iterable[bytes]]


def read() -> dict[str, Any]:
    """Return what the release says of its application."""
    spec: dict[str, Any] = json.loads((HERE / "crmhost_wsgi.json").read_text("utf-8"))
    return spec


def load(spec: dict[str, Any], *, tried: bool = False) -> Application:
    """Import the recipe's application, in its folder, and let every answer carry the release's mark.

    tried: it is a candidate, which the deploy alone asks, so it answers while customers are out.
    """
    os.chdir(spec["cwd"])
    sys.path.insert(0, spec["cwd"])
    module, _, name = spec["entry"].partition(":")
    inner: Application = getattr(importlib.import_module(module), name)

    def marked(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *rest: object) -> object:
            return start_response(status, [*headers, (MARK, spec["mark"])], *rest)

        if not tried and pathlib.Path(spec["closed"]).exists():
            return closed(start, pathlib.Path(spec["page"]))
        environ.setdefault("HTTP_X_FORWARDED_PROTO", environ["wsgi.url_scheme"])
        return inner(environ, start)

    return marked


def closed(start: Start, page: pathlib.Path) -> Iterable[bytes]:
    """Answer that the site is closed for a while."""
    busy = http.HTTPStatus.SERVICE_UNAVAILABLE
    body = page.read_bytes() if page.exists() else b""
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body))), ("Retry-After", "120")]
    start(f"{busy.value} {busy.phrase}", headers)
    return [body]


def served() -> Application:
    """Return the application for the host's web server: what it prints as an error goes to the web process's log."""
    fcntl.flock(os.open(HERE / ALIVE, os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_SH)  # until this process ends
    spec = read()
    os.environ.update(spec["env"])
    descriptor = os.open(spec["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    return load(spec)


class Server(socketserver.ThreadingMixIn, WSGIServer):
    """One thread for each request, none of which keeps the candidate alive."""

    daemon_threads = True


def main() -> None:
    """Serve at the address that is given, as the candidate of a deploy."""
    host, _, port = sys.argv[1].rpartition(":")
    with make_server(host, int(port), load(read(), tried=True), server_class=Server) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
