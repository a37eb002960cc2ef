"""The recipe of the small PHP application, and its archives, made here."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import tarfile
from collections.abc import Mapping
from pathlib import Path

from crm.errors import Refused
from crm.plan import Want
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
)

APP = Path(__file__).parent / "app"
VERSIONS = ("1.0", "1.1", "1.2", "2.0", "3.0", "broken")
"""1.x have one schema; 2.0 has another; so has 3.0, whose upgrade breaks off half-way; `broken` has that of 1.x and
answers every page with 500."""


def files_of(version: str, more: int = 0, random_mib: int = 0) -> Mapping[str, bytes]:
    """Return the archive's files; `more`: how many others, the same in each version; random_mib: of a large file."""
    found = {f"htdocs/{path.name}": path.read_bytes() for path in APP.iterdir()}
    found["htdocs/version.php"] = f"<?php const VERSION = '{version}';\n".encode()
    found["htdocs/style.css"] = b"body { color: black }\n"
    found["README.md"] = b"Memo\n"
    found["htdocs/uploads/placeholder"] = b""
    if version == "broken":
        found["htdocs/version.php"] = b"<?php http_response_code(500); exit('broken');\n"
    if random_mib:
        found["htdocs/large.bin"] = random.Random(7).randbytes(random_mib << 20)  # noqa: S311 -- always the same bytes
    for number in range(more):
        text = hashlib.sha256(str(number).encode()).hexdigest()
        found[f"htdocs/lib/{number % 100:02d}/part{number}.php"] = f"<?php // {text * (2 + number % 60)}\n".encode()
    return found


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return a .tar.gz of these files: the same bytes for the same files."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for name, content in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


class Archives:
    """Archives that are made when a recipe asks for them; `crm.driver.Archives` is its shape."""

    def __init__(self, folder: Path, more: int = 0, random_mib: int = 0) -> None:
        self.folder = folder
        self._more = more
        self._random_mib = random_mib
        self.asked = 0

    def __call__(self, archive: Archive) -> Path:
        """Return the archive's file on this machine."""
        self.asked += 1
        version = archive.url.rpartition("-")[2].removesuffix(".tar.gz")
        path = self.folder / f"memo-{version}-{self._more}-{self._random_mib}.tar.gz"
        if not path.exists():
            path.write_bytes(packed(files_of(version, self._more, self._random_mib)))
        return path


def _archive(version: str) -> Archive:
    digest = hashlib.sha256(version.encode()).hexdigest()
    return Archive(f"https://memo.example/memo-{version}.tar.gz", digest, php=Php(((7, 4), (9, 0)), ("pdo_mysql",)))


def _path(old: str, new: str) -> tuple[str, ...]:
    if new < old:
        raise Refused(f"Memo {old} → {new} is a way back", "Roll back.")
    return (new,)


RECIPE = Recipe(
    id="memo",
    title="Memo",
    licence="Apache-2.0",
    may_host="yes",
    versions=VERSIONS,
    targets=("webhost",),
    needs=(),
    memory_mb=64,
    databases=("mysql",),
    artifacts={version: _archive(version) for version in VERSIONS},
    files=(
        File(
            "app/htdocs/config.php",
            (
                "<?php $memo = ['dsn' => '",
                Slotted("mysql:host={dbhost};port={dbport};dbname={dbname}"),
                "', 'user' => '",
                Slotted("{dbuser}"),
                "', 'password' => '",
                DATABASE_PASSWORD,
                "', 'data' => '",
                Slotted("{data}"),
                "', 'app' => '",
                Slotted("{app}"),
                "', 'language' => '",
                Slotted("{language}"),
                "'];\n",
            ),
        ),
    ),
    folders=("sessions",),
    secrets=("admin-password",),
    steps=(
        Step(
            "tables",
            "initialise",
            (Http("POST", "/setup.php", {"do": ("tables",)}),),
            Recorded(),
            "the tables are there",
            "safe",
        ),
        Step(
            "greet",
            "initialise",
            (Exec((Slotted("{php}"), "app/htdocs/greet.php"), ("twelve bytes",)),),
            Recorded(),
            "^read 12 bytes",
            "safe",
            each_release=True,
        ),
        Step(
            "admin",
            "admin",
            (
                Http(
                    "POST",
                    "/setup.php",
                    {"do": ("admin",), "name": (Slotted("{admin}"),), "password": (Secret("admin-password"),)},
                ),
            ),
            Recorded(),
            "the administrator is there",
            "safe",
        ),
        Step(
            "titles",
            "upgrade",
            (Http("POST", "/setup.php", {"do": ("upgrade",)}),),
            Recorded(),
            "the titles are there",
            "restore",
        ),
    ),
    processes=(),
    jobs=(Job("tidy", Exec((Slotted("{php}"), Slotted("{app}/htdocs/greet.php"))), every=5),),
    live=Ask(Http("GET", "/style.css"), "^200 "),
    ready=Ask(Http("GET", "/index.php"), r"^200 .*please log in, one of \d"),
    users=Ask(Sql("select count(*) from users"), r"^\d+$"),
    login=Login(
        path="/index.php",
        success="hello ",
        failure="please log in",
        form={"name": (Slotted("{admin}"),), "password": (Secret("admin-password"),), "do": ("login",)},
    ),
    backup=BackupSet(database=True, paths=("uploads",), keys=()),
    schema=lambda version: version[0] if version in ("2.0", "3.0") else "1",
    path=_path,
    web_root="htdocs",
    kept={"htdocs/uploads": "uploads"},
)

SECRETS = {"admin-password": "planted-password-1", "database-password": "host-gave-this"}
SLOTS = {
    "url": "https://crm.acme.test",
    "host": "crm.acme.test",
    "language": "vi",
    "timezone": "UTC",
    "admin": "admin",
    "email": "it@acme.example",
}


def memo_want(version: str = "1.0", **slots: str) -> Want:
    """Return what contract `acme` wants: `memo_want("1.1", language="fa")`."""
    return Want("acme", RECIPE, version, {**SLOTS, **slots}, SECRETS)
