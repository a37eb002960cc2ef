"""What is sent: a stream with a head that says what becomes of the tree, then the files' bytes in pieces of gzip.

It is made while it is sent. The same content makes the same bytes, so an upload that was cut goes on where it stopped.
Each piece stands for itself, so the installer goes on in the middle when PHP's time for one request is over.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from playbooks.sftponly.tree import Delta, Listing, Member

MAGIC = b"crmhost1"
PIECE = 1 << 20
"""Bytes of a piece before it is compressed; only the head, a list of names, may be longer."""
LEVEL = 3
"""Of compression: a higher one takes longer than the bytes that it saves need on a common line."""


class Content(Protocol):
    """What has the bytes of files."""

    def read(self, member: Member) -> Iterator[bytes]:
        """Yield a file's bytes; of one file at a time, and each time the same."""
        ...


@dataclass(frozen=True, slots=True)
class Pack:
    """What is to be sent of a tree. head: JSON, with the digest of every file; members: in the order of the head."""

    tree: Content = field(repr=False)
    head: bytes = field(repr=False)
    members: tuple[Member, ...] = field(repr=False)

    @property
    def name(self) -> str:
        """Return its name on the host: the same for the same content."""
        return f"packs/{hashlib.sha256(self.head).hexdigest()[:32]}"

    def pieces(self, after: int = 0) -> Iterator[bytes]:
        """Make its bytes, piece by piece, without the first so many; each time the same."""
        for piece in self._whole():
            yield piece[after:]
            after -= min(after, len(piece))

    def _whole(self) -> Iterator[bytes]:
        yield MAGIC + _piece(self.head)
        waiting = bytearray()
        for member in self.members:
            for data in self.tree.read(member):
                waiting += data
                while len(waiting) >= PIECE:
                    yield _piece(bytes(waiting[:PIECE]))
                    del waiting[:PIECE]
        if waiting:
            yield _piece(bytes(waiting))

    def prefix(self, size: int) -> str | None:
        """Return the digest (hex) of its first bytes; None where it has fewer."""
        digest, left = hashlib.sha256(), size
        for piece in self.pieces():
            digest.update(piece[:left])
            left -= min(left, len(piece))
            if not left:
                return digest.hexdigest()
        return None


@dataclass(frozen=True, slots=True)
class Base:
    """The release on the host to start from: the paths of its tree and of its list, below the contract's folder."""

    tree: str
    list: str


def make(tree: Content, want: Listing, changes: Delta, base: Base | None) -> Pack:
    """Return the pack that makes `want` of what the host has."""
    head = {
        "version": 1,
        "base": None
        if base is None or changes.base is None
        else {"tree": base.tree, "list": base.list, "sha256": changes.base.sha256},
        "sha256": want.sha256,
        "gone": list(changes.gone),
        "files": [[one.path, one.sha256, one.size] for one in changes.files],
    }
    return Pack(tree, json.dumps(head, separators=(",", ":")).encode(), changes.files)


def _piece(data: bytes) -> bytes:
    packed = gzip.compress(data, LEVEL, mtime=0)
    return len(packed).to_bytes(4, "big") + packed
