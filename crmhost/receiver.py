"""A small billing receiver: what `crmhost demo` delivers to, and an example for those who write their own.

It does what `docs/reference/webhook.md` asks of a receiver: verify the signature before reading anything else, give
every key one receipt for ever, answer `GET {base}/credits/{key}`, and let the newest absolute date win.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

MAX_BODY = 64 * 1024
_KEY = re.compile(r"[A-Za-z0-9_-]{1,200}")

_TABLES = """
CREATE TABLE IF NOT EXISTS credits (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, type TEXT NOT NULL, account TEXT NOT NULL, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS terms (contract TEXT PRIMARY KEY, number INTEGER NOT NULL, ends TEXT);
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: its status and the object of its JSON body."""

    status: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Receiver:
    """The receiver without the network. `database` is an SQLite file; any of `secrets` (whsec_…) may have signed."""

    database: Path
    secrets: tuple[str, ...] = field(repr=False)
    base: str = "/billing"

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer one request. `headers` by any spelling of their names."""
        names = {name.lower(): value for name, value in headers.items()}
        if not self._signed(names, body):
            return _problem(401, "the signature is not that of a secret that is known here, or it is too old")
        if method == "POST" and path == self.base:
            return self._receive(names, body)
        key = path.removeprefix(f"{self.base}/credits/")
        if method == "GET" and key != path and _KEY.fullmatch(key):
            return self._look_up(key, names)
        return _problem(404, "there is nothing at this address")

    def credits(self) -> tuple[Mapping[str, Any], ...]:
        """Return the messages that were accepted, oldest first."""
        with self._book() as book:
            return tuple(json.loads(row[0]) for row in book.execute("SELECT body FROM credits ORDER BY number"))

    def term_ends(self, contract: str) -> str | None:
        """Return when a contract's term ends, as the newest message said; None where none said."""
        with self._book() as book:
            row = book.execute("SELECT ends FROM terms WHERE contract = ?", (contract,)).fetchone()
        return None if row is None else row[0]

    def _signed(self, headers: dict[str, str], body: bytes) -> bool:
        for secret in self.secrets:
            try:
                Webhook(secret).verify(body, headers, json_parse=False)
            except (WebhookVerificationError, ValueError):
                continue
            return True
        return False

    def _receive(self, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            message = json.loads(body)
            data = message["data"]
            kind, key, account = str(message["type"]), str(data["key"]), str(data["account"])
            term = (str(data["contract"]), int(data["number"]), data["term"]["ends"])
        except (ValueError, KeyError, TypeError):
            return _problem(422, "the body is not a message about a credit")
        if not _KEY.fullmatch(key) or headers["webhook-id"] != key or headers.get("idempotency-key", key) != key:
            return _problem(422, "webhook-id, Idempotency-Key and data.key are one and the same")
        with self._book() as book:
            known = book.execute("SELECT number, body FROM credits WHERE key = ?", (key,)).fetchone()
            if known is not None and known[1] != body:
                return _problem(422, f"{key} was received before, with another body")
            number = known[0] if known is not None else _add(book, (key, kind, account, body), term)
        return Answer(200, {"key": key, "receipt": _receipt(number)})

    def _look_up(self, key: str, headers: Mapping[str, str]) -> Answer:
        if headers["webhook-id"] != key:
            return _problem(422, "webhook-id is the key that is looked for")
        with self._book() as book:
            row = book.execute("SELECT number FROM credits WHERE key = ?", (key,)).fetchone()
        if row is None:
            return Answer(404, {**_problem(404, "no credit has this key").body, "key": key})
        return Answer(200, {"key": key, "receipt": _receipt(row[0])})

    @contextmanager
    def _book(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.database, timeout=10, isolation_level=None)
        try:
            connection.executescript(_TABLES)
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        finally:
            connection.close()


def _add(book: sqlite3.Connection, credit: tuple[str, str, str, bytes], term: tuple[str, int, str | None]) -> int:
    added = book.execute("INSERT INTO credits (key, type, account, body) VALUES (?, ?, ?, ?)", credit)
    book.execute(
        "INSERT INTO terms VALUES (?, ?, ?) ON CONFLICT (contract) DO UPDATE"
        " SET number = excluded.number, ends = excluded.ends"
        " WHERE excluded.number > terms.number AND excluded.ends IS NOT NULL",
        term,
    )
    return int(added.lastrowid or 0)


def _receipt(number: int) -> str:
    return f"R-{number:06d}"


def _problem(status: int, detail: str) -> Answer:
    return Answer(status, {"title": "The message was not accepted", "status": status, "detail": detail})


def server(receiver: Receiver, host: str = "127.0.0.1", port: int = 0) -> ThreadingHTTPServer:
    """Bind a server for the receiver, on loopback unless told otherwise; the caller runs `serve_forever`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def do_GET(self) -> None:
            self._reply(receiver.handle("GET", self.path, dict(self.headers.items()), b""))

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal() or int(length) > MAX_BODY:
                self.close_connection = True
                self._reply(_problem(413, f"a message has a Content-Length of at most {MAX_BODY}"))
                return
            body = self.rfile.read(int(length))
            self._reply(receiver.handle("POST", self.path, dict(self.headers.items()), body))

        def _reply(self, answer: Answer) -> None:
            body = json.dumps(answer.body).encode()
            self.send_response(answer.status)
            kind = "application/json" if answer.status < 400 else "application/problem+json"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the parameter's inherited name
            """Write nothing: what was received is in the database."""

    return ThreadingHTTPServer((host, port), Handler)
