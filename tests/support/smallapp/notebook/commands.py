"""What a deploy and the scheduler run; each command returns the line that it prints."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import closing

from .store import ACCOUNT, NOTE, OTHERS, Site, add_account, one


def init(here: Site) -> str:
    with closing(here.connect("rwc")) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(ACCOUNT)
        if here.fault("init") is not None:
            os._exit(70)
        for table in (NOTE[here.schema], *OTHERS):
            db.execute(table)
        db.execute("INSERT INTO setting VALUES ('schema', ?)", (here.schema,))
        add_account(db, "root", "root")
    return f"initialised schema {here.schema}"


def seed(here: Site) -> str:
    greeting = {"vi": "Xin chào", "fa": "سلام", "zh": "你好"}.get(here.language[:2], "Welcome")
    with closing(here.connect()) as db:
        db.execute("INSERT OR REPLACE INTO setting VALUES ('greeting', ?)", (greeting,))
    return "seeded"


def admin(here: Site) -> str:
    name, password = sys.stdin.read().splitlines()
    with closing(here.connect()) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("DELETE FROM account WHERE name IN ('root', ?)", (name,))
        add_account(db, name, password)
        db.execute("COMMIT")
    return "administrator ready"


def accounts(here: Site) -> str:
    with closing(here.connect()) as db:
        gone = one(db, "SELECT 1 FROM account WHERE name = 'root'") is None
        return "default account gone" if gone else "default account still there"


def register(here: Site) -> str:
    with closing(here.connect()) as db:
        db.execute("INSERT INTO registration (name) VALUES (?)", (here.version,))
        count = one(db, "SELECT count(*) FROM registration")
    return f"registered {count}"


def derive(here: Site) -> str:
    here.static.mkdir(exist_ok=True)
    (here.static / "style.css").write_text(f"/* {here.version} */ body {{ font-family: sans-serif }}\n")
    return "derived 1 file"


def pending(here: Site) -> str:
    with closing(here.connect()) as db:
        found = one(db, "SELECT value FROM setting WHERE name = 'schema'")
    return f"current {found}" if found == here.schema else f"pending {found} -> {here.schema}"


def upgrade(here: Site) -> str:
    if not pending(here).startswith("pending 1 -> 2"):
        return pending(here)
    with closing(here.connect()) as db:
        db.execute("ALTER TABLE note RENAME TO old_note")
        if here.fault("upgrade") is not None:
            os._exit(70)
        db.execute(NOTE["2"])
        db.execute("INSERT INTO note SELECT id, text, handled, 'unknown' FROM old_note")
        db.execute("DROP TABLE old_note")
        db.execute("UPDATE setting SET value = '2' WHERE name = 'schema'")
    return pending(here)


def job(here: Site) -> str:
    with closing(here.connect()) as db:
        db.execute("INSERT INTO beat (source) VALUES ('job')")
    return "beat"


def worker(here: Site) -> str:
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: ended.set())
    while not ended.wait(0.2):
        if here.fault("worker") is not None:
            return "told to end"
        with closing(here.connect()) as db:
            if db.execute("UPDATE note SET handled = 1 WHERE handled = 0").rowcount:
                db.execute("INSERT INTO beat (source) VALUES ('worker')")
    return "ended"
