"""Runs on the host: the maintenance page, in the place of the web process.

page.py ADDRESS RETRY-AFTER HTML: answers everything with 503. It begins before what served has ended, and takes the
address over at the moment that it is free.
"""

import pathlib
import signal
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

PAUSE = 0.01
"""Seconds between two tries for the address."""
BODY = 1 << 20
"""Bytes of a request that are read, so that its sender hears the answer."""


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Answers what was waiting when it is told to end."""

    daemon_threads = False
    request_queue_size = 128
    html = b""
    retry_after = ""

    def server_bind(self) -> None:
        """Take the address, also beside what is about to leave it."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()

    def drain(self) -> None:
        """Answer who has connected by now."""
        self.socket.settimeout(0)
        while True:
            try:
                request, client = self.get_request()
            except OSError:
                return
            request.settimeout(Handler.timeout)
            self.process_request(request, client)


class Handler(BaseHTTPRequestHandler):
    """The same answer to every request."""

    server: Server
    timeout = 10
    server_version, sys_version = "crmhost", ""

    def do_GET(self) -> None:
        """Show the page."""
        length = self.headers.get("Content-Length", "")
        if length.isdigit():
            self.rfile.read(min(int(length), BODY))
        self.send_response(503)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(self.server.html)))
        self.send_header("Retry-After", self.server.retry_after)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(self.server.html)

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Return the same answer for every other method of HTTP."""
        if name.startswith("do_"):
            return self.do_GET
        raise AttributeError(name)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name is the standard library's
        """Say nothing: everybody who comes gets the same answer."""


def main() -> None:
    """Serve until told to end."""
    address, retry_after, html = sys.argv[1:]
    host, _, port = address.rpartition(":")
    Server.html, Server.retry_after = pathlib.Path(html).read_bytes(), retry_after
    while True:
        try:
            server = Server((host, int(port)), Handler)
            break
        except OSError:
            time.sleep(PAUSE)
    signal.signal(signal.SIGTERM, lambda _number, _frame: threading.Thread(target=server.shutdown).start())
    with server:
        server.serve_forever(0.05)
        server.drain()


if __name__ == "__main__":
    main()
