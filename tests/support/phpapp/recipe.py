"""The guestbook's recipe: what a recipe can say of an archive that the host's own PHP serves."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

from crm.recipe import (
    DATABASE_PASSWORD,
    Archive,
    Ask,
    BackupSet,
    Exec,
    File,
    Http,
    Job,
    Login,
    Php,
    Recipe,
    Recorded,
    Secret,
    Slotted,
    Sql,
    Step,
    Text,
)

TREE = Path(__file__).parent / "tree"
VERSIONS = ("1.0", "1.1", "broken")
ADMIN_PASSWORD = Secret("admin-password")
_CONFIG = """<?php
return [
    'version' => '{version}', 'dbhost' => '{dbhost}', 'dbport' => '{dbport}', 'dbname' => '{dbname}',
    'dbuser' => '{dbuser}', 'password' => file_get_contents(__DIR__ . '/../database-password'),
];
"""


def packed() -> bytes:
    """Return the application as a .tar.gz, the same for the same files."""
    sink = io.BytesIO()
    with gzip.GzipFile(fileobj=sink, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as archive:
        for path in sorted(TREE.rglob("*")):
            entry = tarfile.TarInfo(str(path.relative_to(TREE)))
            entry.mode, entry.type = (0o755, tarfile.DIRTYPE) if path.is_dir() else (0o644, tarfile.REGTYPE)
            content = b"" if path.is_dir() else path.read_bytes()
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return sink.getvalue()


def _php(command: str, stdin: Text = ()) -> Exec:
    return Exec((Slotted("{php}"), "app/commands.php", command), stdin=stdin)


ARCHIVE = Archive(
    "https://guestbook.invalid/guestbook.tar.gz",
    hashlib.sha256(packed()).hexdigest(),
    strip=0,
    php=Php(((8, 1), (9, 0)), ("pdo_mysql", "session")),
)
RECIPE = Recipe(
    id="phpapp",
    title="Guestbook",
    licence="Apache-2.0",
    may_host="yes: it is part of these tests",
    versions=VERSIONS,
    targets=("webhost",),
    needs=(),
    memory_mb=64,
    databases=("mysql",),
    artifacts=dict.fromkeys(VERSIONS, ARCHIVE),
    files=(
        File("app/config.php", (Slotted(_CONFIG),)),
        File("database-password", (DATABASE_PASSWORD,)),
    ),
    folders=("uploads",),
    secrets=("admin-password",),
    steps=(
        Step("tables", "initialise", (_php("tables"),), Recorded(), ok=r"made \d tables", again="restore",
             summary="create the tables", timeout=180),
        Step("admin", "admin", (_php("admin", (Slotted("{admin}\n"), ADMIN_PASSWORD)),),
             Ask(Sql("SELECT count(*) FROM account"), "^1$"), ok="administrator ready", again="safe",
             summary="the customer's administrator", timeout=180),
    ),
    processes=(),
    jobs=(Job("beat", _php("beat")),),
    live=Ask(Http("GET", "/style.css"), r"^200 body"),
    ready=Ask(Http("GET", "/ready.php"), r"^200 .*>ready "),
    users=Ask(Sql("SELECT count(*) FROM account"), r"^\d+$"),
    login=Login(
        path="/login.php",
        form={"username": (Slotted("{admin}"),), "password": (ADMIN_PASSWORD,)},
        success=r"^200 .*Welcome",
        failure=r"^200 .*Wrong name or password",
    ),
    backup=BackupSet(database=True, paths=("uploads",), keys=()),
    schema=lambda _version: "1",
    path=lambda _old, new: (new,),
    web_root="public",
    kept={"public/files": "uploads"},
    evidence="everything is run by tests/playbooks/webhost/test_php.py",
)  # fmt: skip
