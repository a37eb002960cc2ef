"""A backup back into a host that gives SFTP alone, in place of the customer's data. Nobody is inside meanwhile.

All of it is brought beside what is there, read and counted; only then the database is emptied and filled, in slices of
some seconds, and counted again. Files take their place last. Killed at any point and done again, it comes out the same.
"""

from __future__ import annotations

import base64
import contextlib
import io
import itertools
import json
import secrets
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from crm.backup import Contents, check_counts
from crm.bundle import Reader
from crm.errors import CrmhostError, HostError
from crm.plan import Want
from crm.recipe import BackupSet
from playbooks.mover.mysqldump import ours
from playbooks.onhost.frames import Source
from playbooks.onhost.mysqltext import Reading, known, unknown
from playbooks.sftponly.parts import PART, Parts
from playbooks.sftponly.steps import database
from playbooks.sftponly.survey import folders_of
from playbooks.sftponly.way import INCOMING, Way
from playbooks.terminal import safe, safe_line

_AGAIN = "The maintenance page is shown, and the database may be half filled; mend it and give the same command again."


def load(way: Way, want: Want, source: BinaryIO) -> Contents:
    """Replace the customer's data by what the source holds, and return what is there now. Secrets are passed over.

    Until all of it was read and its counts are the dumped ones, nothing has changed. What fails later leaves the
    database half filled, and the same call again makes it whole.
    """
    folder = f"{INCOMING}{secrets.token_hex(8)}"
    try:
        way.files.folder(way.layout.below(folder))  # for this account alone, whatever the modes of what is in it
        brought = _beside(way, want, folder, source)
        way.confirm()
        try:
            _in_place(way, want, folder, brought)
        except HostError as error:
            raise HostError(
                f"{want.contract}: what was restored could not be put in place: {error.what}", _AGAIN
            ) from error
    except BaseException:
        with contextlib.suppress(CrmhostError):  # what failed is what is told
            way.installer.remove(folder, lambda: None)
        raise
    way.installer.remove(folder, way.confirm)
    return brought.contents


@dataclass(frozen=True, slots=True)
class Brought:
    """What lies beside. names: of what its files have just below the data folder."""

    contents: Contents
    names: tuple[str, ...]


def _beside(way: Way, want: Want, folder: str, source: BinaryIO) -> Brought:
    """Bring everything beside what is there; raises HostError where it is not whole, or not what was dumped."""
    way.say("restore", "begin", "beside what is there")
    reader, parts = Reader(source), Parts(way, folder)
    reader.keys()
    text = Text()
    parts.text("dump", text.read(ours(reader.database(b""), want.contract)))
    tree = Filed()
    for part, data in tree.read(reader.data()):
        parts.add(part, data)
    _, expected = reader.end()
    text.check(want)
    found = Contents(text.tables, tree.files, tree.length, expected.keys, expected.database)
    check_counts(want.contract, expected, found)
    if want.recipe.backup.database:
        _check_packet(way, want, text.longest)
        _check_collations(way, want, text.reading.collations)
    parts.text("list", tree.told())
    parts.end()
    if tree.names:
        for _ in way.installer.slices("arrange", folder=folder):
            way.confirm()
    way.say("restore", "note", f"{found.rows} rows and {found.files} files are beside what is there")
    return Brought(found, tuple(tree.names))


def _in_place(way: Way, want: Want, folder: str, brought: Brought) -> None:
    what = want.recipe.backup
    if what.database:
        db = database(way.server, want.contract)
        way.installer.ask("make_room", database=db, folder=folder)
        for _ in way.installer.slices("fill", database=db, folder=folder):
            way.confirm()
        _count(way, db, brought.contents.tables)
        # Every step that belongs to one release: the files that it made are not in a backup.
        way.installer.ask("forget", database=db, release="%")
    way.files.folder(way.layout.below("data"), 0o711)
    if brought.names or what.paths:
        way.files.folder(way.layout.below(f"{folder}/files"))
        names = [coded(name) for name in units(what, brought.names)]
        way.installer.ask("swap", names=names, folders=_folders(want), folder=folder)
    way.installer.ask("fresh")
    way.say("restore", "done", "in place")


def _count(way: Way, db: Mapping[str, object], tables: Mapping[str, int]) -> None:
    """Raise HostError where a table has not the rows that the dump has."""
    found: dict[str, int] = {}
    for answer in way.installer.slices("counted", database=db, tables=list(tables)) if tables else ():
        found.update({str(name): int(rows) for name, rows in answer["rows"]})
        way.confirm()
    for name, expected in tables.items():
        if found.get(name) != expected:
            raise HostError(f"{safe_line(name)} has {found.get(name)} rows, not the {expected} of the backup")


def _folders(want: Want) -> list[tuple[str, int]]:
    """Return the folders that a release expects, and what their modes must have at least."""
    kept = set(want.recipe.kept.values())  # the web server, which may be another account, hands out what is in them
    return [(name, 0o755 if name in kept else 0o700) for name in folders_of(want)]


