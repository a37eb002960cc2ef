"""The customer's database as a stream, and back: PostgreSQL's own programs, in its own container.

What comes back is restored into a database beside the customer's and counted there, and only then takes its place: so
whatever goes wrong before that changes nothing.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO, cast

from crm.errors import CrmhostError, HostError
from crm.pgstream import SCRIPT, Counted, DatabaseDump, counted
from crm.sql import script
from infra import naming
from infra.engine.engine import HOUR, Engine
from infra.engine.stream import Output, Streams
from infra.naming import DATABASE_NAME, DATABASE_SYSTEM_USER, DATABASE_USER
from infra.pipe import Chunks, piped

INCOMING = "crm_incoming"
LONGEST = 12 * HOUR
"""Seconds that a dump or a restore may take."""


@contextmanager
def dumping(engine: Engine, contract: str) -> Iterator[DatabaseDump]:
    """Give the dump of the customer's database; raises HostError when it was left and did not come to its end."""

    def write(sink: BinaryIO) -> Output:
        output = _psql(engine, contract, DATABASE_NAME, Streams(io.BytesIO(SCRIPT.encode()), out=sink))
        return _must(output, contract, "the database could not be dumped")

    with piped(write) as pipe:
        dump = DatabaseDump(pipe.reader)
        yield dump
    if not dump.whole:
        raise HostError(f"{contract}: the database could not be dumped: {_said(pipe.result)}", _remedy(contract))


def restore(engine: Engine, contract: str, dump: Iterator[bytes]) -> None:
    """Restore a dump into the database beside the customer's, empty or half before, whole afterwards."""
    _run(engine, contract, "incoming", incoming=INCOMING, owner=DATABASE_USER)
    argv = (
        "pg_restore",
        f"--username={DATABASE_SYSTEM_USER}",
        f"--dbname={INCOMING}",
        "--no-owner",
        "--no-privileges",
        f"--role={DATABASE_USER}",
        "--exit-on-error",
    )
    with feeding(dump) as source:
        output = engine.stream(
            naming.database(contract), argv, Streams(source), timeout=LONGEST, user=DATABASE_SYSTEM_USER
        )
    _must(output, contract, "the dump could not be restored")


def count(engine: Engine, contract: str, database: str = DATABASE_NAME) -> Counted:
    """Count the rows of every table, as one instant sees them."""
    output = _psql(engine, contract, database, Streams(io.BytesIO(script("count").encode())))
    return counted(_must(output, contract, "the rows could not be counted").stdout)


def swap(engine: Engine, contract: str) -> None:
    """Put what was restored in the place of the customer's database; whoever uses that is cut off."""
    output = _psql(engine, contract, INCOMING, Streams(io.BytesIO(b"ANALYZE;\n")))
    _must(output, contract, "what was restored could not be analysed")
    _run(engine, contract, "swap", incoming=INCOMING, database=DATABASE_NAME)


def clear(engine: Engine, contract: str) -> None:
    """Remove what was restored and not put in place."""
    _run(engine, contract, "clear", incoming=INCOMING)


@contextmanager
def feeding(pieces: Iterator[bytes]) -> Iterator[BinaryIO]:
    """Give a source for a program's input; where making the pieces fails, that is raised, not that input broke off."""
    source = _Source(pieces)
    try:
        yield cast(BinaryIO, source)
    except Exception as failure:
        if source.failure is None:
            raise
        raise source.failure from failure


class _Source(Chunks):
    failure: CrmhostError | None = None

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed has a private type here
        try:
            return super().readinto(buffer)
        except CrmhostError as failure:
            self.failure = failure
            raise OSError(failure.what) from failure


def _run(engine: Engine, contract: str, name: str, **variables: str) -> None:
    streams = Streams(io.BytesIO(script(name).encode()))
    _must(_psql(engine, contract, DATABASE_SYSTEM_USER, streams, variables), contract, "the database could not be made")


def _psql(
    engine: Engine, contract: str, database: str, streams: Streams, variables: Mapping[str, str] | None = None
) -> Output:
    given = [f"--set={name}={value}" for name, value in (variables or {}).items()]
    return engine.stream(
        naming.database(contract),
        ("psql", "-XAtq", "--set=ON_ERROR_STOP=1", *given),
        streams,
        timeout=LONGEST,
        user=DATABASE_SYSTEM_USER,
        env={"PGUSER": DATABASE_SYSTEM_USER, "PGDATABASE": database},
    )


def _must(output: Output, contract: str, what: str) -> Output:
    if output.code != 0:
        raise HostError(f"{contract}: {what}: {_said(output)}", _remedy(contract))
    return output


def _said(output: Output) -> str:
    return output.stderr.decode(errors="replace").strip()[-1000:] or f"it ended with {output.code}"


def _remedy(contract: str) -> str:
    return f"Is PostgreSQL up, and has the host's disk room? crmhost status {contract}"
