"""Creme on PostgreSQL, SQLite or MySQL, with its job manager and gunicorn. docs/recipes/creme.md has times and traps.

Everything is run as `python -m …` by the release's own interpreter: the programs in {bin} have the path of their
environment in their first line, which a kernel cuts when it is long.
"""

from __future__ import annotations

from importlib import resources

from crm.creme.versions import path, schema
from crm.recipe import (
    DATABASE_PASSWORD,
    Ask,
    BackupSet,
    Database,
    Exec,
    File,
    Http,
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

VERSIONS = ("2.7.13", "2.8.6")
SERVERS: tuple[Database, ...] = ("postgresql", "mysql")
"""The databases that are a server, with a password."""
ADMIN_PASSWORD = Secret("admin-password")
SECRET_KEY = Secret("secret-key")

_SITE_INI = """[site]
url = {url}
host = {host}
db = {db}
dbhost = {dbhost}
dbport = {dbport}
dbname = {dbname}
dbuser = {dbuser}
redis = {redis}
data = {data}
run = {run}
language = {language}
timezone = {timezone}
email = {email}
"""

_GUNICORN = (
    "--bind", Slotted("{listen}"),
    "--reuse-port",  # the next release binds before this one leaves
    "--workers", "2", "--threads", "4",
    "--preload",  # the workers share what they loaded: 185 MB for all three processes
    "--no-control-socket",  # it would be one for all customers of the account
    "--timeout", "60", "--graceful-timeout", "25",
)  # fmt: skip

# The default account gone, and somebody who can administer: before `populate` neither is so. On any database.
_ADMIN_SQL = (
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM creme_core_cremeuser WHERE username = 'root') THEN 'root is there'"
    " WHEN EXISTS (SELECT 1 FROM creme_core_cremeuser WHERE is_superuser AND is_active) THEN 'administrator'"
    " ELSE 'nobody' END"
)


def _data(name: str) -> str:
    return resources.files("crm.creme").joinpath(name).read_text("utf-8")


def _file(name: str) -> File:
    return File(name, (_data(f"files/{name}.txt"),))


def _python(*words: str | Slotted, stdin: Text = ()) -> Exec:
    return Exec((Slotted("{python}"), *words), stdin=stdin, env={"DJANGO_SETTINGS_MODULE": "site_settings"})


def _lock(version: str) -> PipLock:
    return PipLock(
        lock=_data(f"requirements-{version}.txt"),
        build=_data("requirements-build.txt"),
        python=((3, 10), (3, 15)),
        drivers={kind: _data(f"requirements-{kind}.txt") for kind in SERVERS},
    )


def _creme(command: str, *words: str) -> Exec:
    return _python("-m", "creme.manage", command, *words)


def _migrate(name: str, phase: Phase, summary: str) -> Step:
    return Step(
        name=name,
        phase=phase,
        ways=(_python("site_migrate.py"),),
        done=Recorded(),
        ok=r"tables of \d+ applications: 0 migrations left",
        again="restore",  # Django may record a migration after its transaction: a kill between them blocks the next run
        summary=summary,
        timeout=3600,
    )


def _populate(name: str, phase: Phase, summary: str) -> Step:
    return Step(
        name=name,
        phase=phase,
        ways=(_creme("creme_populate"),),
        done=Recorded(),
        ok=r"Populate is OK\.",
        again="restore",  # it fills an application's defaults only on the first run, and that need not have ended
        summary=summary,
    )


