"""PHP recipes on a real PHP and a real MariaDB, laid out by hand, with a shell and without one; no driver takes part.

WordPress is always tried. A CRM whose archive cannot be fetched by everybody joins in where a folder of archives is
named: CRMHOST_TEST_ARCHIVES=/srv/archives, with espocrm-9.1.7.zip, dolibarr-22.0.4.tar.gz and dolibarr-16.0.3.tar.gz in
it, each of the kind that its recipe's address ends with.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from crm.catalogue import find
from crm.recipe import Ask, Recipe, Step
from crm.release import pin_name, pinned
from crmhost.fetch import Shelf
from crmhost.login import prove
from tests.support.phpsite import SECRETS, PhpSite, lay_out
from tests.support.sharedhost import SharedHost, give_database
from tests.support.until import until

pytestmark = pytest.mark.slow
FOLDER = Path(os.environ.get("CRMHOST_TEST_ARCHIVES", "/nonexistent"))
NAMED = ("dolibarr-22.0.4", "espocrm-9.1.7")
SEEN = {
    *("wp_options", "wp_usermeta", "wp_posts"),
    *("llx_events", "llx_actioncomm", "llx_const"),
    *("auth_log_record", "job", "scheduled_job_log_record"),
}
"""Tables in which logging in and jobs leave rows."""
SUBJECTS = ("wordpress", *(name for name in NAMED if list(FOLDER.glob(f"{name}.*"))))


@dataclass(frozen=True)
class Subject:
    """A recipe, a version of it, and where its archives are found."""

    recipe: Recipe
    version: str
    shelf: Shelf


def from_folder(recipe_id: str, version: str, folder: Path) -> Subject:
    """Return a recipe pinned to the archives that were named; what is made of them lies in `folder`."""
    recipe = find(recipe_id)
    own: dict[str, Path] = {}
    pins: dict[str, str] = {}
    for name in (pin_name(recipe_id, each) for each in recipe.versions):
        for path in FOLDER.glob(f"{name}.*"):
            with path.open("rb") as file:
                pins[name] = hashlib.file_digest(file, "sha256").hexdigest()
            own[pins[name]] = path
    return Subject(pinned(recipe, pins), version, Shelf(folder, lambda _event: None, own))


@pytest.fixture(scope="module", params=SUBJECTS)
def subject(
    request: pytest.FixtureRequest, wordpress: Recipe, wordpress_shelf: Shelf, tmp_path_factory: pytest.TempPathFactory
) -> Subject:
    """What the tests are about."""
    if request.param == "wordpress":
        return Subject(wordpress, wordpress.versions[-1], wordpress_shelf)
    name, _, version = request.param.rpartition("-")
    return from_folder(name, version, tmp_path_factory.mktemp("shelf"))


def installing(recipe: Recipe) -> list[Step]:
    """Return the steps of a first deploy, in order."""
    order = ("initialise", "admin")
    return [step for phase in order for step in recipe.steps if step.phase == phase]


def said(step: Step, output: str) -> None:
    assert re.search(step.ok, output, re.DOTALL), f"{step.name}: {output}"
    leaked = [name for name, secret in SECRETS.items() if secret in output]
    assert not leaked, f"{step.name} printed {leaked}"


@pytest.fixture(scope="module")
def site(subject: Subject, sharedhost: SharedHost) -> Iterator[PhpSite]:
    """The subject, installed with PHP's program and served."""
    recipe = subject.recipe
    give_database(sharedhost)
    made = lay_out(sharedhost, recipe, subject.version, subject.shelf, name=recipe.id, port=8200)
    for step in installing(recipe):
        said(step, made.step(step))
    made.serve()
    yield made
    made.end()


def test_it_serves_and_the_administrator_alone_gets_in(site: PhpSite) -> None:
    recipe = site.recipe
    assert site.holds(recipe.live)
    assert site.holds(recipe.ready)
    proof = prove(recipe, site.slots["url"], site.slots["admin"], SECRETS["admin-password"])
    assert proof.holds, proof.text
    wrong = prove(recipe, site.slots["url"], site.slots["admin"], SECRETS["admin-password"] + "x")
    assert wrong.administrator == "refused"


def test_guards_hold_and_one_user_counts(site: PhpSite) -> None:
    for step in site.recipe.steps:
        assert not isinstance(step.done, Ask) or site.holds(step.done), step.name
    assert site.asked(site.recipe.users).strip() == "1"


def test_steps_that_are_safe_to_repeat_are_and_change_nothing(site: PhpSite) -> None:
    before = site.rows()
    for step in installing(site.recipe):
        if step.phase == "admin" or step.each_release:
            said(step, site.step(step))
    assert {name: count for name, count in site.rows().items() if before[name] != count} == {}


def test_jobs_run_with_a_shell_and_without_one(site: PhpSite) -> None:
    for job in site.recipe.jobs:
        output = site.run(job.run)
        assert "rror" not in output, output
        assert job.by_url is not None
        assert site.holds(job.by_url), site.asked(job.by_url)


def test_a_lost_database_is_not_ready_and_still_alive(site: PhpSite) -> None:
    container = site.host.container
    container.exec_run(["mariadb-admin", "shutdown"])
    try:
        until(lambda: not site.holds(site.recipe.ready), "the site is not ready", 30)
        assert site.holds(site.recipe.live)
    finally:
        command = "mariadbd-safe --skip-log-error --innodb-flush-log-at-trx-commit=2 >/dev/null 2>&1"
        container.exec_run(["sh", "-c", command], detach=True)
        until(lambda: container.exec_run(["mariadb", "-e", "select 1"]).exit_code == 0, "MariaDB is back", 60)
    assert site.holds(site.recipe.ready)


def test_without_a_shell_it_becomes_the_same(site: PhpSite, subject: Subject) -> None:
    """Every step once more over HTTP on an empty database: the same tables with as many rows in each."""
    recipe = subject.recipe
    with_shell = site.rows()
    give_database(site.host)
    other = lay_out(site.host, recipe, subject.version, subject.shelf, name=f"{recipe.id}-http", port=8300)
    other.serve()
    for step in installing(recipe):
        assert not isinstance(step.done, Ask) or not other.holds(step.done), f"{step.name} is done before it was run"
        said(step, other.door(step.ways[0]))
        assert not isinstance(step.done, Ask) or other.holds(step.done), step.name
    differing = {name for name in with_shell if other.rows().get(name) != with_shell[name]}
    # What people and jobs did at the first site is not there.
    assert differing <= SEEN, differing


def test_no_secret_is_in_a_process_list(site: PhpSite) -> None:
    """What every process of the host shows is written down while the steps run."""
    spy = "while [ ! -e /tmp/stop ]; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; done >/tmp/seen"
    site.host.run("rm -f /tmp/stop /tmp/seen", user="root")
    site.host.container.exec_run(["sh", "-c", spy], user="root", detach=True)
    for step in installing(site.recipe):
        said(step, site.step(step))
    for job in site.recipe.jobs:
        site.run(job.run)
    site.host.run("touch /tmp/stop", user="root")
    found = site.host.run("tr '\\0' ' ' </tmp/seen | grep -ao 'php [^ ]*\\.php' | sort -u", user="root")
    assert "site_admin.php" in found, "nothing was seen"
    for name, secret in SECRETS.items():
        counted = site.host.run(f"grep -acF -- {quoted(secret)} /tmp/seen || true", user="root").strip()
        assert counted == "0", f"{name} was seen"


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
