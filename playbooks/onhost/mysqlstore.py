"""Runs on the host: the customer's data with a MySQL or MariaDB that the host gave, as a stream, and back.

`dump ACCESS OPTIONS DATA PATH…` writes three parts (see frames): the dump; a JSON object `tables`, `database`; a tar of
the paths below DATA. ACCESS says how the database is reached (see mysql); OPTIONS is a path for the file that the
host's own programs read that from, which is there only while they run, for this account alone.
`load FOLDER ACCESS` reads the first and the last of them into the folder, and writes one part: what they hold.
`swap FOLDER ACCESS DATA FOLDER…` empties the database, fills it from the folder, counts it, and puts the files in their
place; every process has ended. Killed meanwhile, load and swap again make it whole. Without ACCESS it is files alone.
"""

import contextlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from typing import IO, Any, BinaryIO, cast

from playbooks.onhost.files import count, pack, swap, unpack
from playbooks.onhost.frames import Cut, Sink, Source, pieces
from playbooks.onhost.mysql import LONG, TABLES, Failed, empty, opened, run
from playbooks.onhost.mysqltext import MAGIC, RECORDS, Reading, known, options, portable, records, unknown

DUMPERS = ("mariadb-dump", "mysqldump")
CLIENTS = ("mariadb", "mysql")
_CHARSET = "--default-character-set=utf8mb4"
_PACKET = "--max-allowed-packet=1G"
_LOOSE = "loose-"
_DUMP = (
    _CHARSET,
    _PACKET,
    "--single-transaction",
    "--quick",
    "--routines",
    "--triggers",
    "--hex-blob",
    "--no-tablespaces",
    "--skip-add-locks",  # a host need not let its customers lock tables
    "--skip-dump-date",
    f"--{_LOOSE}column-statistics=0",  # known to MySQL's program alone, and older servers have none
    f"--{_LOOSE}set-gtid-purged=OFF",
)
SHOWN = 800
"""How many characters of what a program complained of are told."""


class Unfit(Exception):
    """The database could not be dumped or filled; the message says why."""


def program(names: "tuple[str, ...]", server: str) -> str:
    """Return the path of the first of the programs that is there, that of the server's own kind first; raises Unfit."""
    ordered = names if server.startswith("MariaDB") else tuple(reversed(names))
    for name in ordered:
        found = shutil.which(name)
        if found:
            return found
    raise Unfit(f"the host has neither {' nor '.join(names)}")


def version(db: "dict[str, Any]") -> str:
    """Return the server's kind and version."""
    said = str(run(db, [("select version()", [])])[0][0][0])
    return f"MariaDB {said.partition('-')[0]}" if "mariadb" in said.lower() else f"MySQL {said.partition('-')[0]}"


def dump(access: str, told: str, data: str, paths: "list[str]") -> None:
    """Write the parts; the CRM may run meanwhile. Files are read last, so those that rows speak of are there."""
    sink = Sink(sys.stdout.buffer)
    found: dict[str, object] = {"tables": {}, "database": ""}
    if access:
        found = dumped(opened({"access": access}), told, sink)
    sink.end()
    sink.write(json.dumps(found).encode())
    sink.end()
    pack(data, paths, cast(BinaryIO, sink))
    sink.end()


