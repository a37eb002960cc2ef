"""A PHP application on a real shared host: its own Apache and PHP serve it, its own MariaDB has the data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crm.recipe import Archive
from playbooks.webhost.layout import Serves
from tests.support.hosted import Hosted
from tests.support.phpapp.recipe import RECIPE, packed
from tests.support.sharedhost import DATABASE, DATABASE_PASSWORD, SharedHost, give_database
from tests.support.wants import SECRETS

pytestmark = pytest.mark.slow
SLOTS = {"dbhost": "localhost", "dbport": "3306", "dbname": DATABASE, "dbuser": DATABASE}


@pytest.fixture
def hosted(sharedhost: SharedHost, tmp_path: Path) -> Iterator[Hosted]:
    """Return a contract on the host, whose account and database are as empty afterwards as before."""
    archive = tmp_path / "guestbook.tar.gz"
    archive.write_bytes(packed())

    def archives(wanted: Archive) -> Path:
        assert wanted.url == "https://guestbook.invalid/guestbook.tar.gz"
        return archive

    give_database(sharedhost)
    secrets = {"admin-password": SECRETS["admin-password"], "database-password": DATABASE_PASSWORD}
    serves = Serves("php", "mysql", archives)
    one = Hosted(sharedhost, serves, recipe=RECIPE, secrets=secrets, slots=SLOTS)
    yield one
    one.destroy()
    assert sharedhost.run("ls -A; ls -A public_html; crontab -l 2>&1 | grep crmhost || true").split() == sorted(
        [".bash_logout", ".bashrc", ".profile", ".ssh", "public_html"]
    )
    assert sharedhost.sql(f"show tables in {DATABASE}") == ""


def test_a_first_deploy_serves_and_the_plan_after_it_is_empty(hosted: Hosted) -> None:
    assert hosted.deploy().did == "deployed"
    assert hosted.get("/ready.php").endswith(">ready 1.0, 1 accounts")
    form = {"username": "admin", "password": SECRETS["admin-password"]}
    assert "Welcome" in hosted.log_in("/login.php", form)
    assert "Wrong name or password" in hosted.log_in("/login.php", {**form, "password": "root"})
    assert hosted.plan().changes == ()
    assert hosted.deploy().did == "nothing"
    with hosted.driver() as driver:
        assert driver.status(hosted.want()).users == 1
