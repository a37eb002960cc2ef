"""A program on a host that is talked to in bytes, both ways, beside the jobs of the lock."""

from __future__ import annotations

import base64
import io
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from crm.errors import HostError
from playbooks.host import Host, Stream
from playbooks.keeper import BOOT
from playbooks.onhost.frames import Cut, Refusal, Sink, Source, pieces
from playbooks.shell import Sh, lines, sh
from playbooks.terminal import safe

SILENCE = 3600.0
"""Seconds for which the program may say nothing: it may read through a large database meanwhile."""


class Talk:
    """The program's streams. what: what it does, for an error."""

    def __init__(self, what: str, stream: Stream) -> None:
        self._what = what
        self._stream = stream

    def part(self) -> Iterator[bytes]:
        """Yield the pieces of the next part that the program tells; raises HostError where it gives up."""
        try:
            yield from pieces(self._read)
        except Refusal as refusal:
            raise HostError(
                f"{self._what}: {safe(str(refusal), 1000)}", "Has the host's disk room? Mend it and try again."
            ) from refusal
        except Cut as cut:
            raise HostError(
                f"{self._what}: {cut}", "The program on the host ended early; look at its log and try again."
            ) from cut

    def raw(self) -> BinaryIO:
        """Return all that the program prints, to its end, as a file to read from."""
        return io.BufferedReader(_Raw(self), 1 << 20)

    def file(self) -> BinaryIO:
        """Return the next part as a file to read from."""
        return cast(BinaryIO, Source(self.part()))

    def tell(self, parts: Iterator[bytes]) -> None:
        """Hand a part over; raises HostError with the program's own reason where it takes no more."""
        sink = Sink(cast(BinaryIO, self))
        for piece in parts:
            sink.write(piece)
        sink.end()

    def send(self, data: bytes) -> None:
        """Hand bytes over; raises HostError when the program is gone."""
        self._stream.send(data)

    def write(self, data: bytes) -> int:
        """Hand bytes over to a program that tells parts; raises HostError with its own reason when it is gone."""
        try:
            self.send(data)
        except HostError:
            for _ in self.part():  # it says why it has ended, when it can
                pass
            raise
        return len(data)

    def flush(self) -> None:
        """Do nothing: nothing is kept back."""

    def some(self, size: int) -> bytes:
        """Return what the program has printed, at most so many bytes; none at its end."""
        try:
            return self._stream.some(size, SILENCE)
        except TimeoutError as error:
            raise self._silent() from error

    def end(self) -> None:
        """Close the program's standard input."""
        self._stream.end()

    def _read(self, size: int) -> bytes:
        try:
            return self._stream.read(size, SILENCE)
        except TimeoutError as error:
            raise self._silent() from error

    def _silent(self) -> HostError:
        return HostError(f"{self._what}: silent for {SILENCE / 60:.0f} minutes", "Look at the host's load.")


class _Raw(io.RawIOBase):
    def __init__(self, talk: Talk) -> None:
        super().__init__()
        self._talk = talk

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed has a private type here
        data = self._talk.some(len(buffer))
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def talking(host: Host, what: str, script: Sh, log: str) -> Iterator[Talk]:
    """Run a program on the host while the block runs; what it complains of goes to the log there.

    Whatever a shell's profile prints comes before what the program says, and is passed over.
    """
    mark = secrets.token_hex(8)
    body = lines(sh("umask 077; printf '\\n%s\\n' {mark}; exec 2>>{log}", mark=mark, log=log), script)
    stream = host.start(BOOT)
    try:
        stream.send(base64.b64encode(body.text.encode("utf-8", "surrogateescape")) + b"\n")
        while (line := _line(stream, what)) != mark.encode():
            if line is None:
                raise HostError(f"{what}: the account runs no POSIX shell, or it ended early")
        yield Talk(what, stream)
    finally:
        stream.close()


def _line(stream: Stream, what: str) -> bytes | None:
    try:
        return stream.line(60.0)
    except TimeoutError as error:
        raise HostError(f"{what}: no answer within 60 s", "Look at the host's load, or try again.") from error
