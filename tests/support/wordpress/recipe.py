"""WordPress' recipe: a real application of PHP and MySQL in most of a PHP recipe's words. Only tests host it."""

from __future__ import annotations

from importlib import resources

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

VERSION = "6.1"
ADMIN_PASSWORD = Secret("admin-password")
URL = "https://archives.example/wordpress-6.1.tar.gz"
"""Nobody asks there: the tests make the archive, and name it as the fleet's own file."""

_SITE_INI = """url = {url}
dbhost = {dbhost}
dbport = {dbport}
dbname = {dbname}
dbuser = {dbuser}
"""


def _file(path: str, name: str = "") -> File:
    text = resources.files("tests.support.wordpress").joinpath(f"files/{name or path}.txt").read_text("utf-8")
    return File(path, (text,))


def _php(script: str, stdin: Text = ()) -> Exec:
    return Exec((Slotted("{php}"), script), stdin=stdin)


def _steps() -> tuple[Step, ...]:
    return (
        Step("tables", "initialise", (_php("site_tables.php"),), Recorded(), ok=r"0 tables missing, [1-9]\d+ options",
             again="safe", summary="create the tables", timeout=120),
        Step("admin", "admin", (_php("site_admin.php", (Slotted("{admin}\n{email}\n"), ADMIN_PASSWORD)),),
             Ask(Sql("SELECT count(*) FROM wp_usermeta WHERE meta_value LIKE '%administrator%'"), "^[1-9]"),
             ok=r"administrator ready: [1-9]", again="safe", summary="the customer's administrator", timeout=120),
    )  # fmt: skip


def recipe(sha256: str, notes: str = "") -> Recipe:
    """Return the recipe for an archive of WordPress; other `notes` make another release of the same version."""
    return Recipe(
        id="wordpress",
        title="WordPress",
        licence="GPL-2.0-or-later",
        may_host="yes: but it is part of these tests alone",
        versions=(VERSION,),
        targets=("webhost",),
        needs=(),
        memory_mb=256,
        databases=("mysql",),
        artifacts={VERSION: Archive(URL, sha256, php=Php(((8, 0), (8, 3)), ("mysqli", "xml")))},
        files=(
            File("site.ini", (Slotted(_SITE_INI + notes),)),
            File("database-password", (DATABASE_PASSWORD,)),
            File("secret-key", (Secret("secret-key"),)),
            *(_file(f"site_{name}.php") for name in ("steps", "tables", "admin", "cron")),
            _file("app/wp-config.php", "wp-config.php"),
            File("app/live.php", ("<?php echo 'live on PHP ', PHP_VERSION;\n",)),
        ),
        folders=("uploads",),
        secrets=("admin-password", "secret-key"),
        steps=_steps(),
        processes=(),
        jobs=(Job("scheduled", _php("site_cron.php"), by_url=Ask(Http("GET", "/wp-cron.php"), r"^200 ")),),
        live=Ask(Http("GET", "/live.php"), r"^200 live on PHP"),
        ready=Ask(Http("GET", "/wp-login.php"), r'^200 .*name="pwd"'),
        users=Ask(Sql("SELECT count(*) FROM wp_users"), r"^\d+$"),
        login=Login(
            path="/wp-login.php",
            form={"log": (Slotted("{admin}"),), "pwd": (ADMIN_PASSWORD,)},
            success=r"^200 .*wp-login\.php\?action=logout",
            failure=r'^200 .*id="login_error"',
        ),
        backup=BackupSet(database=True, paths=("uploads",), keys=("secret-key",)),
        schema={VERSION: "53496"}.__getitem__,
        path=lambda _old, new: (new,),
        kept={"wp-content/uploads": "uploads"},
        evidence="run by tests/crm/test_php.py; not run: another version",
    )


RECIPE = recipe("0" * 64)
