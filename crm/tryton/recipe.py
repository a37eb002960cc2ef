"""Tryton with its sales opportunities, on PostgreSQL or SQLite. docs/recipes/tryton.md has times and traps.

Only the server is hosted: people use Tryton's desktop client, which talks JSON-RPC to it.
"""

from __future__ import annotations

from importlib import resources

from crm.recipe import (
    DATABASE_PASSWORD,
    Ask,
    BackupSet,
    Exec,
    File,
    Http,
    Job,
    Login,
    Phase,
    PipLock,
    Process,
    Recipe,
    Recorded,
    Secret,
    Slotted,
    Sql,
    Step,
    Text,
)
from crm.tryton.versions import path, schema

VERSIONS = ("7.8.18", "8.0.12")
ADMIN_PASSWORD = Secret("admin-password")

_SITE_INI = """[site]
url = {url}
host = {host}
db = {db}
dbhost = {dbhost}
dbport = {dbport}
dbname = {dbname}
dbuser = {dbuser}
language = {language}
timezone = {timezone}
email = {email}
"""

_GUNICORN = (
    "--bind", Slotted("{listen}"),
    "--reuse-port",  # the next release binds before this one leaves
    "--workers", "2", "--threads", "4",
    "--preload",  # the workers share what they loaded
    "--no-control-socket",  # it would be one for all customers of the account
    "--timeout", "60", "--graceful-timeout", "25",
)  # fmt: skip

# Somebody in the group of administrators who can log in: before the step, Tryton's own account has no password.
_ADMIN_SQL = (
    'SELECT count(*) FROM res_user AS u JOIN "res_user-res_group" AS m ON m."user" = u.id JOIN ir_model_data AS d'
    " ON d.db_id = m.\"group\" AND d.module = 'res' AND d.fs_id = 'group_admin'"
    " WHERE u.active AND u.password_hash IS NOT NULL"
)


def _data(name: str) -> str:
    return resources.files("crm.tryton").joinpath(name).read_text("utf-8")


def _file(name: str) -> File:
    return File(name, (_data(f"files/{name}.txt"),))


def _python(*words: str | Slotted, stdin: Text = ()) -> Exec:
    return Exec((Slotted("{python}"), *words), stdin=stdin)


def _lock(version: str) -> PipLock:
    return PipLock(
        lock=_data(f"requirements-{version}.txt"),
        python=((3, 10), (3, 14)),
        drivers={"postgresql": _data(f"requirements-postgresql-{schema(version)}.txt")},
    )


def _tables(name: str, phase: Phase, summary: str) -> Step:
    return Step(
        name=name,
        phase=phase,
        ways=(_python("site_tables.py"),),
        done=Recorded(),
        ok=r"tables of [1-9]\d* modules of Tryton \d+\.\d+: 0 left",
        again="restore",  # Tryton commits after each module; an upgrade's own steps were not made to be run twice
        summary=summary,
        timeout=3600,
    )


RECIPE = Recipe(
    id="tryton",
    title="Tryton",
    licence="GPL-3.0-or-later",
    may_host="yes; the GPL asks nothing of who only runs it for others",
    versions=VERSIONS,
    targets=("webhost", "lan", "cloud"),
    needs=("ssh", "daemon", "cron"),
    memory_mb=512,
    databases=("sqlite", "postgresql"),
    artifacts={version: _lock(version) for version in VERSIONS},
    files=(
        File("site.ini", (Slotted(_SITE_INI),)),
        File("database-password", (DATABASE_PASSWORD,), only=("postgresql",)),
        *map(_file, ("site_tryton.py", "site_wsgi.py", "site_tables.py", "site_admin.py", "site_cron.py")),
    ),
    folders=(),  # attachments are in the database
    secrets=(ADMIN_PASSWORD.name,),
    steps=(
        _tables("tables", "initialise", "create the tables of sale_opportunity and what it needs"),
        _tables("upgrade-tables", "upgrade", "bring the tables of all modules to this series"),
        Step(
            name="admin",
            phase="admin",
            ways=(_python("site_admin.py", stdin=(Slotted("{admin}\n{email}\n"), ADMIN_PASSWORD)),),
            done=Ask(Sql(_ADMIN_SQL), r"^[1-9]"),
            ok=r"administrator ready: [1-9]",
            again="safe",
            summary="the customer's administrator gets his password",
            timeout=120,
        ),
    ),
    processes=(
        Process(
            "web",
            _python("-m", "gunicorn", *_GUNICORN, "site_wsgi:application"),
            stop=30,
            memory_mb=512,
            wsgi="site_wsgi:application",
        ),
    ),
    jobs=(Job("scheduled", _python("site_cron.py"), every=5),),
    live=Ask(Http("GET", "/"), r"^200 Tryton \d"),
    ready=Ask(Http("GET", "/ready"), r"^200 ready: Tryton \d"),
    users=Ask(Sql("SELECT count(*) FROM res_user WHERE active"), r"^\d+$"),
    login=Login(
        path="/crm/rpc/",
        json={"id": 0, "method": "common.db.login", "params": [Slotted("{admin}"), {"password": ADMIN_PASSWORD}]},
        success=r'^200 .*\[\d+,"',
        failure=r"^401 ",
    ),
    backup=BackupSet(database=True, paths=(), keys=()),
    schema=schema,
    path=path,
    seed=("language",),
    evidence=(
        "run: both versions with Python 3.11 on SQLite: installing, steps, login over JSON-RPC, scheduled actions,"
        " a lost database, 7.8.18 → 8.0.12 with its data, old code not ready on the new schema; by hand: 8.0.12 over"
        " SSH on a web host, and behind its Passenger 7.8.18, its upgrade, rollback, backup, a copy of it logged in to;"
        " on PostgreSQL 15 in containers 7.8.18, its upgrade, rollback, backup, a copy of it logged"
        " in to, and 8.0.12 with a template and a lost database; the same on a LAN server of Debian 12, under load, one"
        " that failed, a reboot, and 8.0.12 from a bundle; read: the licence, what 8.0 wants done by hand; not run: the"
        " desktop client, a web client (none is hosted), 8.2, another Python"
    ),
)
