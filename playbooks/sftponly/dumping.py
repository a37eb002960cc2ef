"""A customer's data out of a host that gives SFTP alone. The CRM may run meanwhile, and writes on.

The installer writes the database as text beside the site, all of it as one instant saw it; it is brought here, compared
and removed. Files are read after it, so those that its rows speak of are there unless they were deleted since.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import secrets
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from crm.backup import Contents
from crm.bundle import Writer
from crm.errors import HostError
from crm.plan import Want
from playbooks.onhost.frames import Source
from playbooks.onhost.mysql import TABLES
from playbooks.onhost.mysqltext import Reading
from playbooks.sftponly.installer import ANSWER, Silent, int_of
from playbooks.sftponly.release import Kept
from playbooks.sftponly.sftp import Entry, Files
from playbooks.sftponly.steps import database
from playbooks.sftponly.verbs import refused
from playbooks.sftponly.way import DUMP, Seldom, Way
from playbooks.terminal import safe, safe_line

STALLED = 60.0
"""Seconds for which a dump that nobody answers for may not grow."""
_POLL = 1.0  # seconds
_ANSWER = 16 << 20  # bytes: a line for each table


def dump(way: Way, want: Want, owner: Kept, sink: BinaryIO) -> Contents:
    """Write all of the customer's data to the sink: secrets, database, files. owner: the release whose data it is.

    Raises HostError for a database that cannot be read as one instant saw it, or when what arrives is not what was
    written. Nothing is left on the host.
    """
    what, writer = want.recipe.backup, Writer(sink)
    for name in what.keys:
        writer.key(name, want.secrets[name])
    tables: Mapping[str, int] = {}
    server = ""
    if what.database:
        way.say("database", "begin", f"of {owner.id}")
        with dumped(way, want) as found:
            server = found.server
            reading = Reading()
            writer.database(checked(way, found, reading, want.contract))
            tables = {safe(name): count for name, count in reading.tables.items()}
        way.say("database", "done", f"{sum(tables.values())} rows in {len(tables)} tables")
    way.say("files", "begin", "")
    pieces = packed(way.files, way.layout.below("data"), what.paths, Seldom(way.confirm))
    writer.data(cast(BinaryIO, io.BufferedReader(Source(pieces), 1 << 20)))
    contents = writer.end(want.contract, tables, server)
    way.say("files", "done", f"{contents.files} files, {contents.bytes} bytes")
    return contents


@dataclass(frozen=True, slots=True)
class Dumped:
    """A dump that lies whole on the host. path: as SFTP has it; size: bytes; sha256: hex; tables: rows of each."""

    path: str
    size: int
    sha256: str
    tables: Mapping[str, int]
    server: str


@contextmanager
def dumped(way: Way, want: Want, longest: float = ANSWER) -> Iterator[Dumped]:
    """Let the installer dump the database, and keep the dump on the host while the block runs.

    longest: seconds for which its answer is waited for; then the dump is looked for over SFTP.
    """
    name = f"{DUMP}{secrets.token_hex(8)}"
    path = way.layout.below(name)
    try:
        way.files.create(f"{path}.part", b"")  # 0600; the installer writes to no dump that nobody has asked for
        db = database(way.server, want.contract)
        try:
            raw = way.installer.ask_within(longest, "dump", database=db, into=name, records=list(TABLES))
        except Silent as silent:
            way.say("database", "note", "the web server does not wait for the dump: it is looked for over SFTP")
            raw = awaited(way, path, silent)
        yield _told(path, raw)
    finally:
        with contextlib.suppress(HostError):
            for left in (f"{path}.part", f"{path}.json", f"{path}.json.new", path):
                way.files.drop(left)


def awaited(
    way: Way, path: str, silent: Silent, sleep: Callable[[float], None] = time.sleep, stalled: float = STALLED
) -> Mapping[str, Any]:
    """Wait for the answer that the installer writes beside the dump, for as long as the dump grows.

    Raises the error that the installer's silence is where it never began, or HostError once it stops growing.
    """
    size, still, confirm = 0, 0.0, Seldom(way.confirm)
    while still < stalled:
        answer = way.files.read(f"{path}.json", _ANSWER)
        if answer is not None:
            raw: Mapping[str, Any] = json.loads(answer)
            if raw["ok"] is not True:
                raise refused("dump", raw.get("why"))
            return raw
        part = way.files.entry(f"{path}.part")
        still = 0.0 if part is not None and part.size > size else still + _POLL
        size = size if part is None else part.size
        confirm()
        sleep(_POLL)
    if not size:
        raise silent
    raise HostError(
        f"the dump of the database has {size} bytes and does not grow any more: the host has ended PHP's request",
        "Raise max_execution_time, memory_limit and, where there is PHP-FPM, request_terminate_timeout in the control"
        " panel; then run the command again.",
    )


def server_of(version: str) -> str:
    """Return a server's kind and version as backups name them: `MariaDB 10.11.6`. Pure."""
    return f"{'MariaDB' if 'mariadb' in version.lower() else 'MySQL'} {safe_line(version.partition('-')[0], 20)}"


