"""EspoCRM on a host's own PHP and MySQL. docs/recipes/espocrm.md has times and traps.

Its installer takes every secret as an argument of a program, so the steps do what it does in PHP files of this folder.
"""

from __future__ import annotations

from importlib import resources

from crm.errors import Refused
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

VERSION = "9.1.7"
ADMIN_PASSWORD, SECRET_KEY, CRON_KEY = Secret("admin-password"), Secret("secret-key"), Secret("cron-key")
EXTENSIONS = ("curl", "dom", "exif", "gd", "mbstring", "openssl", "pdo_mysql", "xml", "zip")

_URL = f"https://github.com/espocrm/espocrm/releases/download/{VERSION}/EspoCRM-{VERSION}.zip"
_SITE_INI = """url = {url}
version = {version}
dbhost = {dbhost}
dbport = {dbport}
dbname = {dbname}
dbuser = {dbuser}
language = {language}
timezone = {timezone}
"""
_ADMINISTRATORS = "SELECT count(*) FROM user WHERE type = 'admin' AND is_active = 1 AND deleted = 0"
_USERS = "SELECT count(*) FROM user WHERE type IN ('admin', 'regular') AND is_active = 1 AND deleted = 0"


def _file(path: str, name: str = "") -> File:
    text = resources.files("crm.espocrm").joinpath(f"files/{name or path}.txt").read_text("utf-8")
    return File(path, (text,))


def _php(script: str, stdin: Text = ()) -> Exec:
    return Exec((Slotted("{php}"), script), stdin=stdin)


def _path(old: str, new: str) -> tuple[str, ...]:
    """Return nothing: Espo's own upgrade writes over the code in its place, which a release never does."""
    raise Refused(f"EspoCRM {old} → {new}: this upgrade has not been tried", f"stay on {old}")


def _steps() -> tuple[Step, ...]:
    return (
        Step("settings", "initialise", (_php("site_settings.php"),), Recorded(),
             ok=r"settings of \d\S+ for http\S+ ready", again="safe", each_release=True, timeout=120,
             summary="settings that read this release's own, and an empty cache"),
        Step("tables", "initialise", (_php("site_tables.php"),), Recorded(),
             ok=r"[1-9]\d+ tables, [1-9]\d* scheduled jobs", again="safe", timeout=1200,
             summary="create the tables and Espo's first records"),
        Step("admin", "admin", (_php("site_admin.php", (Slotted("{admin}\n{email}\n"), ADMIN_PASSWORD)),),
             Ask(Sql(_ADMINISTRATORS), "^[1-9]"), ok="administrator ready: [1-9]", again="safe", timeout=120,
             summary="the customer's administrator"),
    )  # fmt: skip


RECIPE = Recipe(
    id="espocrm",
    title="EspoCRM",
    licence="AGPL-3.0-or-later",
    may_host="yes; users of a changed one must be offered its source, and its legal notices stay",
    versions=(VERSION,),
    targets=("webhost",),
    needs=(),
    memory_mb=128,
    databases=("mysql",),
    # Nobody here could fetch the project's own archive, so the fleet pins it: see `evidence`.
    artifacts={VERSION: Archive(_URL, "", php=Php(((8, 2), (8, 5)), EXTENSIONS))},
    files=(
        File("site.ini", (Slotted(_SITE_INI),)),
        File("database-password", (DATABASE_PASSWORD,)),
        File("secret-key", (SECRET_KEY,)),
        File("cron-key", (CRON_KEY,)),
        *(_file(f"site_{name}.php") for name in ("steps", "settings", "tables", "admin", "cron")),
        _file("app/crmhost.php", "crmhost.php"),
        _file("app/public/crmhost-cron.php", "crmhost-cron.php"),
        _file("app/public/crmhost-login.php", "crmhost-login.php"),
        _file("app/public/client/index.php", "client.php"),
        File("app/public/crmhost-live.php", ("<?php echo 'live on PHP ', PHP_VERSION;\n",)),
        File("app/public/install/index.php", ("<?php http_response_code(404);  // crmhost installs it\n",)),
    ),
    folders=("data", "custom", "client-custom"),
    kept={"data": "data", "custom": "custom", "client/custom": "client-custom"},
    web_root="public",
    secrets=(ADMIN_PASSWORD.name, SECRET_KEY.name, CRON_KEY.name),
    steps=_steps(),
    processes=(),
    jobs=(
        Job(
            "scheduled",
            _php("site_cron.php"),
            by_url=Ask(Http("POST", "/crmhost-cron.php", {"key": (CRON_KEY,)}), "^200 what was due was run"),
        ),
    ),
    live=Ask(Http("GET", "/crmhost-live.php"), "^200 live on PHP"),
    ready=Ask(Http("GET", "/api/v1/Settings"), r'^200 \{.*"applicationName"'),
    users=Ask(Sql(_USERS), r"^\d+$"),
    login=Login(
        path="/crmhost-login.php",
        json={"username": Slotted("{admin}"), "password": ADMIN_PASSWORD},
        success=r'^200 \{.*"userName"',
        failure="^401 ",
    ),
    backup=BackupSet(database=True, paths=("data", "custom", "client-custom"), keys=(SECRET_KEY.name, CRON_KEY.name)),
    schema={VERSION: VERSION}.__getitem__,
    path=_path,
    user_limit="userLimit in its settings, which the recipe leaves open",
    evidence=(
        "run: 9.1.7 by a deploy to a web host (Apache, PHP-FPM 8.2, MariaDB 10.11), a second release and the way"
        " back, its login, a record made by its API and seen in a browser, a backup and its restore; over SFTP alone a"
        " second release, backup, restore, destroy; by hand, by PHP's program and over HTTP its steps and jobs, a"
        " wrong password, a lost database, steps killed and repeated, its own installer beside them; with the"
        " project's sources and a public copy's libraries and built scripts; read: the licence, other PHP versions,"
        " userLimit; not run: the project's own archive, which could not be fetched here: the fleet pins it; an"
        " upgrade"
    ),
)
