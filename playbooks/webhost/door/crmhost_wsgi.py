"""Runs on the host, in a release's folder: its WSGI application, as Passenger and a candidate's own server see it.

Beside it lies crmhost_wsgi.json: `python`; `entry`, such as `site_wsgi:application`; `cwd` and `env` of the web
process; `mark`, which tells releases apart; `closed`, a file while whose existence
only 503 is answered, with `page`; `log`.
"""

import contextlib
import errno
import fcntl
import http
import importlib
import json
import os
import pathlib
import signal
import socket
import socketserver
import stat
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.simple_server import WSGIServer, make_server

HERE = pathlib.Path(__file__).resolve().parent
ALIVE = "alive"
"""The file of a release that each of its processes holds while it lives."""
BUSY = "busy"
"""The file of a release that each of its processes holds while a request is at work there."""
MARK = "X-Crmhost-Release"
"""The header that says which release answers; its value is a digest, so it names neither the CRM nor its version."""

Start = Callable[..., Any]
Application = Callable[[dict[str, Any], Start], Iterable[bytes]]


def read() -> dict[str, Any]:
    """Return what the release says of its application."""
    spec: dict[str, Any] = json.loads((HERE / "crmhost_wsgi.json").read_text("utf-8"))
    return spec


class Busy:
    """The requests at work in this process: while there is one, a file is held, for whoever shuts customers out."""

    def __init__(self) -> None:
        self._file = os.open(HERE / BUSY, os.O_RDWR | os.O_CREAT, 0o600)
        self._lock, self._number = threading.Lock(), 0

    def begin(self) -> None:
        """Count one more."""
        with self._lock:
            self._number += 1
            if self._number == 1:
                fcntl.flock(self._file, fcntl.LOCK_SH)

    def end(self) -> None:
        """Count one less."""
        with self._lock:
            self._number -= 1
            if self._number == 0:
                fcntl.flock(self._file, fcntl.LOCK_UN)


class Answer:
    """The body of an answer, whose request is at work until the server has closed it."""

    def __init__(self, body: Iterable[bytes], busy: Busy) -> None:
        self._body, self._busy = body, busy

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """Let the application clear up."""
        try:
            getattr(self._body, "close", lambda: None)()
        finally:
            self._busy.end()


def load(spec: dict[str, Any]) -> Application:
    """Import the recipe's application, in its folder, and let every answer carry the release's mark."""
    os.chdir(spec["cwd"])
    sys.path.insert(0, spec["cwd"])
    module, _, name = spec["entry"].partition(":")
    inner: Application = getattr(importlib.import_module(module), name)

    def marked(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        environ.setdefault("HTTP_X_FORWARDED_PROTO", environ["wsgi.url_scheme"])
        return inner(environ, signed(start_response, spec))

    return marked


def signed(start_response: Start, spec: dict[str, Any]) -> Start:
    """Return what begins an answer with the release's mark."""

    def start(status: str, headers: list[tuple[str, str]], *rest: object) -> object:
        return start_response(status, [*headers, (MARK, spec["mark"])], *rest)

    return start


def guarded(spec: dict[str, Any]) -> Application:
    """Return what shows the page while customers are out; the application is imported only while they are not.

    A process that begins meanwhile must not touch a database that is being changed.
    """
    shut, busy, lock = pathlib.Path(spec["closed"]), Busy(), threading.Lock()
    loaded = [] if shut.exists() else [load(spec)]

    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        busy.begin()  # before the look: whoever shuts customers out makes the file first, and then looks for us
        try:
            if shut.exists():
                return Answer(closed(signed(start_response, spec), pathlib.Path(spec["page"])), busy)
            with lock:
                if not loaded:
                    loaded.append(load(spec))
            return Answer(loaded[0](environ, start_response), busy)
        except BaseException:
            busy.end()
            raise

    return application


def closed(start: Start, page: pathlib.Path) -> Iterable[bytes]:
    """Answer that the site is closed for a while."""
    busy = http.HTTPStatus.SERVICE_UNAVAILABLE
    body = page.read_bytes() if page.exists() else b""
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body))), ("Retry-After", "120")]
    start(f"{busy.value} {busy.phrase}", headers)
    return [body]


def leave(*_: object) -> None:
    """End this process once it has answered all that it was given. A signal's handler.

    Its sockets take nothing more: Passenger, which gives the next request as soon as an answer is whole, gives it to
    another process then. Once nothing waits there, its loader fails to accept, and that is no error.
    """
    listening = False
    for number in [int(one.name) for one in pathlib.Path("/proc/self/fd").iterdir()]:
        with contextlib.suppress(OSError):  # what listed the folder is closed again
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                with socket.socket(fileno=os.dup(number)) as one:
                    if one.family == socket.AF_UNIX and one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                        one.shutdown(socket.SHUT_RD)
                        listening = True
    if not listening:
        os._exit(0)
    sys.excepthook = _left


def _left(kind: type[BaseException], error: BaseException, trace: types.TracebackType | None) -> None:
    if not (isinstance(error, OSError) and error.errno == errno.EINVAL):
        sys.__excepthook__(kind, error, trace)
    os._exit(0)


def served() -> Application:
    """Return the application for the host's web server: what it prints as an error goes to the web process's log."""
    fcntl.flock(os.open(HERE / ALIVE, os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_SH)  # until this process ends
    spec = read()
    os.environ.update(spec["env"])
    descriptor = os.open(spec["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    application = guarded(spec)
    signal.signal(signal.SIGTERM, leave)  # after the import, whatever the application's modules do at that signal
    return application


class Server(socketserver.ThreadingMixIn, WSGIServer):
    """One thread for each request, none of which keeps the candidate alive."""

    daemon_threads = True


def main() -> None:
    """Serve at the address that is given, as the candidate of a deploy."""
    host, _, port = sys.argv[1].rpartition(":")
    with make_server(host, int(port), load(read()), server_class=Server) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
