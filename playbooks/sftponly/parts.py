"""Data on its way to a host, in parts of a few MiB: so nothing is held whole, here or there, however large it is.

Many parts are one pack, which the installer unpacks into the operation's own folder while it is on its way.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO

from playbooks.sftponly.pack import make
from playbooks.sftponly.send import Sender
from playbooks.sftponly.tree import Delta, Member, listing
from playbooks.sftponly.way import Way

PART = 8 << 20
"""Bytes of a part; `onhost/fill.php` counts on it."""
_BATCH_BYTES, _BATCH_PARTS = 32 << 20, 1000
"""How much is kept here until it is sent."""


class Parts:
    """Sends parts into a folder below the contract's own."""

    def __init__(self, way: Way, folder: str) -> None:
        self._way = way
        self._folder = folder
        self._batch = _Batch()
        self._sent = 0

    def add(self, name: str, data: bytes) -> None:
        """Send one part; none may come twice."""
        self._batch.add(name, data)
        if self._batch.size >= _BATCH_BYTES or len(self._batch.members) >= _BATCH_PARTS:
            self._send()

    def text(self, name: str, pieces: Iterable[bytes]) -> None:
        """Send bytes as the parts of one text, which are called by number."""
        for number, data in enumerate(cut(pieces)):
            self.add(f"{name}/{number:06}", data)

    def end(self) -> None:
        """Send what is left."""
        if self._batch.members:
            self._send()
        self._batch.close()

    def _send(self) -> None:
        batch, way = self._batch, self._way
        members = tuple(sorted(batch.members, key=lambda one: one.path))
        pack = make(batch, listing(members), Delta(members, (), None), None)
        sender = Sender(way.files, way.installer, way.layout, _silently, way.confirm)
        try:
            sender.unpacked(pack, f"{self._folder}/parts", f"{self._folder}/sent")
        finally:
            way.files.drop(way.layout.below(pack.name))
        self._sent += batch.size
        way.say("upload", "note", f"{self._sent >> 20} MiB are there")
        batch.close()
        self._batch = _Batch()


class _Batch:
    """Parts that are kept in a file without a name until they are sent."""

    def __init__(self) -> None:
        self._spool: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by close
        self._places: dict[str, int] = {}
        self.members: list[Member] = []
        self.size = 0

    def add(self, name: str, data: bytes) -> None:
        self._places[name] = self.size
        self.members.append(Member(name, hashlib.sha256(data).hexdigest(), len(data)))
        self.size += self._spool.write(data)

    def read(self, member: Member) -> Iterator[bytes]:
        self._spool.seek(self._places[member.path])
        yield self._spool.read(member.size)

    def close(self) -> None:
        self._spool.close()


def cut(pieces: Iterable[bytes], size: int = PART) -> Iterator[bytes]:
    """Yield the same bytes in pieces of exactly so many, but for the last. Pure."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)


def _silently(subject: str, state: str, detail: str = "") -> None:
    """Say nothing: what is told is how much of the whole has arrived."""
