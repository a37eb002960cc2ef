"""Creme 2.8 on SQLite, with its unix-socket job broker and gunicorn. docs/recipes/creme.md has times and traps.

Everything is run as `python -m …` by the release's own interpreter: the programs in {bin} have the path of their
environment in their first line, which a kernel cuts when it is long.
"""

from __future__ import annotations

from importlib import resources

from crm.creme.versions import path, schema
from crm.recipe import (
    Ask,
    BackupSet,
    Exec,
    File,
    Http,
    Login,
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

ADMIN_PASSWORD = Secret("admin-password")
SECRET_KEY = Secret("secret-key")

_SITE_INI = """[site]
url = {url}
host = {host}
db = {db}
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

_LAST_MIGRATION = r"tickets\.0017_v2_8__minions_created_n_modified02\.\.\."  # of schema 2.8, in the order of applying

# The default account gone, and somebody who can administer: before `populate` neither is so.
_ADMIN_SQL = (
    "SELECT (SELECT count(*) FROM creme_core_cremeuser WHERE username = 'root') || ' root, ' || "
    "(SELECT count(*) FROM creme_core_cremeuser WHERE is_superuser AND is_active) || ' administrators'"
)


def _data(name: str) -> str:
    return resources.files("crm.creme").joinpath(name).read_text("utf-8")


def _file(name: str) -> File:
    return File(name, (_data(f"files/{name}.txt"),))


def _python(*words: str | Slotted, stdin: Text = ()) -> Exec:
    return Exec((Slotted("{python}"), *words), stdin=stdin, env={"DJANGO_SETTINGS_MODULE": "site_settings"})


def _creme(command: str, *words: str) -> Exec:
    return _python("-m", "creme.manage", command, *words)


STEPS = (
    Step(
        name="migrate",
        phase="initialise",
        ways=(_creme("migrate", "--no-input"),),
        done=Recorded(),
        ok=rf"\A(?!.*Traceback).*Applying {_LAST_MIGRATION} OK",
        again="restore",  # Django may record a migration after its transaction: a kill between them blocks the next run
        summary="create the tables",
        timeout=900,
    ),
    Step(
        name="populate",
        phase="initialise",
        ways=(_creme("creme_populate"),),
        done=Recorded(),
        ok=r"Populate is OK\.",
        again="restore",  # it fills an application's defaults only on the first run, and that need not have ended
        summary="default data, in the customer's language",
    ),
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
        done=Ask(Sql(_ADMIN_SQL), r"^0 root, [1-9]"),
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
    versions=("2.8.6",),
    targets=("webhost", "lan"),
    needs=("ssh", "daemon"),
    memory_mb=1024,  # 380 MB at rest; eight system jobs at once at each full hour
    databases=("sqlite",),
    artifacts={
        "2.8.6": PipLock(
            lock=_data("requirements-2.8.6.txt"),
            build=_data("requirements-build.txt"),
            python=((3, 10), (3, 15)),
        )
    },
    files=(
        File("site.ini", (Slotted(_SITE_INI),)),
        File("secret-key", (SECRET_KEY,)),
        _file("site_settings.py"),
        _file("site_wsgi.py"),
        _file("site_admin.py"),
    ),
    folders=("upload",),
    secrets=(ADMIN_PASSWORD.name, SECRET_KEY.name),
    steps=STEPS,
    processes=(
        Process("web", _python("-m", "gunicorn", *_GUNICORN, "site_wsgi:application"), stop=30),
        Process("jobs", _creme("creme_job_manager"), stop=30),
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
        success=r'^200 .*href="/creme_logout"',
        failure=r'^200 .*class="errorlist nonfield"',
        default_accounts=(("root", "root"),),
    ),
    backup=BackupSet(database=True, paths=("upload",), keys=(SECRET_KEY.name,)),
    schema=schema,
    path=path,
    seed=("language", "timezone"),
    evidence=(
        "run: all of it with Python 3.11 on SQLite (installation, steps, login, refusal of root/root, static files, job"
        " manager, lost database, a copied database under another key); the steps with 3.13; the lock with 3.10 and"
        " 3.12; read: the licence, Python 3.14, the path from 2.7; not run: a LAN server"
    ),
)
