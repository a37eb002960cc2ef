"""What a deploy and the scheduler run; each command returns the line that it prints."""

from __future__ import annotations

import os
import signal
import sys
import threading

from .database import one
from .store import ACCOUNT, NOTE, OTHERS, UPGRADE, Site, add_account


def init(here: Site) -> str:
    with here.database.connect(create=True) as db:
        db.execute(here.table(ACCOUNT))
        if here.fault("init") is not None:
            os._exit(70)
        for table in (NOTE[here.schema], *OTHERS):
            db.execute(here.table(table))
        db.execute("INSERT INTO setting VALUES ('schema', ?)", (here.schema,))
        add_account(db, "root", "root")
    return f"initialised schema {here.schema}"


def seed(here: Site) -> str:
    greeting = {"vi": "Xin chào", "fa": "سلام", "zh": "你好"}.get(here.language[:2], "Welcome")
    with here.database.connect() as db, db.transaction():
        db.execute("DELETE FROM setting WHERE name = 'greeting'")
        db.execute("INSERT INTO setting VALUES ('greeting', ?)", (greeting,))
    return "seeded"


def admin(here: Site) -> str:
    name, password = sys.stdin.read().splitlines()
    with here.database.connect() as db, db.transaction():
        db.execute("DELETE FROM account WHERE name IN ('root', ?)", (name,))
        add_account(db, name, password)
    return "administrator ready"


def register(here: Site) -> str:
    while here.fault("register") is not None:
        threading.Event().wait(0.05)
    with here.database.connect() as db:
        db.execute("INSERT INTO registration (name) VALUES (?)", (here.version,))
        count = one(db, "SELECT count(*) FROM registration")
    return f"registered {count}"


def derive(here: Site) -> str:
    here.static.mkdir(exist_ok=True)
    (here.static / "style.css").write_text(f"/* {here.version} */ body {{ font-family: sans-serif }}\n")
    return "derived 1 file"


def pending(here: Site) -> str:
    with here.database.connect() as db:
        found = one(db, "SELECT value FROM setting WHERE name = 'schema'")
    return f"current {found}" if found == here.schema else f"pending {found} -> {here.schema}"


def upgrade(here: Site) -> str:
    if not pending(here).startswith("pending 1 -> 2"):
        return pending(here)
    with here.database.connect() as db:
        first, *rest = UPGRADE[here.database.dialect]
        db.execute(here.table(first))
        if here.fault("upgrade") is not None:
            os._exit(70)
        for statement in rest:
            db.execute(here.table(statement))
        db.execute("UPDATE setting SET value = '2' WHERE name = 'schema'")
    return pending(here)


def job(here: Site) -> str:
    with here.database.connect() as db:
        db.execute("INSERT INTO beat (source) VALUES ('job')")
    return "beat"


def worker(here: Site) -> str:
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: ended.set())
    while not ended.wait(0.2):
        if here.fault("worker") is not None:
            return "told to end"
        with here.database.connect() as db:
            if db.execute("UPDATE note SET handled = 1 WHERE handled = 0").rowcount:
                db.execute("INSERT INTO beat (source) VALUES ('worker')")
    return "ended"
