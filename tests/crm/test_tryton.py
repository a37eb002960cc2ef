"""Tryton, really installed from its lock and run as its recipe says; no driver takes part.

The older series is installed and used, and its database brought to the next one.
"""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from crm.catalogue import find
from crm.errors import Refused
from crm.recipe import Ask, Exec, Slotted, Sql
from crm.release import lock_of
from crm.tryton.versions import path, schema
from crmhost.login import prove
from tests.crm.conftest import SECRETS, HandMade, answer_of, lay_out

RECIPE = find("tryton")
BEFORE, VERSION = RECIPE.versions
STEPS = {step.name: step for step in RECIPE.steps}
WEB, CRON = RECIPE.processes[0], RECIPE.jobs[0].run
CUSTOMER = "INSERT INTO party_party (code, name, active) VALUES ('T1', 'Nguyễn', 1)"


def install(folder: Path, version: str) -> str:
    """Make the version's environment and return its interpreter."""
    lock = lock_of(RECIPE, version, "postgresql")
    subprocess.run([sys.executable, "-m", "venv", folder / "v"], check=True)
    interpreter = str(folder / "v/bin/python")
    (folder / "lock").write_text(lock.lock)
    pip = [interpreter, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(folder / "lock")]
    subprocess.run(pip, check=True)
    return interpreter


def run(made: HandMade, *names: str) -> None:
    for name in names:
        output = made.step(STEPS[name])
        assert re.search(STEPS[name].ok, output, re.DOTALL), f"{name}: {output}"


def asked(made: HandMade, query: str) -> Sequence[tuple[object, ...]]:
    with closing(sqlite3.connect(made.slots["db"])) as db, db:
        return db.execute(query).fetchall()


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> HandMade:
    """The older series, with a customer in its database; nothing of it runs."""
    made = lay_out(RECIPE, BEFORE, tmp_path_factory.mktemp("old"), install(tmp_path_factory.mktemp("v"), BEFORE))
    made.write_files()
    run(made, "tables")
    assert not made.asked(guard())
    run(made, "admin")
    asked(made, CUSTOMER)
    return made


@pytest.fixture(scope="module")
def site(old: HandMade, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HandMade]:
    """The newer series, upgraded from the older one's database, and served."""
    folder = tmp_path_factory.mktemp("new")
    made = lay_out(RECIPE, VERSION, folder, install(folder, VERSION))
    made.write_files()
    with closing(sqlite3.connect(old.slots["db"])) as source, closing(sqlite3.connect(made.slots["db"])) as copy:
        source.backup(copy)
    run(made, "upgrade-tables")
    process = made.start(WEB)
    yield made
    process.terminate()
    assert process.wait(30) == 0


def guard() -> Ask:
    assert isinstance(STEPS["admin"].done, Ask)
    return STEPS["admin"].done


def logged_in(made: HandMade, password: str) -> str:
    proof = prove(RECIPE, made.slots["url"], made.slots["admin"], password)
    return proof.administrator


@pytest.mark.slow
@pytest.mark.creme
def test_the_administrator_gets_in_before_and_after_the_upgrade(
    old: HandMade, site: HandMade, started: list[subprocess.Popen[bytes]]
) -> None:
    started.append(old.start(WEB))
    for made in (old, site):
        assert made.asked(RECIPE.ready)
        assert made.asked(RECIPE.live)
        assert logged_in(made, SECRETS["admin-password"]) == "accepted"
        assert logged_in(made, SECRETS["admin-password"] + "x") == "refused"
        assert made.asked(guard())


@pytest.mark.slow
@pytest.mark.creme
def test_what_the_older_series_held_is_there_and_one_user_counts(site: HandMade) -> None:
    assert asked(site, "SELECT name FROM party_party") == [("Nguyễn",)]
    assert isinstance(RECIPE.users.how, Sql)
    assert asked(site, RECIPE.users.how.query) == [(1,)]
    assert asked(site, "SELECT login FROM res_user WHERE active") == [(site.slots["admin"],)]


