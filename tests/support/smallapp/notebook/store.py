"""The release's configuration, the database and its tables."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

SCHEMAS = {"1.0": "1", "1.1": "1", "broken": "1", "2.0": "2"}
NOTE = {
    "1": "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL, handled INTEGER NOT NULL DEFAULT 0)",
    "2": "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL, handled INTEGER NOT NULL DEFAULT 0,"
    " author TEXT NOT NULL)",
}
ACCOUNT = (
    "CREATE TABLE account (name TEXT PRIMARY KEY, salt TEXT NOT NULL, hash TEXT NOT NULL, active INTEGER NOT NULL)"
)
OTHERS = (
    "CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE beat (id INTEGER PRIMARY KEY, source TEXT NOT NULL, at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)",
    "CREATE TABLE registration (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
)


@dataclass(frozen=True)
class Site:
    """What the release's configuration says; read once, at the start."""

    version: str
    database: Path
    faults: Path
    language: str
    secure: bool
    key: bytes
    static: Path

    @property
    def schema(self) -> str:
        """Return the schema that this code needs."""
        return SCHEMAS[self.version]

    def fault(self, name: str) -> str | None:
        """Return what the fault's file holds while it is on."""
        try:
            return (self.faults / name).read_text()
        except OSError:
            return None

    def connect(self, mode: str = "rw") -> sqlite3.Connection:
        """Open the database; a lost one is an error, not an empty new one."""
        uri = f"file:{urllib.parse.quote(str(self.database))}?mode={mode}"
        return sqlite3.connect(uri, uri=True, timeout=10, isolation_level=None)


def site(config: Path) -> Site:
    """Read `name = value` lines; the key has a file of its own beside them, so it may hold any character."""
    lines = (line.partition(" = ") for line in config.read_text().splitlines())
    values = {name: value for name, _, value in lines}
    return Site(
        version=values["version"],
        database=Path(values["database"]),
        faults=Path(values["faults"]),
        language=values["language"],
        secure=values["url"].startswith("https:"),
        key=config.with_name("secret-key").read_bytes(),
        static=config.with_name("static"),
    )


def digest(password: str, salt: str) -> str:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), 1000).hex()


def add_account(db: sqlite3.Connection, name: str, password: str) -> None:
    salt = secrets.token_hex(8)
    db.execute("INSERT INTO account VALUES (?, ?, ?, 1)", (name, salt, digest(password, salt)))


def one(db: sqlite3.Connection, query: str, *values: str) -> str | None:
    row = db.execute(query, values).fetchone()
    return None if row is None else str(row[0])