def dumped(db: "dict[str, Any]", told: str, sink: Sink) -> "dict[str, object]":
    """Write the dump as one instant saw the database, and return the rows in it."""
    server, reading = version(db), Reading()
    words = [program(DUMPERS, server), f"--defaults-file={told}", *_DUMP]
    words += [f"--ignore-table={db['name']}.{name}" for name in RECORDS]
    write(sink, reading, MAGIC)
    with telling(db, told), tempfile.TemporaryFile() as errors:
        with subprocess.Popen(  # noqa: S603 - the host's own program, never a shell
            [*words, "--", db["name"]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        ) as process:
            for line in cast("IO[bytes]", process.stdout):
                write(sink, reading, line if reading.inside else portable(line))
        if process.returncode != 0:
            raise Unfit(f"{words[0]} ended with {process.returncode}: {complaint(errors)}")
    asked: list[tuple[str, list[Any]]] = [(f"select * from {name}", []) for name in RECORDS]  # noqa: S608 - our own
    for line in records(TABLES, dict(zip(RECORDS, run(db, asked)))).splitlines(keepends=True):  # noqa: B905 - 3.9
        write(sink, reading, line)
    return {"tables": reading.tables, "database": server}


def write(sink: Sink, reading: Reading, line: bytes) -> None:
    """Write a line of the dump, and count it."""
    reading.see(line)
    sink.write(line)


def load(folder: str, access: str) -> "dict[str, object]":
    """Keep what arrives in the folder, read it through, and return what it holds.

    Raises Unfit for half a dump, and for one that this server cannot take.
    """
    source, reading, size = sys.stdin.buffer, Reading(), 0
    incoming = pathlib.Path(folder, "files")
    incoming.parent.mkdir(mode=0o700)  # an operation that is over has no folder for it, and gets none
    incoming.mkdir(mode=0o700)
    path = pathlib.Path(folder, "dump.sql")
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        for line in io.BufferedReader(Source(pieces(source.read)), 1 << 20):
            reading.see(line)
            size += file.write(line)
    if size and not reading.whole:
        raise Unfit("the dump of the database is cut short; nothing was changed")
    if not size:
        path.unlink()
    elif access:
        check_collations(opened({"access": access}), reading)
    pathlib.Path(folder, "tables.json").write_text(json.dumps(reading.tables), "utf-8")
    unpack(cast(BinaryIO, io.BufferedReader(Source(pieces(source.read)))), str(incoming))
    files, length = count(str(incoming))
    return {"tables": reading.tables, "database": "", "files": files, "bytes": length}


def check_collations(db: "dict[str, Any]", reading: Reading) -> None:
    """Raise Unfit where the dump sorts texts by what the server does not know."""
    for name in sorted(reading.collations):
        try:
            run(db, [(known(name), [])])
        except Failed as error:
            if unknown(str(error)):
                raise Unfit(
                    f"{version(db)} does not know the backup's collation {name}; nothing was changed"
                ) from error
            raise


def put_in_place(folder: str, access: str, data: str, folders: "list[str]") -> None:
    """Let what was loaded take the place of what is there; raises Unfit or Failed where the database takes it not."""
    if access and pathlib.Path(folder, "dump.sql").exists():
        db = opened({"access": access})
        client = program(CLIENTS, version(db))
        empty(db, but=RECORDS)
        fill(db, client, folder)
        check(db, json.loads(pathlib.Path(folder, "tables.json").read_text("utf-8")))
        run(db, [("delete from crmhost_steps where name like '%@%'", [])])  # its files are not in a backup
    swap(f"{folder}/files", f"{folder}/outgoing", data, [], folders)


def fill(db: "dict[str, Any]", client: str, folder: str) -> None:
    """Run the dump on the database, whose records come last."""
    told = f"{folder}/client.cnf"
    words = [client, f"--defaults-file={told}", _CHARSET, _PACKET, "--binary-mode", "--batch", db["name"]]
    with telling(db, told), tempfile.TemporaryFile() as errors, pathlib.Path(folder, "dump.sql").open("rb") as text:
        done = subprocess.run(  # noqa: S603 - the host's own program, never a shell
            words,
            stdin=text,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            check=False,
            close_fds=False,  # the lock's descriptor: whoever is at work on the database holds it
        )
        if done.returncode != 0:
            raise Unfit(f"{client} ended with {done.returncode}: {complaint(errors)}")


def check(db: "dict[str, Any]", tables: "dict[str, int]") -> None:
    """Raise Unfit where a table has not the rows that the dump has."""
    asked: list[tuple[str, list[Any]]] = []
    for name in tables:
        quoted = name.replace("`", "``")
        asked.append((f"select count(*) from `{quoted}`", []))  # noqa: S608 - quoted
    for (name, expected), answer in zip(tables.items(), run(db, asked, LONG)):  # noqa: B905 - 3.9
        if int(answer[0][0]) != expected:
            raise Unfit(f"{name} has {answer[0][0]} rows, not the {expected} of the backup")


@contextlib.contextmanager
def telling(db: "dict[str, Any]", path: str) -> "Iterator[None]":
    """Keep the file that says who asks while the block runs; nobody else can read it."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(options(db))
    try:
        yield
    finally:
        pathlib.Path(path).unlink()


def complaint(errors: "IO[bytes]") -> str:
    """Return the end of what a program complained of, but for options that it need not know."""
    errors.seek(0)
    lines = errors.read().decode(errors="replace").splitlines()
    return "\n".join(line for line in lines if _LOOSE not in line).strip()[-SHOWN:] or "it said nothing"


def main() -> None:
    """Do what the arguments say; what goes wrong is told in the answer."""
    verb, *rest = sys.argv[1:]
    sink = Sink(sys.stdout.buffer)
    try:
        if verb == "dump":
            dump(rest[0], rest[1], rest[2], rest[3:])
        elif verb == "load":
            sink.write(json.dumps(load(rest[0], rest[1])).encode())
            sink.end()
        elif verb == "swap":
            put_in_place(rest[0], rest[1], rest[2], rest[3:])
        else:
            sys.exit(f"no such verb: {verb}")
    except (OSError, tarfile.TarError, Cut, Unfit, Failed) as error:
        why = str(error) if isinstance(error, (Unfit, Failed)) else f"{type(error).__name__}: {error}"
        if verb == "swap":
            sys.exit(why)
        sink.refuse(why)
