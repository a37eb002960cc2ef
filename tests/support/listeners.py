"""Servers on loopback whose every answer a test writes byte by byte: good ones, slow ones, and all that goes wrong."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

Answer = Callable[["Exchange"], None]


@dataclass
class Exchange:
    """One connection: its request line's path, and the ways to answer it. `stopping` is set when the server ends."""

    connection: socket.socket
    path: str
    head: str
    stopping: threading.Event

    def send(self, data: bytes) -> None:
        """Send raw bytes."""
        self.connection.sendall(data)

    def answer(self, status: int = 200, body: bytes = b"welcome", **headers: str) -> None:
        """Send a whole answer; `location="/x"` is a header, underscores stand for hyphens."""
        lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([*lines, "", ""]).encode() + body)

    def hang(self) -> None:
        """Say nothing more until the client goes away or the server ends."""
        self.connection.settimeout(0.05)
        while not self.stopping.is_set():
            try:
                if not self.connection.recv(4096):
                    return
            except TimeoutError:
                continue
            except OSError:
                return

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        raw = self.connection
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()


@dataclass
class Listener:
    """A server that answers each connection by `answer`, one thread a connection, until it is closed."""

    answer: Answer
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    port: int = 0
    requests: list[str] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._socket = socket.create_server((self.host, self.port), family=family, backlog=128)
        self._socket.settimeout(0.05)
        self.port = self._socket.getsockname()[1]
        self._spawn(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and end every connection."""
        self._stopping.set()
        self._threads[0].join()
        self._socket.close()
        for thread in self._threads[1:]:
            thread.join()

    def url(self, path: str = "/", host: str | None = None) -> str:
        """The URL of a path here; `host` replaces the address by another name of it."""
        name = host or (f"[{self.host}]" if ":" in self.host else self.host)
        return f"{'https' if self.tls else 'http'}://{name}:{self.port}{path}"

    def _spawn(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            self._spawn(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        with suppress(OSError), connection:
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection:
                self._exchange(connection)

    def _exchange(self, connection: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            part = connection.recv(4096)
            if not part:
                return
            data += part
        head = data.decode("latin-1")
        path = head.split(" ", 2)[1]
        self.requests.append(path)
        self.answer(Exchange(connection, path, head, self._stopping))
