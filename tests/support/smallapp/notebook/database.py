"""The databases behind one face: connections whose queries have `?` for values."""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


class Cursor(Protocol):
    """What the drivers answer a query with."""

    rowcount: int

    def fetchone(self) -> Sequence[Any] | None: ...
    def fetchall(self) -> Sequence[Sequence[Any]]: ...


class Connection(Protocol):
    """A connection on which every statement is a transaction of its own, but for those inside `transaction`."""

    def execute(self, query: str, values: Sequence[object] = ()) -> Cursor: ...
    def transaction(self) -> contextlib.AbstractContextManager[None]: ...


class Database(Protocol):
    """Where the release's data is. `dialect` chooses the tables' text; `errors` are what a query may raise."""

    @property
    def dialect(self) -> str: ...
    @property
    def errors(self) -> tuple[type[Exception], ...]: ...

    def connect(self, *, create: bool = False) -> contextlib.AbstractContextManager[Connection]: ...


class Raw(Protocol):
    """What a driver gives."""

    def cursor(self) -> Any: ...  # noqa: ANN401 - the drivers' cursors share no type
    def close(self) -> None: ...


def one(db: Connection, query: str, *values: object) -> str | None:
    row = db.execute(query, values).fetchone()
    return None if row is None else str(row[0])


@dataclass(frozen=True)
class _Plain:
    """A connection of any driver. begin: how a transaction that will write begins; value: what stands for one."""

    raw: Raw
    begin: str
    value: str

    def execute(self, query: str, values: Sequence[object] = ()) -> Cursor:
        cursor = self.raw.cursor()
        cursor.execute(query.replace("?", self.value), values)
        found: Cursor = cursor
        return found

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        self.execute(self.begin)
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")


@dataclass(frozen=True)
class Sqlite:
    """A file; a lost one is an error, not an empty new one."""

    path: Path
    dialect: str = "sqlite"
    errors: tuple[type[Exception], ...] = (sqlite3.Error,)

    @contextlib.contextmanager
    def connect(self, *, create: bool = False) -> Iterator[Connection]:
        uri = f"file:{urllib.parse.quote(str(self.path))}?mode={'rwc' if create else 'rw'}"
        raw = sqlite3.connect(uri, uri=True, timeout=10, isolation_level=None)
        with contextlib.closing(raw):
            if create:
                raw.execute("PRAGMA journal_mode = WAL")
            yield _Plain(raw, "BEGIN IMMEDIATE", "?")


@dataclass(frozen=True)
class PostgreSQL:
    """A server. Connections that a query broke are dropped; the others are kept for the next request."""

    host: str
    port: int
    name: str
    user: str
    password: str = field(repr=False)
    dialect: str = "postgresql"
    idle: queue.SimpleQueue[Raw] = field(default_factory=queue.SimpleQueue, repr=False)

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        from pg8000.dbapi import Error  # type: ignore[import-not-found] # in the release's image alone

        return (Error, OSError)

    @contextlib.contextmanager
    def connect(self, *, create: bool = False) -> Iterator[Connection]:  # noqa: ARG002 - the server is there or not
        raw = self._kept() or self._new()
        try:
            yield _Plain(raw, "BEGIN", "%s")
        except BaseException:
            with contextlib.suppress(*self.errors):
                raw.close()
            raise
        self.idle.put(raw)

    def _kept(self) -> Raw | None:
        """Return an idle connection that still works; where one does not, none of them does."""
        with contextlib.suppress(queue.Empty):
            raw = self.idle.get_nowait()
            try:
                raw.cursor().execute("SELECT 1")
            except self.errors:
                while True:
                    self.idle.get_nowait()
            return raw
        return None

    def _new(self) -> Raw:
        from pg8000.dbapi import connect

        socket = {"unix_sock": f"{self.host}/.s.PGSQL.{self.port}"}
        server: dict[str, Any] = socket if self.host.startswith("/") else {"host": self.host, "port": self.port}
        raw: Any = connect(self.user, database=self.name, password=self.password or None, timeout=5, **server)
        raw.autocommit = True
        made: Raw = raw
        return made


@dataclass(frozen=True)
class MySQL:
    """A server, MariaDB too; each request has a connection of its own."""

    host: str
    port: int
    name: str
    user: str
    password: str = field(repr=False)
    dialect: str = "mysql"

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        from pymysql import Error  # type: ignore[import-untyped] # in the release's environment alone

        return (Error, OSError)

    @contextlib.contextmanager
    def connect(self, *, create: bool = False) -> Iterator[Connection]:  # noqa: ARG002 - the server is there or not
        from pymysql import connect

        server = {"host": self.host, "port": self.port, "database": self.name, "charset": "utf8mb4"}
        raw: Any = connect(user=self.user, password=self.password, autocommit=True, connect_timeout=5, **server)
        with contextlib.closing(raw):
            yield _Plain(raw, "BEGIN", "%s")
