"""An attached stream: the raw connection to a program in a container, both ways at once.

docker-py drops what arrives together with the answer's head, so the head is read here. Both outputs of the program are
always read: while one is unread, the engine runs nothing else in that container.
"""

from __future__ import annotations

import contextlib
import io
import json
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from crm.errors import HostError

_CHUNK = 1 << 16
_HEAD = 1 << 16
_STDERR = 2


class OutOfTime(HostError):
    """The program did not end in time."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a program printed, and its exit code. `both` has the two outputs as they arrived."""

    code: int
    stdout: bytes = field(repr=False)
    stderr: bytes = field(repr=False)
    both: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """Return everything that it printed as text."""
        return self.both.decode("utf-8", "replace")

    @property
    def said(self) -> str:
        """Return what it printed on standard output as text, without white space around it."""
        return self.stdout.decode("utf-8", "replace").strip()


class Stream:
    """A connection that the engine has turned into a program's streams."""

    def __init__(self, line: socket.socket, path: str, body: Mapping[str, object], subject: str) -> None:
        """Ask for the streams at `path` of the API; raises HostError when the engine refuses, OSError when it breaks.

        The connection belongs to the stream from now on.
        """
        self.line = line
        text = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        )
        line.sendall(head.encode() + text)
        status, self._rest = self._answer()
        if status not in {101, 200}:
            said = self._rest + b"".join(iter(lambda: line.recv(_CHUNK), b""))
            line.close()
            raise HostError(f"{subject}: the Docker engine said: {_message(said)}", "")

    def cut(self) -> None:
        """End the connection both ways; whoever reads it sees its end."""
        with contextlib.suppress(OSError):
            self.line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Cut the connection and give its socket back."""
        self.cut()
        self.line.close()

    def end_input(self) -> None:
        """Tell the program that no more input comes."""
        with contextlib.suppress(OSError):
            self.line.shutdown(socket.SHUT_WR)

    def frames(self, until: float) -> Iterator[tuple[int, bytes]]:
        """Yield (1 or 2, bytes) as the program prints; raises OutOfTime at the monotonic time `until`."""
        kept = self._rest
        while True:
            while len(kept) >= 8 and len(kept) >= 8 + (size := struct.unpack(">I", kept[4:8])[0]):
                yield kept[0], kept[8 : 8 + size]
                kept = kept[8 + size :]
            data = self._more(until)
            if not data:
                return
            kept += data

    def _more(self, until: float) -> bytes:
        ready, _, _ = select.select([self.line], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            raise OutOfTime("the program did not end in time", "")
        try:
            return self.line.recv(_CHUNK)
        except ConnectionResetError:
            return b""

    def _answer(self) -> tuple[int, bytes]:
        got = b""
        while b"\r\n\r\n" not in got:
            data = self.line.recv(_CHUNK)
            if not data or len(got) > _HEAD:
                raise ConnectionError("the engine closed the connection instead of answering")
            got += data
        head, _, rest = got.partition(b"\r\n\r\n")
        return int(head.split(None, 2)[1]), rest


@dataclass(frozen=True, slots=True)
class Streams:
    """What a program reads, and where it prints to; an output without a sink is kept in memory."""

    source: BinaryIO = field(default_factory=io.BytesIO)
    out: BinaryIO | None = None
    err: BinaryIO | None = None


def converse(stream: Stream, streams: Streams, until: float) -> Kept:
    """Feed the source to the program while its outputs go where they should, until it has ended; close the stream.

    Returns what had no sink. A program that does not read its input is not an error. Raises OutOfTime at the monotonic
    time `until`.
    """
    kept = Kept()
    feeder = _Feeder(stream, streams.source)
    feeder.start()
    try:
        for kind, data in stream.frames(until):
            if kind == _STDERR:
                _write(streams.err, kept.err, data)
            else:
                _write(streams.out, kept.out, data)
    finally:
        stream.close()
    feeder.join(1)  # a terminal's read may never end; the thread ends with the process then
    if feeder.broken is not None:
        raise feeder.broken
    return kept


class Kept:
    """Sinks that keep both outputs apart and together."""

    def __init__(self) -> None:
        self._out, self._err, self._both = io.BytesIO(), io.BytesIO(), io.BytesIO()

    def out(self, data: bytes) -> None:
        """Keep what came on standard output."""
        self._out.write(data)
        self._both.write(data)

    def err(self, data: bytes) -> None:
        """Keep what came on standard error."""
        self._err.write(data)
        self._both.write(data)

    def output(self, code: int) -> Output:
        """Return all of it."""
        return Output(code, self._out.getvalue(), self._err.getvalue(), self._both.getvalue())


class _Feeder(threading.Thread):
    """Carries a program's input. A source that breaks cuts the connection: half an input must not pass for all."""

    def __init__(self, stream: Stream, source: BinaryIO) -> None:
        super().__init__(name="feed", daemon=True)
        self._stream, self._source = stream, source
        self.broken: HostError | None = None

    def run(self) -> None:
        while True:
            try:
                data = self._source.read(_CHUNK)
            except (OSError, ValueError) as error:
                self.broken = HostError(f"the program's input broke off: {error}", "")
                self._stream.cut()
                return
            if not data:
                self._stream.end_input()
                return
            try:
                self._stream.line.sendall(data)
            except OSError:
                return  # the program has ended, and with it the connection


def _write(sink: BinaryIO | None, keep: Callable[[bytes], None], data: bytes) -> None:
    if sink is None:
        keep(data)
        return
    try:
        sink.write(data)
    except OSError as error:
        raise HostError(f"what the program printed could not be written here: {error}", "Is the disk full?") from error


def _message(body: bytes) -> str:
    start = body.find(b"{")
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(body[start : body.rfind(b"}") + 1])["message"])
    return body.decode("utf-8", "replace").strip()[:300]
