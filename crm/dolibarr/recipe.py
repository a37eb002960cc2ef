"""Dolibarr on a host's own PHP and MySQL. docs/recipes/dolibarr.md has times and traps.

Nothing of it is run with an argument that is secret: its installer's pages are included by PHP files of this folder,
which read their input and can be run with PHP's program or over HTTP.
"""

from __future__ import annotations

from importlib import resources

from crm.dolibarr.versions import STEPS, path, schema
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

PHP = {
    "16.0.3": Php(((8, 0), (8, 3)), ("curl", "gd", "intl", "mbstring", "mysqli", "xml", "zip")),
    "22.0.4": Php(((8, 0), (8, 5)), ("curl", "gd", "intl", "mbstring", "mysqli", "xml", "zip")),
}
VERSIONS = tuple(PHP)
ADMIN_PASSWORD = Secret("admin-password")
INSTANCE_KEY = Secret("instance-key")
CRON_KEY = Secret("cron-key")

_SITE_INI = """url = {url}
data = {data}
dbhost = {dbhost}
dbport = {dbport}
dbname = {dbname}
dbuser = {dbuser}
language = {language}
timezone = {timezone}
"""

# An administrator, and the key that the step writes last: before it, modules may be missing.
_ADMIN_SQL = (
    "SELECT concat((SELECT count(*) FROM llx_user WHERE admin = 1 AND statut = 1), ' administrators, ',"
    " (SELECT count(*) FROM llx_const WHERE name = 'CRON_KEY'), ' keys')"
)


def _file(path: str, name: str = "") -> File:
    text = resources.files("crm.dolibarr").joinpath(f"files/{name or path}.txt").read_text("utf-8")
    return File(path, (text,))


def _php(script: str, stdin: Text = ()) -> Exec:
    return Exec((Slotted("{php}"), script), stdin=stdin)


def _archive(version: str) -> Archive:
    # Nobody here could fetch the project's own archives, so the fleet pins them: see `evidence`.
    return Archive(f"https://github.com/Dolibarr/dolibarr/archive/refs/tags/{version}.tar.gz", "", php=PHP[version])


def _upgrade(major: int) -> Step:
    return Step(
        name=f"upgrade-{major}",
        phase="upgrade",
        ways=(_php("site_upgrade.php", (f"{major}.0\n",)),),
        done=Recorded(),
        ok=rf"the database is of {major}\.0 or later",
        again="restore",  # Dolibarr's own steps were not made to be run twice
        summary=f"bring the tables to {major}.0, where they are older",
        timeout=3600,
    )


RECIPE = Recipe(
    id="dolibarr",
    title="Dolibarr",
    licence="GPL-3.0-or-later",
    may_host="yes; the GPL asks nothing of who only runs it for others",
    versions=VERSIONS,
    targets=("webhost",),
    needs=(),
    memory_mb=256,
    databases=("mysql",),
    artifacts={version: _archive(version) for version in VERSIONS},
    files=(
        File("site.ini", (Slotted(_SITE_INI),)),
        File("database-password", (DATABASE_PASSWORD,)),
        File("instance-key", (INSTANCE_KEY,)),
        File("cron-key", (CRON_KEY,)),
        *(_file(f"site_{name}.php") for name in ("steps", "tables", "documents", "admin", "upgrade", "cron")),
        _file("app/htdocs/conf/conf.php", "conf.php"),
        _file("app/htdocs/crmhost-cron.php", "crmhost-cron.php"),
        File("app/htdocs/crmhost-live.php", ("<?php echo 'live on PHP ', PHP_VERSION;\n",)),
        File("app/documents/install.lock", ("the installer's first page, which reads no configuration, is locked\n",)),
    ),
    folders=("documents", "custom"),
    secrets=(ADMIN_PASSWORD.name, INSTANCE_KEY.name, CRON_KEY.name),
    steps=(
        Step(
            name="tables",
            phase="initialise",
            ways=(_php("site_tables.php"),),
            done=Recorded(),
            ok=r"[1-9]\d\d tables, 0 missing, [1-9]\d\d countries",
            again="safe",
            summary="create the tables and Dolibarr's first data",
            timeout=1800,  # a slow disk syncs it for each of its 276 tables
        ),
        *(_upgrade(major) for major in STEPS),
        Step(
            name="documents",
            phase="initialise",
            ways=(_php("site_documents.php"),),
            done=Recorded(),
            ok=r"[1-9]\d* folders of templates ready",
            again="safe",
            each_release=True,
            summary="folders of documents, and Dolibarr's templates",
            timeout=120,
        ),
        Step(
            name="admin",
            phase="admin",
            ways=(_php("site_admin.php", (Slotted("{admin}\n{email}\n"), ADMIN_PASSWORD)),),
            done=Ask(Sql(_ADMIN_SQL), r"^[1-9]\d* administrators, [1-9]"),
            ok=r"administrator ready: [1-9]\d*, with [1-9]\d modules",
            again="safe",
            summary="the customer's administrator, and the modules of a CRM",
            timeout=120,
        ),
    ),
    processes=(),
    jobs=(
        Job(
            "scheduled",
            _php("site_cron.php"),
            every=5,
            by_url=Ask(
                Http(
                    "POST",
                    "/crmhost-cron.php",
                    {"securitykey": (CRON_KEY,), "userlogin": (Slotted("{admin}"),)},
                ),
                r"^200 .*Result: \d+ jobs",
            ),
        ),
    ),
    live=Ask(Http("GET", "/crmhost-live.php"), r"^200 live on PHP"),
    ready=Ask(Http("GET", "/index.php"), r'^200 .* @ \d+\.\d+\.\d+<.*name="actionlogin"'),
    users=Ask(Sql("SELECT count(*) FROM llx_user WHERE statut = 1"), r"^\d+$"),
    login=Login(
        path="/index.php",
        form={"username": (Slotted("{admin}"),), "password": (ADMIN_PASSWORD,)},
        success=r"^200 .*/user/logout\.php",
        failure=r'^200 .*name="actionlogin"',
    ),
    backup=BackupSet(database=True, paths=("documents", "custom"), keys=(INSTANCE_KEY.name, CRON_KEY.name)),
    schema=schema,
    path=path,
    seed=("language",),
    web_root="htdocs",
    kept={"htdocs/custom": "custom"},
    user_limit="$dolibarr_main_limit_users in conf.php, which the recipe leaves open",
    evidence=(
        "run: on a web host (Apache, PHP-FPM 8.2, MariaDB 10.11) 22.0.4 and 16.0.3 by a deploy, their login, jobs and"
        " installer; there and over SFTP alone 16.0.3 → 22.0.4 under load, one that failed, rollback, backup, restore,"
        " destroy; upgrade, rollback and restore by hand on MySQL 9.7; by hand, by PHP's program the steps of both,"
        " over HTTP those of 22.0.4, a wrong password, a lost database, steps killed and repeated; on public copies:"
        " 13,441 files of 22.0.4 are as Dolibarr lists them, 58 have other line ends; of 16.0.3 icons are missing;"
        " read: the licence, other PHP versions; not run: the project's own archive, which could not be fetched here:"
        " the fleet pins it; MySQL 8"
    ),
)