def _told(path: str, raw: Mapping[str, Any]) -> Dumped:
    try:
        tables = {str(name): int(count) for name, count in raw["tables"]}
        return Dumped(path, int_of(raw, "size"), str(raw["sha256"]), tables, server_of(str(raw["server"])))
    except (KeyError, TypeError, ValueError) as error:
        raise HostError(
            f"the host answered {safe_line(str(raw), 200)!r} for a dump", "Run the command again."
        ) from error


def checked(way: Way, found: Dumped, reading: Reading, contract: str) -> Iterator[bytes]:
    """Bring a dump here and yield it; raises HostError unless it is, to its last byte, the one that was written."""
    digest, size, confirm = hashlib.sha256(), 0, Seldom(way.confirm)
    with way.files.opened(found.path) as opened:
        for line in io.BufferedReader(Source(opened[1] if opened is not None else iter(())), 1 << 20):
            reading.see(line)
            digest.update(line)
            size += len(line)
            confirm()
            yield line
    if size != found.size or digest.hexdigest() != found.sha256:
        raise HostError(
            f"{contract}: the dump of the database has {found.size} bytes on the host, and {size} others arrived",
            "Run the command again.",
        )
    if not reading.whole or reading.tables != found.tables:
        raise HostError(
            f"{contract}: the dump of the database does not hold the rows that were counted while it was written",
            "Run the command again; no backup was kept.",
        )


def packed(files: Files, root: str, paths: Iterable[str], confirm: Callable[[], None]) -> Iterator[bytes]:
    """Yield a tar of those paths below the root that are there; names are relative to it. confirm: for each file.

    What was deleted since it was listed is left out. Raises HostError for a file that becomes shorter meanwhile.
    """
    for path in paths:
        for name, entry in _below(files, root, path):
            confirm()
            yield from _member(files, f"{root}/{name}", name, entry)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _below(files: Files, root: str, path: str) -> Iterator[tuple[str, Entry]]:
    """Yield a path and all that lies below it, folders before what is in them; links are not followed."""
    found = files.entry(f"{root}/{path}")
    if found is not None:
        yield path, found
        if found.kind == "folder":
            yield from _within(files, root, path)


def _within(files: Files, root: str, path: str) -> Iterator[tuple[str, Entry]]:
    for entry in files.list(f"{root}/{path}"):
        name = f"{path}/{entry.name}"
        yield name, entry
        if entry.kind == "folder":
            yield from _within(files, root, name)


def _member(files: Files, path: str, name: str, entry: Entry) -> Iterator[bytes]:
    info = tarfile.TarInfo(name)
    info.mode, info.mtime = entry.mode & 0o777, entry.changed
    if entry.kind == "folder":
        info.type = tarfile.DIRTYPE
        yield info.tobuf(tarfile.PAX_FORMAT)
    elif entry.kind == "link":
        target = files.target(path)
        if target is not None:
            info.type, info.linkname = tarfile.SYMTYPE, target
            yield info.tobuf(tarfile.PAX_FORMAT)
    elif entry.kind == "file":
        with files.opened(path) as opened:
            if opened is not None:
                info.size, content = opened
                yield info.tobuf(tarfile.PAX_FORMAT)
                yield from content
                yield bytes(-info.size % tarfile.BLOCKSIZE)
