"""The billing receiver behind a server that misbehaves in named ways, one fault for each request in turn."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal, TypeAlias, cast

from crmhost.receiver import Answer, Receiver

Fault: TypeAlias = Literal[
    "none",
    "time-out before",  # never answers, and never takes the message
    "time-out after",  # takes the message, never answers
    "500 before",
    "500 after",
    "reset before",
    "reset after",
    "drip after",  # a byte of the answer now and then
    "huge after",  # ten megabytes of answer
    "garbage after",  # 200, and not JSON
    "empty after",  # 204
    "410",
    "400",
    "429",
    "503 with a date",
    "redirect",
    "blank 404",
]

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  # the example secret of Standard Webhooks


@dataclass
class FaultyServer:
    """A running server: `faults` are used up from the left, then it behaves; `seen` is every request's method."""

    receiver: Receiver
    faults: deque[Fault]
    url: str = ""
    seen: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def next_fault(self, method: str) -> Fault:
        with self.guard:
            self.seen.append(method)
            return self.faults.popleft() if self.faults else "none"

    def posts(self) -> int:
        return self.seen.count("POST")

    def keys(self) -> list[str]:
        return [message["data"]["key"] for message in self.receiver.credits()]


@contextmanager
def faulty_server(
    folder: Path, *faults: Fault, secrets: tuple[str, ...] = (SECRET,), tls: ssl.SSLContext | None = None
) -> Iterator[FaultyServer]:
    """Run the receiver on loopback with these faults; `tls` is a server's context."""
    state = FaultyServer(Receiver(folder / "received.db", secrets), deque(faults))
    server = _Server(state)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    state.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}/billing"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        state.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, state: FaultyServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state = state

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away: these tests are about them."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def state(self) -> FaultyServer:
        return cast(_Server, self.server).state

    def do_GET(self) -> None:
        self._serve("GET", b"")

    def do_POST(self) -> None:
        self._serve("POST", self.rfile.read(int(self.headers["Content-Length"])))

    def _serve(self, method: str, body: bytes) -> None:
        fault = self.state.next_fault(method)
        self.close_connection = True
        if fault in _PLAIN:
            status, headers, text = _PLAIN[fault]
            self._send(status, headers, text)
            return
        answer = Answer(0, {})
        if not fault.endswith("before"):
            answer = self.state.receiver.handle(method, self.path, dict(self.headers.items()), body)
        if fault == "none":
            self._send(answer.status, {"Content-Type": "application/json"}, json.dumps(answer.body).encode())
        else:
            self._misbehave(fault)

    def _misbehave(self, fault: Fault) -> None:
        if fault.startswith("time-out"):
            self.state.stopping.wait(20)
        elif fault.startswith("500"):
            self._send(500, {}, b"")
        elif fault.startswith("reset"):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif fault == "drip after":
            self._drip()
        elif fault == "huge after":
            self._send(200, {}, b'{"receipt": "' + b"R" * 10_000_000 + b'"}')
        elif fault == "garbage after":
            self._send(200, {}, b"\x00\xff<html>")
        else:
            self._send(204, {}, b"")

    def _drip(self) -> None:
        for byte in b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"receipt": "R-0001"}':
            if self.state.stopping.wait(0.1):
                return
            try:
                self.wfile.write(bytes([byte]))
            except OSError:
                return

    def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            return

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the parameter's inherited name
        pass


_PLAIN: Mapping[str, tuple[int, Mapping[str, str], bytes]] = {
    "410": (410, {}, b""),
    "400": (400, {}, b'{"detail": "no such account \\u001b[31m"}'),
    "429": (429, {"Retry-After": "7200"}, b""),
    "503 with a date": (503, {"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}, b""),
    "redirect": (307, {"Location": "http://127.0.0.1:9/elsewhere"}, b""),
    "blank 404": (404, {}, b"<html>not found</html>"),
}
