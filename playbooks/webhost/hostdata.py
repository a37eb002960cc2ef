"""A customer's data where the host gave the database: into a backup and back, through the host's own programs.

One database is often all that a host gives. So what comes back lies beside it as text, is read whole and counted, and
only then the database is emptied and filled; files take their place last.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping, Sequence
from typing import BinaryIO

from crm.backup import Contents, check_counts
from crm.bundle import Reader, Writer
from crm.errors import HostError
from crm.recipe import BackupSet
from playbooks.host import Host
from playbooks.mover.copying import Ground, answer, data
from playbooks.mover.mysqldump import ours
from playbooks.mover.talk import talking
from playbooks.onhost.mysqlstore import CLIENTS, DUMPERS
from playbooks.programs import program
from playbooks.session import Session
from playbooks.shell import Sh, lines, sh
from playbooks.terminal import safe

PROGRAMS = (DUMPERS, CLIENTS)
"""The programs without which the database is neither copied nor filled: of each set one."""
_LONGEST = 7200.0
"""Seconds that filling the database may take."""


def either(names: Sequence[str]) -> str:
    """Return what a set of programs is called: `mysqldump or mariadb-dump`."""
    return " or ".join(reversed(names))


def check_programs(host: Host, contract: str) -> None:
    """Raise HostError where the host lacks the programs without which its database is neither copied nor filled."""
    asked = (
        sh(
            "command -v {one} >/dev/null 2>&1 || command -v {other} >/dev/null 2>&1 || echo {name}",
            one=names[0],
            other=names[1],
            name=either(names),
        )
        for names in PROGRAMS
    )
    lacks = host.ask(lines(*asked)).decode("utf-8", "replace").split("\n")
    missing = ", ".join(name for name in lacks if name.strip())
    if missing:
        raise HostError(
            f"{contract}: the host has no {safe(missing)} for this account, so crmhost can neither back its database up"
            " nor put it back; nothing was done",
            "Ask the host for MariaDB's or MySQL's client programs. Without them keep to versions of the same schema,"
            " back it up in the host's panel, and destroy with --no-backup --lose-data.",
        )


def dump(
    session: Session, ground: Ground, access: str, what: BackupSet, keys: Mapping[str, str], sink: BinaryIO
) -> Contents:
    """Write the customer's data to the sink: secrets, database, files; the CRM may run meanwhile.

    access: the file on the host that says how the database is reached. The dump is one snapshot and its rows are
    counted in its own text; files are read after it.
    """
    writer = Writer(sink)
    for name in what.keys:
        writer.key(name, keys[name])
    options = f"{session.staging}/client-{secrets.token_hex(4)}.cnf"
    told = access if what.database else ""
    script = program("mysqlstore", ground.python, "dump", told, options, ground.data, *what.paths)
    with talking(session.host, f"{ground.contract}: the data could not be read", script, ground.log) as talk:
        writer.database(talk.part())
        found = answer(talk, ground.contract)
        data(talk, writer)
    return writer.end(ground.contract, _tables(found), safe(str(found["database"])))


def load(
    session: Session, ground: Ground, access: str, what: BackupSet, source: BinaryIO, folders: Sequence[str]
) -> Contents:
    """Replace the customer's data by what the source holds; no process runs. Secrets are passed over.

    Until all of it was read and its counts are the dumped ones, nothing has changed. What fails later leaves the
    database half filled, and the same call again makes it whole.
    """
    folder = f"{session.staging}/incoming-{secrets.token_hex(4)}"
    told = access if what.database else ""
    try:
        found = _beside(session, ground, folder, told, source)
    except BaseException:
        with contextlib.suppress(HostError):  # what failed is what is told
            session.host.ask(_gone(folder), timeout=300.0)
        raise
    put = program("mysqlstore", ground.python, "swap", folder, told, ground.data, *folders)
    output = session.run("put in place", lines(sh("set -e"), put, _gone(folder)), safe=True, timeout=_LONGEST)
    if output.code != 0:
        raise HostError(
            f"{ground.contract}: what was restored could not be put in place: {safe(output.text.strip()[-1000:])}",
            "The maintenance page is shown, and the database may be half filled; mend it and give the same command"
            " again.",
        )
    return found


def _gone(folder: str) -> Sh:
    return sh("rm -rf {folder}", folder=folder)


def _beside(session: Session, ground: Ground, folder: str, access: str, source: BinaryIO) -> Contents:
    """Bring everything beside what is there and return its counts; raises where they are not the dumped ones."""
    reader = Reader(source)
    reader.keys()
    dumped = ours(reader.database(b""), ground.contract)
    script = program("mysqlstore", ground.python, "load", folder, access)
    with talking(session.host, f"{ground.contract}: it could not be restored", script, ground.log) as talk:
        talk.tell(dumped)
        talk.tell(reader.data())
        _, expected = reader.end()
        told = answer(talk, ground.contract)
    found = Contents(_tables(told), int(told["files"]), int(told["bytes"]), expected.keys, expected.database)
    check_counts(ground.contract, expected, found)
    return found


def _tables(told: Mapping[str, object]) -> dict[str, int]:
    tables = told["tables"]
    return {safe(str(name)): int(rows) for name, rows in tables.items()} if isinstance(tables, dict) else {}
