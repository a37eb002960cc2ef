"""The database file: how it is opened, kept private, migrated and written.

Every subject defines its tables in its own module beside this one, on the shared `metadata`, and creates them in a
revision of its own. To add a table:

1. define it in `monitor/store/<subject>.py`: `Table("things", metadata, Column("at", micros, nullable=False), …)`.
   Instants and durations are `micros`, texts are `Text`, amounts are texts too: SQLite has no exact decimals;
2. create it in `monitor/store/migrations/versions/v<number>_<subject>.py`, a copy of the newest file there with
   `revision = "<number>"`, `down_revision` = the revision of the newest file, and an `upgrade()`. There is one line of
   descent, and no way down: a backup is the way back.
   `tests/monitor/store/test_database.py` compares the tables that the revisions make with `metadata`;
3. read with `reading(engine)` and write with `writing(engine)`.

`writing` takes SQLite's write lock at once, so a transaction that reads before it writes never meets "database is
locked" half-way; a second writer waits up to `BUSY_SECONDS`.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from sqlalchemy import BigInteger, Connection, Engine, Integer, MetaData, create_engine, event
from sqlalchemy.exc import DatabaseError

from crm.errors import CrmhostError

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""The tables of all subjects."""

micros = BigInteger().with_variant(Integer(), "sqlite")
"""The column type of instants and durations: integer microseconds."""

BUSY_SECONDS = 10
"""How long a writer waits for another one before it gives up."""

MIGRATIONS = Path(__file__).parent / "migrations"


class StoreError(CrmhostError):
    """The database cannot be used; says which file, why, and what to do."""


def open_database(path: Path) -> Engine:
    """Open the database file, creating it (0600) and its folder (0700) where they are missing.

    The tables are made by `migrate`. Raises StoreError where the file is no database, no regular file, or can be
    read by others.
    """
    _make_private(path)
    engine = create_engine(
        f"sqlite:///{path}", connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}, hide_parameters=True
    )
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA schema_version")
    except (DatabaseError, sqlite3.DatabaseError) as error:
        engine.dispose()
        raise StoreError(
            f"{path}: cannot be opened as a database ({getattr(error, 'orig', None) or error})",
            "Put the right file there, or move this one away; a new one is then made.",
        ) from error
    return engine


def migrate(engine: Engine) -> None:
    """Bring the tables to the newest revision, all of it or nothing; a database that is there already is left alone.

    Raises StoreError for a database that a newer crmhost has written.
    """
    # Alembic costs 100 ms to import, and only the first command of a process needs it.
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise StoreError(
                f"{engine.url.database}: its tables cannot be brought to this version of crmhost ({error})",
                "If a newer crmhost wrote it, use that one.",
            ) from error


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One consistent view of the database; it neither waits for a writer nor holds one up."""
    with engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine, durable: Literal["full", "process"] = "full") -> Iterator[Connection]:
    """One transaction that holds the write lock: committed at the end of the block, rolled back on an exception.

    `full` has reached the disk when the block ends. `process` outlives a kill -9 at once, and a power failure only
    with the next `full` one: right for what may be lost, such as a heartbeat.
    """
    with engine.connect().execution_options(crmhost_write=durable) as connection, connection.begin():
        yield connection


def _make_private(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        mode = path.stat().st_mode if path.exists() else 0  # a dangling link does not exist
        if not stat.S_ISREG(mode):
            raise StoreError(f"{path}: is not a regular file", "Name another place for the database.") from None
        if mode & 0o077:
            raise StoreError(
                f"{path}: others on this machine can read it (mode {stat.S_IMODE(mode):04o})",
                f"Run `chmod 600 {path}`.",
            ) from None
    except OSError as error:
        raise StoreError(
            f"{path}: the database cannot be made ({error.strerror})", "Make its folder writable."
        ) from error


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver begins no transactions of its own; `_begin` does
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")


def _begin(connection: Connection) -> None:
    durable = connection.get_execution_options().get("crmhost_write")
    if durable is None:
        connection.exec_driver_sql("BEGIN")
        return
    # Set each time: connections are pooled, and one that wrote a heartbeat may write a settlement next.
    connection.exec_driver_sql(f"PRAGMA synchronous = {'FULL' if durable == 'full' else 'NORMAL'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
