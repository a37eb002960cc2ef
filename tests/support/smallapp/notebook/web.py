"""The web process."""

from __future__ import annotations

import hmac
import html
import re
import secrets
import signal
import socket
import socketserver
import sys
import threading
import urllib.parse
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler

from .counter import count
from .database import one
from .store import Site, digest

SHOWN = 100
"""How many notes the page shows, the last ones."""
PAGE = "<!doctype html><title>Notebook {version}</title><link rel=stylesheet href=/static/style.css>{body}"


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Shares its port with the release that takes over, and answers what was waiting when it is told to end."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], here: Site) -> None:
        self.here = here
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()

    def drain(self) -> None:
        self.socket.setblocking(False)
        while True:
            try:
                request, client = self.get_request()
            except BlockingIOError:
                return
            self.process_request(request, client)


class Handler(BaseHTTPRequestHandler):
    """The pages. `/live` touches no database, `/ready` does."""

    server: Server
    timeout = 10

    def do_GET(self) -> None:
        self.answer({"/": self.home, "/live": self.live, "/ready": self.ready, "/login": self.form,
                     "/notes": self.notes, "/notes/N": self.note, "/static/style.css": self.style})  # fmt: skip

    def do_POST(self) -> None:
        self.answer({"/login": self.login, "/notes": self.write})

    def answer(self, pages: Mapping[str, Callable[[], None]]) -> None:
        here = self.server.here
        threading.Event().wait(float(here.fault("hang") or 0))
        page = pages.get(re.sub(r"\d+$", "N", urllib.parse.urlsplit(self.path).path))
        try:
            if here.fault("error") is not None:
                self.send(500, "told to fail")
            elif page is None:
                self.send(404, "no such page")
            else:
                page()
        except here.database.errors as problem:
            self.send(500, f"the database: {problem}")

    def send(self, status: int, body: str, *, kind: str = "text/html", **headers: str) -> None:
        data = body.encode()
        self.send_response(status, HTTPStatus(status).phrase)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def show(self, body: str, status: int = 200, **headers: str) -> None:
        self.send(status, PAGE.format(version=self.server.here.version, body=body), **headers)

    def home(self) -> None:
        self.send(302, "", Location="/notes")

    def live(self) -> None:
        self.send(200, f"live {self.server.here.version}", kind="text/plain")

    def ready(self) -> None:
        here = self.server.here
        with here.database.connect() as db:
            count = one(db, "SELECT count(*) FROM account WHERE active")
        bad = here.version == "broken" or here.fault("ready") is not None
        self.send(500 if bad else 200, f"{'not ' * bad}ready {here.version}, {count} accounts", kind="text/plain")

    def style(self) -> None:
        css = self.server.here.static / "style.css"
        self.send(*(200, css.read_text()) if css.exists() else (404, ""), kind="text/css")

    def form(self, problem: str = "") -> None:
        token = secrets.token_hex(8)
        fields = "<input name=username><input name=password type=password><button>Log in</button>"
        hidden = f'<input type="hidden" name="csrf" value="{token}">'
        cookie = f"csrf={token}; Path=/; HttpOnly"
        self.show(f"<p>{problem}</p><form method=post>{hidden}{fields}</form>", Set_Cookie=cookie)

    def login(self) -> None:
        sent = self.fields()
        name, password = sent.get("username", ""), sent.get("password", "")
        if not sent.get("csrf") or sent["csrf"] != self.cookie("csrf"):
            self.send(403, "the form is too old")
            return
        with self.server.here.database.connect() as db:
            row = db.execute("SELECT salt, hash FROM account WHERE name = ? AND active", (name,)).fetchone()
        if row is None or not hmac.compare_digest(digest(password, row[0]), row[1]):
            self.form("Wrong name or password")
            return
        secure = "; Secure" if self.server.here.secure else ""
        session = f"session={urllib.parse.quote(name)}.{self.signature(name)}; Path=/; HttpOnly{secure}"
        self.send(303, "", Location="/notes", Set_Cookie=session)

    def notes(self) -> None:
        who = self.who()
        if who is None:
            self.send(302, "", Location="/login")
            return
        with self.server.here.database.connect() as db:
            greeting = one(db, "SELECT value FROM setting WHERE name = 'greeting'") or ""
            rows = db.execute("SELECT text FROM note ORDER BY id DESC LIMIT ?", (SHOWN,)).fetchall()
        texts = [html.escape(row[0]) for row in reversed(rows)]
        items = "".join(f"<li>{text}" for text in texts)
        self.show(f"<h1>{greeting}, {html.escape(who)}</h1><ul>{items}</ul><form method=post><input name=text></form>")

    def note(self) -> None:
        number = int(self.path.rpartition("/")[2])
        if self.who() is None:
            self.send(403, "log in first")
            return
        with self.server.here.database.connect() as db:
            found = db.execute(
                "SELECT note.text, history.act FROM note JOIN history ON history.note = note.id WHERE note.id = ?",
                (number,),
            ).fetchone()
        self.send(*(404, "no such note") if found is None else (200, f"{found[1]}: {found[0]}"), kind="text/plain")

    def write(self) -> None:
        here, who, text = self.server.here, self.who(), self.fields().get("text", "")
        if who is None:
            self.send(403, "log in first")
            return
        with here.database.connect() as db, db.transaction():
            if here.schema == "1":
                number = one(db, "INSERT INTO note (text) VALUES (?) RETURNING id", text)
            else:
                number = one(db, "INSERT INTO note (text, author) VALUES (?, ?) RETURNING id", text, who)
            db.execute("INSERT INTO history (note, act) VALUES (?, 'written')", (int(number or 0),))
        counted = {"X_Notes": count(here.redis, "notes")} if here.redis else {}
        self.send(303, "", Location=f"/notes/{number}", **counted)

    def fields(self) -> dict[str, str]:
        length = min(int(self.headers.get("Content-Length", 0)), 65536)
        return dict(urllib.parse.parse_qsl(self.rfile.read(length).decode()))

    def cookie(self, name: str) -> str | None:
        found = SimpleCookie(self.headers.get("Cookie", "")).get(name)
        return None if found is None else found.value

    def signature(self, name: str) -> str:
        return hmac.new(self.server.here.key, name.encode(), "sha256").hexdigest()

    def who(self) -> str | None:
        name, _, signature = (self.cookie("session") or "").rpartition(".")
        name = urllib.parse.unquote(name)
        return name if name and hmac.compare_digest(signature, self.signature(name)) else None

    def log_message(self, template: str, *values: object) -> None:
        sys.stderr.write(re.sub(r"[^\x20-\x7e]", "?", template % values) + "\n")


def web(here: Site, listen: str) -> str:
    threading.Event().wait(float(here.fault("slow-start") or 0))
    if here.fault("web") is not None:
        sys.exit("told to end")
    host, _, port = listen.rpartition(":")
    with Server((host, int(port)), here) as server:
        signal.signal(signal.SIGTERM, lambda _number, _frame: threading.Thread(target=server.shutdown).start())
        sys.stderr.write(f"listening on {listen}\n")
        server.serve_forever(poll_interval=0.05)
        server.drain()
    return "ended"
