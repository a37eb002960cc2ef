"""What is said of a host whose own Passenger or PHP serves: the PHP for programs, the document root, the database."""

from __future__ import annotations

import pytest

from crm.creme.recipe import RECIPE as CREME
from crmhost.doctor import webhost
from playbooks.kinds.cron import CronSeen
from playbooks.kinds.php import PhpWanted
from playbooks.webhost.condition import Condition, Php, Python
from playbooks.webhost.hostdata import PROGRAMS
from playbooks.webhost.layout import Layout
from tests.support.phpapp.recipe import ARCHIVE, RECIPE

WANTED = PhpWanted(((8, 1), (8, 4)), ("mysqli", "pdo_mysql"))
SWITCH_ON = "Switch these extensions on in the host's panel, or ask its owner: pdo_mysql."
ALL = frozenset({"core", "mysqli", "pdo_mysql"})


def php(path: str, version: str, extensions: frozenset[str] = ALL, memory: str = "128M") -> Php:
    return Php(path, version, memory, extensions)


def said(
    phps: tuple[Php, ...],
    served: str | None = "/home/acme/public_html",
    *,
    fills: bool = True,
    lacks: tuple[tuple[str, ...], ...] = (),
) -> dict[str, str]:
    """Return what is said of PHP, the document root and the database, by what it is about."""
    needs = webhost.Needed(("3.11",), 0, 1 << 20, (), "/home/acme/public_html", WANTED, PROGRAMS)
    python = (Python("/usr/bin/python3.11", "3.11.2"),)
    seen = Condition(1_000_000, 1004, pythons=python, phps=phps, served=served, fills=fills, lacks=lacks)
    found = webhost.judge(needs, webhost.Asked(seen, frozenset(), CronSeen("absent"), 1_000_000.0, 1_000_001.0))
    return {one.what: f"{one.found} | {one.remedy}" for one in found}


@pytest.mark.parametrize(
    ("phps", "says"),
    [
        ((php("/usr/bin/php8.2", "8.2.7"),), "8.2.7 (/usr/bin/php8.2), memory limit 128M | "),
        ((php("/usr/bin/php8.2", "8.2.7", memory="-1"),), "8.2.7 (/usr/bin/php8.2), no memory limit | "),
        (
            (php("/usr/bin/php7.4", "7.4.33"),),
            "7.4.33 (/usr/bin/php7.4); allowed are 8.1 to 8.3 | Choose PHP 8.3 in the host's panel.",
        ),
        ((), "none for programs; allowed are 8.1 to 8.3 | Choose PHP 8.3 in the host's panel."),
        (
            (php("/usr/bin/php8.2", "8.2.7", frozenset({"core", "mysqli"})),),
            f"8.2.7 (/usr/bin/php8.2) lacks pdo_mysql | {SWITCH_ON}",
        ),
        (
            (php("/usr/bin/php8.3", "8.3.1", frozenset({"core"})), php("/usr/bin/php8.1", "8.1.9")),
            "8.1.9 (/usr/bin/php8.1), memory limit 128M | ",
        ),
    ],
)
def test_the_php_that_a_deploy_would_take(phps: tuple[Php, ...], says: str) -> None:
    assert said(phps)["php"] == says


def test_the_document_root_is_there_and_can_be_written_to() -> None:
    phps = (php("/usr/bin/php8.2", "8.2.7"),)
    assert said(phps)["document root"] == "/home/acme/public_html can be written to | "
    assert said(phps, None)["document root"].startswith("/home/acme/public_html is not there | Write the folder")
    assert said(phps, fills=False)["document root"].startswith("/home/acme/public_html cannot be written to | Mend")
    assert "port 0" not in said(phps)


def test_what_the_backups_of_the_hosts_database_need() -> None:
    assert said(())["database"] == "the programs for its backups are there | "
    assert said((), lacks=PROGRAMS[:1])["database"] == (
        "this account has no mysqldump or mariadb-dump: no backup, no restore, and no upgrade across schemas | Ask the"
        " host's owner for MariaDB's or MySQL's client programs (on Debian: apt-get install mariadb-client)."
    )


def test_a_python_recipe_needs_php_for_the_hosts_database_alone() -> None:
    lock = CREME.artifacts["2.8.6"]
    with_mysql = webhost.needed(CREME, lock, Layout("/home/acme", "acme", "passenger", "public_html", "mysql"), "")
    assert with_mysql.php == PhpWanted(((8, 0), (9, 0)), ("pdo_mysql",))
    assert with_mysql.programs == PROGRAMS
    with_a_file = webhost.needed(CREME, lock, Layout("/home/acme", "acme", "passenger", "public_html"), "")
    assert (with_a_file.php, with_a_file.programs) == (None, ())


def test_what_a_php_recipe_needs() -> None:
    needs = webhost.needed(RECIPE, ARCHIVE, Layout("/home/acme", "acme", "php", "public_html", "mysql"), "")
    assert (needs.port, needs.served) == (0, "/home/acme/public_html")
    assert needs.php == PhpWanted(((8, 1), (9, 0)), ("pdo_mysql", "session"))
    assert needs.minors[-1] == "3.9"
    assert needs.memory == 256 << 20  # of its job