def units(what: BackupSet, names: Sequence[str]) -> tuple[str, ...]:
    """Return what is replaced below the data folder: what a backup is of, and whatever else one has there. Pure."""
    known = {path.partition("/")[0] for path in what.paths}
    return (*what.paths, *sorted(name for name in names if name not in known))


def coded(name: str) -> str:
    """Return a file's name as JSON carries it, whatever its bytes are. Pure."""
    return base64.b64encode(name.encode("utf-8", "surrogateescape")).decode()


@dataclass(slots=True)
class Text:
    """A dump that is read through on its way. longest: the bytes of its longest statement."""

    reading: Reading = field(default_factory=Reading)
    longest: int = 0
    size: int = 0

    @property
    def tables(self) -> dict[str, int]:
        """Return the rows of each table."""
        return self.reading.tables

    def read(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the same bytes."""
        statement = 0
        for line in io.BufferedReader(Source(pieces), 1 << 20):
            self.reading.see(line)
            self.size += len(line)
            statement += len(line)
            if line.endswith(b";\n"):
                self.longest, statement = max(self.longest, statement), 0
            yield line

    def check(self, want: Want) -> None:
        """Raise HostError for half a dump, or none where there must be one."""
        if self.size and not self.reading.whole:
            raise HostError(
                f"{want.contract}: the dump of the database is cut short; nothing was changed", "Use another backup."
            )
        if not self.size and want.recipe.backup.database:
            raise HostError(
                f"{want.contract}: the backup holds no database; nothing was changed", "Use another backup."
            )


@dataclass(slots=True)
class Filed:
    """The files of a backup, in parts, and what the installer is to make of them. length: their bytes together."""

    files: int = 0
    length: int = 0
    names: dict[str, None] = field(default_factory=dict)
    _orders: list[list[object]] = field(default_factory=list)
    _modes: list[list[object]] = field(default_factory=list)
    _parts: int = 0

    def read(self, pieces: Iterator[bytes]) -> Iterator[tuple[str, bytes]]:
        """Yield the parts of a tar's files, each with its name; raises HostError for a tar that is cut short."""
        source = io.BufferedReader(Source(pieces), 1 << 20)
        try:
            with tarfile.open(fileobj=cast(BinaryIO, source), mode="r|", bufsize=1 << 20) as tar:
                while (member := tar.next()) is not None:
                    tar.members.clear()  # type: ignore[attr-defined]  # typeshed lacks it; there may be a million files
                    self.names[member.name.partition("/")[0]] = None
                    yield from self._member(tar, member)
        except tarfile.TarError as error:
            raise HostError(
                f"the files of the backup cannot be read: {safe(str(error))}", "Use another backup."
            ) from error
        while source.read(1 << 16):  # what fills the tar's last record up
            pass

    def told(self) -> Iterator[bytes]:
        """Yield what is to be made, a line each; the modes of folders last, since one may forbid to write into it."""
        for order in itertools.chain(self._orders, reversed(self._modes)):
            yield json.dumps(order, separators=(",", ":")).encode() + b"\n"

    def _member(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[tuple[str, bytes]]:
        name = coded(member.name)
        if member.isdir():
            self._orders.append(["folder", name])
            self._modes.append(["mode", name, member.mode & 0o777])
        elif member.issym():
            self._orders.append(["link", name, coded(member.linkname)])
        elif member.islnk():
            self.files += 1
            self._orders.append(["twin", name, coded(member.linkname)])
        elif member.isreg():
            self.files += 1
            self.length += member.size
            content = tar.extractfile(member)
            at = 0
            while content is not None and (data := content.read(PART)):
                part = f"file/{self._parts // 1000}/{self._parts % 1000}"
                self._parts += 1
                self._orders.append(["part", name, part, at])
                at += len(data)
                yield part, data
            self._orders.append(["end", name, member.size, member.mode & 0o777, int(member.mtime)])


def _check_packet(way: Way, want: Want, longest: int) -> None:
    """Raise HostError where the server takes no statement as long as the dump's longest, before anything is changed."""
    db = database(way.server, want.contract)
    takes = str(way.installer.ask("value", database=db, query="select @@max_allowed_packet")["value"])
    if not takes.isdecimal() or longest + 1024 > int(takes):
        raise HostError(
            f"{want.contract}: the backup has a statement of {longest} bytes, and the database takes {safe_line(takes)}"
            " (max_allowed_packet); nothing was changed",
            "Ask the host to raise max_allowed_packet, or restore it on a host where it is higher.",
        )


def _check_collations(way: Way, want: Want, names: Iterable[str]) -> None:
    """Raise HostError where the dump sorts texts by what the server does not know, before anything is changed."""
    db = database(way.server, want.contract)
    for name in sorted(names):
        try:
            way.installer.ask("value", database=db, query=known(name))
        except HostError as error:
            if not unknown(error.what):
                raise
            raise HostError(
                f"{want.contract}: the database's server does not know the backup's collation {safe_line(name)};"
                " nothing was changed",
                "Restore it where the server is of the kind that it was made on, MySQL or MariaDB, and no older.",
            ) from error