STEPS = (
    _migrate("migrate", "initialise", "create the tables"),
    _populate("populate", "initialise", "default data, in the customer's language"),
    _migrate("upgrade-tables", "upgrade", "bring the tables to this version"),
    _populate("upgrade-data", "upgrade", "default data that is new in this version"),
    Step(
        name="media",
        phase="initialise",
        ways=(_creme("generatemedia"),),
        done=Recorded(),
        ok=r"\A(?!.*Traceback).*Generating chantillymain\.css",
        again="safe",
        each_release=True,
        summary="style sheets and scripts",
        timeout=300,
    ),
    Step(
        name="check",
        phase="initialise",
        ways=(_creme("check", "--database", "default"),),
        done=Recorded(),
        ok=r"System check identified no issues",
        again="safe",
        each_release=True,
        summary="Creme's own checks of its settings",
        timeout=120,
    ),
    Step(
        name="admin",
        phase="admin",
        ways=(_python("site_admin.py", stdin=(Slotted("{admin}\n{email}\n"), ADMIN_PASSWORD)),),
        done=Ask(Sql(_ADMIN_SQL), r"^administrator$"),
        ok=r"administrator ready: 0 default accounts left",
        again="safe",
        summary="the default account root becomes the customer's administrator",
        timeout=120,
    ),
)

RECIPE = Recipe(
    id="creme",
    title="Creme CRM",
    licence="AGPL-3.0-or-later",
    may_host="yes; users of a changed Creme must be offered its source (AGPL, section 13)",
    versions=VERSIONS,
    targets=("webhost", "lan", "cloud"),
    needs=("ssh", "daemon"),
    memory_mb=1024,  # 380 MB at rest; eight system jobs at once at each full hour
    databases=("sqlite", *SERVERS),
    artifacts={version: _lock(version) for version in VERSIONS},
    files=(
        File("site.ini", (Slotted(_SITE_INI),)),
        File("secret-key", (SECRET_KEY,)),
        File("database-password", (DATABASE_PASSWORD,), only=SERVERS),
        _file("site_settings.py"),
        _file("site_wsgi.py"),
        _file("site_migrate.py"),
        _file("site_admin.py"),
    ),
    folders=("upload",),
    secrets=(ADMIN_PASSWORD.name, SECRET_KEY.name),
    steps=STEPS,
    processes=(
        Process(
            "web",
            _python("-m", "gunicorn", *_GUNICORN, "site_wsgi:application"),
            stop=30,
            memory_mb=512,
            wsgi="site_wsgi:application",
        ),
        Process("jobs", _creme("creme_job_manager"), stop=30, memory_mb=1024),
    ),
    jobs=(),
    live=Ask(Http("GET", "/"), r"^302 "),
    ready=Ask(Http("GET", "/creme_login/"), r"^200 .*csrfmiddlewaretoken"),
    users=Ask(
        Sql("SELECT count(*) FROM creme_core_cremeuser WHERE is_active AND NOT is_team AND NOT is_staff"), r"^\d+$"
    ),
    login=Login(
        path="/creme_login/",
        form={"username": (Slotted("{admin}"),), "password": (ADMIN_PASSWORD,)},
        success=r'^200 .*(href|action)="/creme_logout"',  # a link in 2.8, a form in 2.7
        failure=r'^200 .*class="errorlist nonfield"',
        default_accounts=(("root", "root"),),
    ),
    backup=BackupSet(database=True, paths=("upload",), keys=(SECRET_KEY.name,)),
    schema=schema,
    path=path,
    seed=("language", "timezone"),
    redis=True,
    evidence=(
        "run: both versions with Python 3.11: installing, steps, login, refusal of root/root on SQLite and, with redis,"
        " in containers on PostgreSQL 15; there also a template, 2.7.13 → 2.8.6, old code failing on the new schema;"
        " behind Passenger on SQLite and MariaDB 10.11 the same upgrade under load, rollback, backup, restore; of 2.8.6"
        " static files, job manager, lost database, a database under another key, and the steps with 3.13; its lock"
        " with 3.10 and 3.12; by hand: 2.8.6 on a LAN server (Debian 12), and behind Passenger on MySQL 9.7 the same;"
        " read: the licence, Python 3.14; not run: MySQL 8, reports by date without time zone tables,"
        " PostgreSQL with another Python"
    ),
)
