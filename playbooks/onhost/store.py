"""Runs on the host: the customer's data as a stream, and back beside what is there.

`dump DB COPY DATA PATH…` writes three parts (see frames): a JSON object `tables`, `database`; the SQLite file, as one
instant saw it; a tar of the paths below DATA. COPY is where the copy is made; it is gone afterwards.
`load FOLDER` reads the last two of them from standard input into the folder, and writes one part: what is there now.
`swap FOLDER DB DATA FOLDER…` puts what was loaded in its place; every process has ended. Where DB is empty there is
no database in it.
"""

import io
import json
import os
import pathlib
import sqlite3
import sys
import tarfile
from typing import BinaryIO, cast

from playbooks.onhost.files import count, pack, settle, swap, unpack
from playbooks.onhost.frames import Cut, Sink, Source, pieces
from playbooks.onhost.records import connect

TABLES = (
    "select name from sqlite_master where type = 'table' and name not like 'sqlite%' and sql not like 'create virtual%'"
)
COMPANIONS = ("-wal", "-shm", "-journal")


class Unfit(Exception):
    """The database is damaged."""


def dump(db: str, copy: str, data: str, paths: "list[str]") -> None:
    """Write the parts; the CRM may run meanwhile. Files are read last, so those that rows speak of are there."""
    sink = Sink(sys.stdout.buffer)
    told: dict[str, object] = {"tables": {}, "database": ""}
    if db:
        told = snapshot(db, copy)
    sink.write(json.dumps(told).encode())
    sink.end()
    if db:
        with pathlib.Path(copy).open("rb") as file:
            pathlib.Path(copy).unlink()
            while piece := file.read(1 << 20):
                sink.write(piece)
    sink.end()
    pack(data, paths, cast(BinaryIO, sink))
    sink.end()


def snapshot(db: str, copy: str) -> "dict[str, object]":
    """Copy the database as one instant sees it, and count the copy's rows; raises Unfit for a damaged one."""
    os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    source, target = connect(db, "ro"), connect(copy, "rw")
    try:
        source.backup(target)
        return counted(target)
    finally:
        source.close()
        target.close()


def counted(connection: sqlite3.Connection) -> "dict[str, object]":
    """Return the rows of every table, and what keeps them; raises Unfit for a damaged database."""
    said = connection.execute("pragma quick_check(1)").fetchone()[0]
    if said != "ok":
        raise Unfit(f"the database is damaged: {said}")
    tables = {}
    for (name,) in connection.execute(TABLES).fetchall():
        quoted = name.replace('"', '""')
        tables[f"main.{name}"] = connection.execute(f'select count(*) from "{quoted}"').fetchone()[0]  # noqa: S608 - quoted
    return {"tables": tables, "database": f"SQLite {sqlite3.sqlite_version}"}


def load(folder: str) -> "dict[str, object]":
    """Restore what arrives into the folder, and count it there."""
    source = sys.stdin.buffer
    incoming = pathlib.Path(folder, "files")
    incoming.parent.mkdir(mode=0o700)  # an operation that is over has no folder for it, and gets none
    incoming.mkdir(mode=0o700)
    db = pathlib.Path(folder, "db.sqlite3")
    size = 0
    with os.fdopen(os.open(db, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        for piece in pieces(source.read):
            size += file.write(piece)
    found: dict[str, object] = {"tables": {}, "database": ""}
    if size:
        connection = connect(str(db), "rw")
        try:
            found = counted(connection)
        finally:
            connection.close()
    else:
        db.unlink()
    unpack(cast(BinaryIO, io.BufferedReader(Source(pieces(source.read)))), str(incoming))
    files, length = count(str(incoming))
    return {**found, "files": files, "bytes": length}


def put_in_place(folder: str, db: str, data: str, folders: "list[str]") -> None:
    """Let what was loaded take the place of what is there. Killed meanwhile, load and swap again make it whole."""
    stays = [path.name for path in pathlib.Path(folder, "x").parents if path.parent == pathlib.Path(data)]
    if db:
        stays += [pathlib.Path(db).name + end for end in ("", *COMPANIONS)]
        incoming = f"{folder}/db.sqlite3"
        forget_derived(incoming)
        for end in COMPANIONS:
            pathlib.Path(db + end).unlink(missing_ok=True)
        pathlib.Path(incoming).replace(db)
        settle(str(pathlib.Path(db).parent))
    swap(f"{folder}/files", f"{folder}/outgoing", data, stays, folders)


def forget_derived(db: str) -> None:
    """Let what is derived for each release be derived anew: its files are not in a backup."""
    connection = connect(db, "rw")
    try:
        connection.execute("pragma synchronous = full")
        if connection.execute("select 1 from sqlite_master where name = 'crmhost_steps'").fetchone():
            connection.execute("delete from crmhost_steps where name like '%@%'")
    finally:
        connection.close()
    settle(db)


def main() -> None:
    """Do what the arguments say; what goes wrong is told in the answer."""
    verb, *rest = sys.argv[1:]
    sink = Sink(sys.stdout.buffer)
    try:
        if verb == "dump":
            dump(rest[0], rest[1], rest[2], rest[3:])
        elif verb == "load":
            sink.write(json.dumps(load(rest[0])).encode())
            sink.end()
        elif verb == "swap":
            put_in_place(rest[0], rest[1], rest[2], rest[3:])
        else:
            sys.exit(f"no such verb: {verb}")
    except (OSError, sqlite3.Error, tarfile.TarError, Cut, Unfit) as error:
        if verb == "swap":
            sys.exit(f"{type(error).__name__}: {error}")
        sink.refuse(f"{type(error).__name__}: {error}" if not isinstance(error, Unfit) else str(error))
