"""The notebook's recipe: every word that a recipe can say, in an application that is deployed in about a second."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources

from crm.errors import Refused
from crm.recipe import (
    DATABASE_PASSWORD,
    Ask,
    BackupSet,
    Database,
    Exec,
    File,
    Http,
    Job,
    Login,
    PipLock,
    Process,
    Recipe,
    Recorded,
    Secret,
    Slotted,
    Sql,
    Step,
)
from tests.support.smallapp.notebook.store import SCHEMAS

VERSIONS = ("broken", "1.0", "1.1", "2.0")
"""1.1 has the schema of 1.0, 2.0 another one; `broken` has the schema of 1.0 and never becomes ready."""

CONFIG = """version = {version}
database = {db}
dbhost = {dbhost}
dbport = {dbport}
dbname = {dbname}
dbuser = {dbuser}
redis = {redis}
language = {language}
url = {url}
faults = """
DEFAULT_FAULTS = "{data}/faults"

ADMIN_PASSWORD = Secret("admin-password")


def _exec(command: str, *rest: str) -> Exec:
    return Exec((Slotted("{python}"), "-m", "notebook", "site.conf", command, *(Slotted(word) for word in rest)))


def _code() -> tuple[File, ...]:
    folder = resources.files("tests.support.smallapp.notebook")
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".py"))
    return tuple(File(f"notebook/{name}", ((folder / name).read_text("utf-8"),)) for name in names)


def _text(database: str) -> str:
    return resources.files("tests.support.smallapp").joinpath(f"requirements-{database}.txt").read_text("utf-8")


def _path(old: str, new: str) -> tuple[str, ...]:
    if int(SCHEMAS[new]) < int(SCHEMAS[old]):
        raise Refused(f"Notebook {old} → {new}: old code never runs on a newer database", f"restore a backup of {new}")
    return (new,)


def _steps() -> tuple[Step, ...]:
    return (
        Step("schema", "initialise", (_exec("init"),), Recorded(), ok=r"initialised schema \d", again="restore",
             summary="create the tables", timeout=30),
        Step("seed", "initialise", (_exec("seed"),),
             Ask(Sql("SELECT count(*) FROM setting WHERE name = 'greeting'"), r"^1$"), ok="seeded", again="safe",
             summary="the customer's language", timeout=30),
        Step("derive", "initialise", (_exec("derive"),), Recorded(), ok=r"derived \d+ file", again="safe",
             each_release=True, summary="the style sheet", timeout=30),
        Step("upgrade", "upgrade", (_exec("upgrade"),), Ask(_exec("pending"), "^current "), ok="^current ",
             again="restore", summary="bring the tables to this release's schema", timeout=30),
        Step("admin", "admin",
             (Exec((*_exec("admin").argv,), stdin=(Slotted("{admin}"), "\n", ADMIN_PASSWORD, "\n")),),
             Ask(Sql("SELECT count(*) FROM account WHERE name = 'root'"), "^0$"), ok="administrator ready",
             again="safe", summary="the customer's administrator in place of root", timeout=30),
        Step("register", "admin", (_exec("register"),), Recorded(), ok=r"registered \d+", again="never",
             summary="take a number that nobody gives back", timeout=30),
    )  # fmt: skip


def _lock(version: str) -> PipLock:
    drivers: dict[Database, str] = {"postgresql": _text("postgresql"), "mysql": _text("mysql")}
    return PipLock(f"# notebook {version} needs no packages\n", ((3, 10), (4, 0)), drivers=drivers)


def recipe(faults: str = DEFAULT_FAULTS, *, redis: bool = False) -> Recipe:
    """Return the recipe; `faults` names the folder whose files switch faults on (see the notebook's docstring).

    redis: it counts notes in a redis of the customer's own.
    """
    return Recipe(
        id="smallapp",
        title="Notebook",
        licence="Apache-2.0",
        may_host="yes: it is part of these tests",
        versions=VERSIONS,
        targets=("webhost", "lan", "cloud"),
        needs=("ssh", "daemon"),
        memory_mb=128,
        databases=("sqlite", "postgresql"),
        artifacts={version: _lock(version) for version in VERSIONS},
        files=(
            File("site.conf", (Slotted(CONFIG + faults + "\n"),)),
            File("secret-key", (Secret("secret-key"),)),
            File("database-password", (DATABASE_PASSWORD,), only=("postgresql", "mysql")),
            *_code(),
        ),
        folders=("files", "faults"),
        secrets=("admin-password", "secret-key"),
        steps=_steps(),
        processes=(
            Process("web", _exec("web", "{listen}"), stop=10, memory_mb=128, wsgi="notebook.wsgi:application"),
            Process("worker", _exec("worker"), stop=5, memory_mb=96, cpus="0.5"),
        ),
        jobs=(Job("beat", _exec("job"), every=1, memory_mb=64),),
        live=Ask(Http("GET", "/live"), r"^200 live"),
        ready=Ask(Http("GET", "/ready"), r"^200 ready"),
        users=Ask(Sql("SELECT count(*) FROM account WHERE active"), r"^\d+$"),
        login=Login(
            path="/login",
            form={"username": (Slotted("{admin}"),), "password": (ADMIN_PASSWORD,)},
            success=r"^200 .*<ul>",
            failure=r"^200 .*Wrong name or password",
            default_accounts=(("root", "root"),),
        ),
        backup=BackupSet(database=True, paths=("files",), keys=("secret-key",)),
        schema=SCHEMAS.__getitem__,
        path=_path,
        seed=("language",),
        evidence="everything is run by tests/crm/test_smallapp.py",
        redis=redis,
    )


RECIPE = recipe()
ON_MYSQL = replace(RECIPE, databases=("mysql",))
"""The same on a MySQL or MariaDB that a web host gave."""
