"""What is sent: one file with a head that says what becomes of the tree, then the files' bytes in pieces of gzip.

The same content makes the same bytes, so an upload that was cut goes on where it stopped. Each piece stands for itself,
so the installer goes on in the middle when PHP's time for one request is over.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from playbooks.sftponly.tree import Delta, Listing, Tree

MAGIC = b"crmhost1"
PIECE = 1 << 20
"""Bytes of a piece before it is compressed; only the head, a list of names, may be longer."""
LEVEL = 3
"""Of compression: a higher one takes longer than the bytes that it saves need on a common line."""


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack in a file of this machine. sha256: hex, of all of it."""

    file: BinaryIO
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """Return its name on the host."""
        return f"packs/{self.sha256[:32]}"

    def prefix(self, size: int) -> str:
        """Return the digest of its first bytes."""
        self.file.seek(0)
        return hashlib.sha256(self.file.read(size)).hexdigest()


@dataclass(frozen=True, slots=True)
class Base:
    """The release on the host to start from: the paths of its tree and of its list, below the contract's folder."""

    tree: str
    list: str


def make(tree: Tree, want: Listing, changes: Delta, base: Base | None, file: BinaryIO) -> Pack:
    """Write a pack to an empty file that can be read again."""
    digest = hashlib.sha256()

    def put(data: bytes) -> None:
        digest.update(data)
        file.write(data)

    head = {
        "version": 1,
        "base": None
        if base is None or changes.base is None
        else {"tree": base.tree, "list": base.list, "sha256": changes.base.sha256},
        "sha256": want.sha256,
        "gone": list(changes.gone),
        "files": [[one.path, one.sha256, one.size] for one in changes.files],
    }
    put(MAGIC)
    _piece(put, json.dumps(head, separators=(",", ":")).encode())
    sink = _Pieces(put)
    for member in changes.files:
        tree.write(member, sink)
    sink.finish()
    size = file.tell()
    return Pack(file, size, digest.hexdigest())


class _Pieces:
    """Cuts what is written into pieces."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self._put = put
        self._waiting = bytearray()

    def write(self, data: bytes, /) -> int:
        self._waiting += data
        while len(self._waiting) >= PIECE:
            _piece(self._put, bytes(self._waiting[:PIECE]))
            del self._waiting[:PIECE]
        return len(data)

    def finish(self) -> None:
        """Write what is left."""
        if self._waiting:
            _piece(self._put, bytes(self._waiting))
            self._waiting.clear()


def _piece(put: Callable[[bytes], None], data: bytes) -> None:
    packed = gzip.compress(data, LEVEL, mtime=0)
    put(len(packed).to_bytes(4, "big"))
    put(packed)
