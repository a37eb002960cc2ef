"""The plain form of a backup: one tar, written and read as a stream, which people can unpack without crmhost too.

In this order: `keys/NAME`, `database.dump/000000`, `…/000001`, … (pieces of one `pg_dump --format=custom` or SQLite
file, since a tar tells each member's size before its content; `cat` joins them), `data/…` as it lies in the
customer's data folder, and last `contents.json`, whose absence tells that more is missing. It says nothing of the kind
of target that it was made on, so it comes back on any that has the same database.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import BinaryIO

from crm.backup import Contents
from crm.errors import CrmhostError, HostError

VERSION = 1
PIECE = 1 << 20
"""Bytes that are moved at once."""
KEYS, DATABASE, DATA, CONTENTS = "keys/", "database.dump/", "data/", "contents.json"
POSTGRESQL, SQLITE = b"PGDMP", b"SQLite format 3\0"
"""How a dump of each database begins."""
PART = 8 << 20
"""Bytes of a piece of the database's dump; one is held in memory."""
_SMALL = 16 << 20
"""Bytes that `contents.json` or a key may have."""
_KINDS = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE})


class Writer:
    """Writes a bundle, its parts in the order of the page's head."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self._keys: list[str] = []
        self._files = 0
        self._bytes = 0

    def key(self, name: str, text: str) -> None:
        """Write one secret."""
        self._keys.append(name)
        self._whole(KEYS + name, text.encode())

    def database(self, dump: Iterable[bytes]) -> None:
        """Write the database's dump, in pieces."""
        held, number = bytearray(), 0
        for chunk in dump:
            held += chunk
            while len(held) >= PART:
                self._whole(f"{DATABASE}{number:06}", bytes(held[:PART]))
                del held[:PART]
                number += 1
        if held:
            self._whole(f"{DATABASE}{number:06}", bytes(held))

    def data(self, source: BinaryIO) -> None:
        """Copy a tar of the data volume, whose names are relative to it. Devices and sockets are left out.

        Raises HostError for a tar that is cut short.
        """
        try:
            with tarfile.open(fileobj=source, mode="r|", bufsize=PIECE) as tar:
                while (member := tar.next()) is not None:
                    _forget(tar)
                    if member.type in _KINDS:
                        self._member(tar, member)
        except tarfile.TarError as error:
            raise HostError(f"the files of the data volume could not be read to their end: {error}") from error

    def end(self, contract: str, tables: Mapping[str, int], database: str) -> Contents:
        """Write what the bundle holds, then the end of the tar, and return it."""
        contents = Contents(dict(tables), self._files, self._bytes, tuple(self._keys), database)
        body = {"version": VERSION, "contract": contract, **asdict(contents)}
        self._whole(CONTENTS, json.dumps(body, ensure_ascii=False).encode())
        self._sink.write(bytes(2 * tarfile.BLOCKSIZE))
        return contents

    def _member(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        for piece in _copied(tar, member, DATA + member.name, DATA):
            self._sink.write(piece)
        if member.isreg() or member.islnk():  # a second name of a file is a file too, without bytes of its own
            self._files += 1
            self._bytes += member.size if member.isreg() else 0

    def _whole(self, name: str, content: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(content), 0o600
        self._sink.write(info.tobuf(tarfile.PAX_FORMAT) + content + _padding(info.size))


class Reader:
    """Reads a bundle, its parts in their order; raises CrmhostError for what no crmhost wrote, or was cut short."""

    def __init__(self, source: BinaryIO) -> None:
        with _whole():
            self._tar = tarfile.open(fileobj=source, mode="r|", bufsize=PIECE)  # noqa: SIM115 -- its source is the caller's
            self._next = self._tar.next()

    def keys(self) -> dict[str, str]:
        """Return the secrets that were in use when the backup was made, by name."""
        with _whole():
            return {name.removeprefix(KEYS): self._small(member).decode() for name, member in self._below(KEYS)}

    def database(self, begins: bytes) -> Iterator[bytes]:
        """Yield the database's dump; raises HostError when it does not begin so: it is another database's."""
        first = True
        with _whole():
            for _, member in self._below(DATABASE):
                for piece in _content(self._tar, member):
                    if first and not piece.startswith(begins):
                        raise _another(piece, begins)
                    first = False
                    yield piece

    def data(self) -> Iterator[bytes]:
        """Yield a tar of what lies in the data volume, with names relative to it."""
        with _whole():
            for name, member in self._below(DATA):
                below = PurePosixPath(name.removeprefix(DATA))
                if below.is_absolute() or ".." in below.parts or member.type not in _KINDS:
                    raise _broken(f"{name!r} is no file of a data volume")
                if member.islnk():
                    member.linkname = member.linkname.removeprefix(DATA)
                yield from _copied(self._tar, member, str(below), "")
        yield bytes(2 * tarfile.BLOCKSIZE)

    def end(self) -> tuple[str, Contents]:
        """Return the contract that the bundle is of, and what it holds."""
        with _whole():
            for name, member in self._below(CONTENTS):
                if name == CONTENTS:
                    return _contents(self._small(member))
        raise _broken("it ends before its contents are told")

    def _below(self, prefix: str) -> Iterator[tuple[str, tarfile.TarInfo]]:
        """Yield the members from here on whose names begin so; the content of one is read before the next is asked."""
        while self._next is not None and self._next.name.startswith(prefix):
            yield self._next.name, self._next
            _forget(self._tar)
            self._next = self._tar.next()

    def _small(self, member: tarfile.TarInfo) -> bytes:
        if member.size > _SMALL:
            raise _broken(f"{member.name} has {member.size} bytes")
        return b"".join(_content(self._tar, member))


def read_keys(source: BinaryIO) -> dict[str, str]:
    """Return the secrets that encrypt what the data holds, as they were when it was dumped; they come first in it."""
    return Reader(source).keys()


@contextmanager
def _whole() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, UnicodeDecodeError) as error:
        raise _broken(str(error)) from error


def _forget(tar: tarfile.TarFile) -> None:
    """Let the tar keep no list of what was read: a stream never goes back, and there may be a million files."""
    tar.members.clear()  # type: ignore[attr-defined]  # typeshed does not know it


def _copied(tar: tarfile.TarFile, member: tarfile.TarInfo, name: str, below: str) -> Iterator[bytes]:
    """Yield a member once more, header and content, under another name; what it links to lies `below` as well."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime = member.type, member.mode, member.mtime
    info.uid, info.gid = member.uid, member.gid
    info.size = member.size if member.isreg() else 0
    info.linkname = below + member.linkname if member.islnk() else member.linkname
    yield info.tobuf(tarfile.PAX_FORMAT)
    if member.isreg():
        yield from _content(tar, member)
        yield _padding(info.size)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    file = tar.extractfile(member)
    left = member.size
    while file is not None and left:
        piece = file.read(min(PIECE, left))
        if not piece:
            raise tarfile.ReadError(f"{member.name} is cut short")
        left -= len(piece)
        yield piece


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


def _contents(raw: bytes) -> tuple[str, Contents]:
    try:
        body = json.loads(raw)
        if body["version"] > VERSION:
            raise CrmhostError(
                f"the backup was made by a newer crmhost (form {body['version']}, this one knows {VERSION})",
                "Use that crmhost, or a newer one.",
            )
        held = Contents(dict(body["tables"]), body["files"], body["bytes"], tuple(body["keys"]), body["database"])
        return str(body["contract"]), held
    except (ValueError, KeyError, TypeError) as error:
        raise _broken(f"{CONTENTS}: {type(error).__name__}") from error


def _another(found: bytes, wanted: bytes) -> HostError:
    names = {POSTGRESQL: "PostgreSQL", SQLITE: "SQLite"}
    holds = next((name for begins, name in names.items() if found.startswith(begins)), "no database that crmhost knows")
    return HostError(
        f"the backup holds {holds}, and the target keeps the data in {names[wanted]}; nothing was changed",
        "Restore it where the CRM runs on that database.",
    )


def _broken(why: str) -> CrmhostError:
    return CrmhostError(f"the backup's contents cannot be read: {why}", "Use another backup: crmhost backup NAME list")
