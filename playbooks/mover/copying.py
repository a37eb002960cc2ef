"""A customer's SQLite database and files out of a host, and back, through the connection alone: no file of it is kept.

What comes back is restored and counted beside what is there, in the operation's own folder, which whoever takes the
lock next removes. Only then it takes the place of what is there, as a job that holds the lock.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from crm.backup import Contents, check_counts
from crm.bundle import SQLITE, Reader, Writer
from crm.errors import HostError
from crm.recipe import BackupSet
from playbooks.mover.talk import Talk, talking
from playbooks.programs import program
from playbooks.session import Session
from playbooks.shell import lines, sh
from playbooks.terminal import safe

_LONGEST = 3600.0
"""Seconds that putting in place may take; what is renamed is not copied."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a contract's data lies on its host, absolute paths.

    python: what runs our programs; db: the SQLite file, in the data folder; log: takes what our programs complain of.
    """

    contract: str
    python: str
    db: str
    data: str
    log: str


def dump(session: Session, ground: Ground, what: BackupSet, keys: Mapping[str, str], sink: BinaryIO) -> Contents:
    """Write the customer's data to the sink: secrets, database, files; the CRM may run meanwhile.

    The database is one snapshot, and its rows are counted in the same one. Files are read after it, so every file that
    a row of it speaks of is there unless it was deleted since.
    """
    writer = Writer(sink)
    for name in what.keys:
        writer.key(name, keys[name])
    copy = f"{session.staging}/copy-{secrets.token_hex(4)}"
    db = ground.db if what.database else ""
    script = program("store", ground.python, "dump", db, copy, ground.data, *what.paths)
    with talking(session.host, f"{ground.contract}: the data could not be read", script, ground.log) as talk:
        told = answer(talk, ground.contract)
        writer.database(talk.part())
        data(talk, writer)
    return writer.end(ground.contract, _tables(told), str(told["database"]))


def load(session: Session, ground: Ground, what: BackupSet, source: BinaryIO, folders: Sequence[str]) -> Contents:
    """Replace the customer's data by what the source holds; no process runs. Secrets are passed over.

    Where a count differs from what was dumped, or anything fails, nothing has changed. Killed while it takes the place
    of what is there, the same call again makes it whole.
    """
    folder = f"{session.staging}/incoming-{secrets.token_hex(4)}"
    try:
        found = _beside(session, ground, folder, source)
    except BaseException:
        with contextlib.suppress(HostError):  # what failed is what is told
            session.host.ask(sh("rm -rf {folder}", folder=folder), timeout=300.0)
        raise
    db = ground.db if what.database else ""
    put = program("store", ground.python, "swap", folder, db, ground.data, *folders)
    body = lines(sh("set -e"), put, sh("rm -rf {folder}", folder=folder))
    output = session.run("put in place", body, safe=True, timeout=_LONGEST)
    if output.code != 0:
        raise HostError(
            f"{ground.contract}: what was restored could not be put in place: {safe(output.text.strip()[-1000:])}",
            "The maintenance page is shown; mend it and give the same command again.",
        )
    return found


def data(talk: Talk, writer: Writer) -> None:
    """Hand the tar over that the program tells, to its end."""
    files = talk.file()
    writer.data(files)
    while files.read(1 << 20):  # what fills its last record up
        pass


def answer(talk: Talk, contract: str) -> Mapping[str, Any]:
    """Return the JSON object that the program tells."""
    raw = b"".join(talk.part())
    try:
        told = json.loads(raw)
        if isinstance(told, dict):
            return told
    except ValueError:
        pass
    raise HostError(f"{contract}: the host's Python answered {safe(raw[:200].decode(errors='replace'))!r}")


def _beside(session: Session, ground: Ground, folder: str, source: BinaryIO) -> Contents:
    """Restore everything beside what is there and return its counts; raises where they are not the dumped ones."""
    reader = Reader(source)
    reader.keys()
    script = program("store", ground.python, "load", folder)
    with talking(session.host, f"{ground.contract}: it could not be restored", script, ground.log) as talk:
        talk.tell(reader.database(SQLITE))
        talk.tell(reader.data())
        _, expected = reader.end()
        told = answer(talk, ground.contract)
    found = Contents(_tables(told), int(told["files"]), int(told["bytes"]), expected.keys, expected.database)
    check_counts(ground.contract, expected, found)
    return found


def _tables(told: Mapping[str, Any]) -> dict[str, int]:
    return {safe(str(name)): int(rows) for name, rows in told["tables"].items()}
