"""Creme, really installed from its lock and run as its recipe says; no driver takes part.

The database is initialised in one place and served from another, under another key: that is what a template is.
"""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from crm.catalogue import find
from crm.recipe import Ask, PipLock, Sql
from crmhost.login import prove
from tests.crm.conftest import SECRETS, HandMade, answer_of, lay_out

pytestmark = [pytest.mark.slow, pytest.mark.creme]
RECIPE = find("creme")
VERSION = RECIPE.versions[-1]
STEPS = {step.name: step for step in RECIPE.steps}


def install(folder: Path, version: str) -> str:
    """Make the version's environment and return its interpreter."""
    lock = RECIPE.artifacts[version]
    assert isinstance(lock, PipLock)
    subprocess.run([sys.executable, "-m", "venv", folder / "v"], check=True)
    interpreter = str(folder / "v/bin/python")
    pip = [interpreter, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-build-isolation", "-r"]
    for name, text in (("build", lock.build), ("lock", lock.lock)):
        (folder / name).write_text(text)
        subprocess.run([*pip, str(folder / name)], check=True)
    return interpreter


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    return install(tmp_path_factory.mktemp("venv"), VERSION)


def run(made: HandMade, *names: str) -> None:
    for name in names:
        output = made.step(STEPS[name])
        assert re.search(STEPS[name].ok, output, re.DOTALL), f"{name}: {output}"


@pytest.fixture(scope="module")
def site(python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HandMade]:
    template = lay_out(RECIPE, VERSION, tmp_path_factory.mktemp("t"), python)
    template.write_files()
    run(template, "migrate", "populate")
    made = lay_out(RECIPE, VERSION, tmp_path_factory.mktemp("s"), python)
    made = replace(made, secrets={**SECRETS, "secret-key": "another customer's key " * 3})
    made.write_files()
    with closing(sqlite3.connect(template.slots["db"])) as source, closing(sqlite3.connect(made.slots["db"])) as copy:
        source.backup(copy)
    run(made, "media", "check", "admin")
    processes = [made.start(process) for process in RECIPE.processes]
    yield made
    for process in processes:
        process.terminate()
        assert process.wait(30) == 0


def test_the_administrator_gets_in_and_the_default_account_does_not(site: HandMade) -> None:
    assert site.asked(RECIPE.ready)
    proof = prove(RECIPE, site.slots["url"], site.slots["admin"], SECRETS["admin-password"])
    assert proof.holds, proof.text
    wrong = prove(RECIPE, site.slots["url"], site.slots["admin"], SECRETS["admin-password"] + "x")
    assert wrong.administrator == "refused"


def test_the_guard_of_the_administrator_holds_and_one_user_counts(site: HandMade) -> None:
    guard = STEPS["admin"].done
    assert isinstance(guard, Ask)
    assert site.asked(guard)
    with closing(sqlite3.connect(site.slots["db"])) as db:
        assert isinstance(RECIPE.users.how, Sql)
        assert db.execute(RECIPE.users.how.query).fetchall() == [(1,)]


def test_style_sheets_and_images_are_served(site: HandMade) -> None:
    assert site.asked(RECIPE.ready)
    page = answer_of(site.slots["listen"], "/creme_login/")
    files = set(re.findall(r'"(/static_media/[^"]+)"', page))
    assert files
    for path in files:
        with urllib.request.urlopen(site.slots["url"] + path, timeout=10) as response:  # noqa: S310 - loopback
            assert response.status == 200


def test_steps_that_are_safe_to_repeat_are(site: HandMade) -> None:
    run(site, *(step.name for step in RECIPE.steps if step.again == "safe"))
    assert "No migrations to apply" in site.step(STEPS["migrate"])  # the template was whole


def test_the_web_process_reaches_the_job_manager(site: HandMade) -> None:
    ask = "import django; django.setup(); from creme.creme_core.core.job import get_queue; print(get_queue().ping())"
    worker = RECIPE.processes[1].run
    ping = replace(worker, argv=(worker.argv[0], "-c", ask))
    for _ in range(20):  # each try starts an interpreter, which is pause enough
        answer = site.exec(ping)
        if answer.startswith("None"):
            return
    pytest.fail(answer)


def test_a_lost_database_is_an_error_and_no_new_one_is_made(site: HandMade) -> None:
    assert site.asked(RECIPE.ready)
    database = Path(site.slots["db"])
    database.rename(database.with_name("lost"))
    assert answer_of(site.slots["listen"], "/creme_login/").startswith("500")
    assert RECIPE.live.holds(answer_of(site.slots["listen"], "/"))
    assert not database.exists()
    database.with_name("lost").rename(database)
    assert site.asked(RECIPE.ready)


def test_no_secret_is_in_a_command_line_or_an_environment(site: HandMade) -> None:
    assert site.asked(RECIPE.ready)
    ours = [pid for pid in Path("/proc").glob("[0-9]*") if _cwd(pid) == site.slots["release"]]
    assert len(ours) >= 4  # gunicorn, its two workers, the job manager
    for process in ours:
        public = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        assert not any(secret.encode() in public for secret in site.secrets.values())


def _cwd(process: Path) -> str:
    try:
        return str((process / "cwd").readlink())
    except OSError:
        return ""