@pytest.mark.slow
@pytest.mark.creme
def test_a_series_is_never_ready_on_the_database_of_another(
    old: HandMade, site: HandMade, tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    wrong = lay_out(RECIPE, BEFORE, tmp_path, old.slots["python"])
    wrong = replace(wrong, slots={**wrong.slots, "db": site.slots["db"]})
    wrong.write_files()
    started.append(wrong.start(WEB))
    assert wrong.asked(RECIPE.live)
    assert answer_of(wrong.slots["listen"], "/ready") == "503 database: of another series"


@pytest.mark.slow
@pytest.mark.creme
def test_on_a_server_the_customer_s_own_database_is_asked_through_a_socket(old: HandMade, tmp_path: Path) -> None:
    place = {"dbhost": "/run/postgresql", "dbport": "5433", "dbname": "crm-acme", "dbuser": "crm-acme"}
    made = lay_out(RECIPE, BEFORE, tmp_path, old.slots["python"])
    made = replace(made, slots={**made.slots, **place})
    made.write_files()
    ask = "import site_tryton as s, trytond.backend as b; print(b.Database._connection_params(s.NAME)['dsn'], s.CALLED)"
    expected = "postgresql://crm-acme@/crm-acme?host=%2Frun%2Fpostgresql&port=5433 crm\n"
    assert made.exec(Exec((Slotted("{python}"), "-c", ask))) == expected


@pytest.mark.slow
@pytest.mark.creme
def test_scheduled_actions_are_run(site: HandMade) -> None:
    asked(site, "UPDATE ir_cron SET next_call = '2020-01-01 00:00:00'")
    assert site.exec(CRON) == ""
    assert asked(site, "SELECT count(*) FROM ir_cron WHERE active AND next_call < '2021-01-01'") == [(0,)]


@pytest.mark.slow
@pytest.mark.creme
def test_steps_that_are_safe_to_repeat_are(site: HandMade) -> None:
    run(site, "admin")
    assert asked(site, "SELECT count(*) FROM res_user WHERE active") == [(1,)]


@pytest.mark.slow
@pytest.mark.creme
def test_a_lost_database_is_an_error_and_no_new_one_is_made(site: HandMade) -> None:
    assert site.asked(RECIPE.ready)
    database = Path(site.slots["db"])
    database.rename(database.with_name("lost"))
    assert answer_of(site.slots["listen"], "/ready").startswith("503")
    assert RECIPE.live.holds(answer_of(site.slots["listen"], "/"))
    assert not database.exists()
    database.with_name("lost").rename(database)
    assert site.asked(RECIPE.ready)


@pytest.mark.slow
@pytest.mark.creme
def test_no_secret_is_in_a_command_line_or_an_environment(site: HandMade) -> None:
    assert site.asked(RECIPE.ready)
    ours = [pid for pid in Path("/proc").glob("[0-9]*") if _cwd(pid) == site.slots["release"]]
    assert len(ours) >= 3  # gunicorn and its two workers
    for process in ours:
        public = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        assert not any(secret.encode() in public for secret in site.secrets.values())


def test_a_bug_fix_keeps_the_schema_and_a_series_does_not() -> None:
    assert schema("8.0.12") == schema("8.0.0") == "8.0"
    assert path("8.0.1", "8.0.12") == ("8.0.12",)
    assert path("7.8.18", "8.0.12") == ("8.0.12",)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("8.0.12", "8.0.11", "restore a backup made by Tryton 8.0.11"),
        ("8.0.12", "7.8.18", "restore a backup made by Tryton 7.8.18"),
        ("7.0.1", "8.0.12", "this upgrade has not been tried"),
        ("8.0.12", "8.2.1", "this upgrade has not been tried"),
        ("8.0.12", "8.2", "write three numbers"),
    ],
)
def test_an_upgrade_that_nobody_has_tried_is_refused(old: str, new: str, why: str) -> None:
    with pytest.raises(Refused, match=re.escape(why)):
        path(old, new)


def _cwd(process: Path) -> str:
    try:
        return str((process / "cwd").readlink())
    except OSError:
        return ""
