"""A backup proven where there is SFTP alone: a copy in the second database that the host gave."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from crm.errors import GateFailed, HostError, LockHeld, Refused
from crm.plan import Event
from tests.playbooks.sftponly.test_kills import EVERY, LATE, idle, watched
from tests.playbooks.sftponly.test_moving import customers, titled, upgraded, written
from tests.playbooks.sftponly.test_walk import OURS, deployed, left_over, logged_in, page, planned
from tests.support.backups import open_backups
from tests.support.memo.recipe import RECIPE, SECRETS, Archives
from tests.support.sftpdeployer import do
from tests.support.sftphost import LEASE, SERVER, SftpHost
from tests.support.sftptrial import COPY, TRIAL, copy_want, copying, give_trial, held, prove
from tests.support.until import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SAMPLE = ((9, 0.0), (15, 0.1), (22, 0.0), (25, 0.05), (26, 0.1))
TURNS = [(number, LATE[number % len(LATE)]) for number in range(1, 28, EVERY)] if EVERY else SAMPLE
"""The so-manieth event after which a proof is killed, and how many seconds later."""
OF_COPY = f"/srv/acme/site/.crmhost/{COPY}"


@pytest.fixture
def acme(sftp_host: SftpHost, archives: Archives) -> SftpHost:
    """Return a host on which customers are at work, and of which there is a backup."""
    give_trial(sftp_host)
    customers(sftp_host, archives)
    account = f"mariadb -u acme '-p{SERVER.password}' acme"
    sftp_host.run(f"{account} -e 'create or replace function twice(x int) returns int deterministic return 2 * x'")
    do(sftp_host, archives, "back up", "1.0")
    return sftp_host


def of_customer(host: SftpHost) -> str:
    """Return all that lies on the account, but for the journal and sessions, and all that is in his database."""
    but = "! -path '*/acme/journal' ! -path '*/acme/data/sessions/*'"
    files = host.run(
        f"cd /srv/acme && find . {but} -printf '%P %y %m %l\\n' | sort; find . -type f {but} | xargs md5sum"
    )
    return files + host.run("mariadb-dump --skip-dump-date --routines acme")


def test_a_copy_of_it_is_logged_in_to_and_leaves_nothing(acme: SftpHost, archives: Archives) -> None:
    before, told = of_customer(acme), list[Event]()
    acme.run("touch /tmp/now; truncate -s 0 /var/log/apache2/*.log")
    with watched(acme) as saw:
        kept, found = prove(acme, archives, told.append)
    assert found == kept
    assert [event.subject for event in told if (event.phase, event.state) == ("gate", "done")][-1] == "log in"
    assert {text.partition("<p>")[0] for text in saw} == {"<!doctype html><title>Memo</title>"}
    assert of_customer(acme) == before
    assert (held(acme), left_over(acme)) == ("", "")
    assert logged_in(acme)
    assert planned(acme, archives).changes == ()
    for secret in (*SECRETS.values(), "of-the-copy-alone-3", str(TRIAL.password)):
        assert secret not in repr(told)
        assert acme.run(f'grep -rlF -- "{secret}" /var/log/apache2 || true') == ""


def test_nobody_else_changes_the_customers_host_meanwhile(acme: SftpHost, archives: Archives) -> None:
    """A deploy of his waits for its turn, and so does a proof."""
    met: list[str] = []

    def at_the_gate(event: Event) -> None:
        if (event.subject, event.state) == ("log in", "begin"):
            with pytest.raises(LockHeld, match="is being changed on the host by ann@test: prove"):
                deployed(acme, archives, "1.1")
            met.append(planned(acme, archives, "1.1").release.version)

    kept, found = prove(acme, archives, at_the_gate)
    assert (met, found) == (["1.1"], kept)
    with acme.driver(archives) as driver, driver.lock("deploy"), pytest.raises(LockHeld, match="ann@test: deploy"):
        prove(acme, archives)
    assert deployed(acme, archives, "1.1").did == "deployed"
    prove(acme, archives)
    assert "memo 1.1 in vi" in page(acme)


def test_an_administrator_who_is_not_let_in(acme: SftpHost, archives: Archives) -> None:
    """Nothing is left of that copy either, and nothing of the customer's is another one."""
    before = of_customer(acme)
    never = tuple(replace(step, again="restore") if step.phase == "admin" else step for step in RECIPE.steps)
    with pytest.raises(GateFailed, match="its administrator is not let in: administrator refused"):
        prove(acme, archives, recipe=replace(RECIPE, steps=never))
    assert (of_customer(acme), held(acme), left_over(acme)) == (before, "", "")


def test_a_database_for_trials_that_is_somebodys(acme: SftpHost, archives: Archives) -> None:
    """It is never emptied: neither where its tables say nothing, nor where another contract's copy is in it."""
    before = of_customer(acme)
    for query, said in (
        ("create table orders (one int)", "holds 1 tables, and no record that a copy left them"),
        (
            "create table crmhost_trial (one int) comment = 'zeta_try 0123456789abcdef'; create table orders (one int)",
            "and the copy zeta_try is in it",
        ),
    ):
        give_trial(acme)
        acme.run(f'mariadb {TRIAL.name} -e "{query}"')
        with pytest.raises(Refused, match=said):
            prove(acme, archives)
        with copying(acme, archives) as driver, driver.lock("remove it") as work:
            work.destroy(keep_data=False)
        assert "orders" in held(acme)
        assert of_customer(acme) == before
    give_trial(acme)
    acme.run(f'mariadb {TRIAL.name} -e "create function mine() returns int deterministic return 1"')
    with pytest.raises(HostError, match="the database for trials holds what no copy left there"):
        prove(acme, archives)
    assert "mine" in held(acme)
    assert of_customer(acme) == before


def test_a_copy_is_served_to_nobody(acme: SftpHost, archives: Archives) -> None:
    with copying(acme, archives) as driver:
        release = driver.plan(copy_want()).release
        with driver.lock("try it") as work:
            mover = work.mover()
            assert mover is not None
            mover.fetch(copy_want())
            with pytest.raises(Refused, match="is a copy of acme: nobody is sent to it"):
                work.switch(copy_want(), release)
            assert "memo 1.0 in vi" in page(acme)
            work.destroy(keep_data=False)
        with pytest.raises(HostError, match=r"the host has no release memo-1.0"):
            driver.inside(release)
    assert logged_in(acme)


def test_what_a_copy_was_taken_of_may_be_gone(acme: SftpHost, archives: Archives) -> None:
    do(acme, archives, "destroy", "1.0")
    acme.run("kill -HUP $(cat /run/apache2/apache2.pid)")  # or its PHP goes on remembering where the document root led
    kept, found = prove(acme, archives)
    assert (found, held(acme)) == (kept, "")
    assert acme.run("find /srv/acme/site -printf '%P '") == " public public/index.html "


def test_what_a_killed_deploy_of_the_customer_left_is_made_right_first(acme: SftpHost, archives: Archives) -> None:
    """His switch was killed between two renames, so his site has no document root; whoever proves takes his lock."""
    left = f"{OURS}/current/app/htdocs/crmhost-work-00000000-{'a' * 16}.php"
    acme.run(f"cd {OURS}/../.. && mv public .crmhost-old && touch {left}")
    kept, found = prove(acme, archives)
    assert found == kept
    assert "memo 1.0 in vi" in page(acme)
    assert (held(acme), left_over(acme)) == ("", "")
    with acme.driver(archives) as driver:
        assert any("prove acme-" in line and f"for {COPY}" in line for line in driver.logs("journal", 20))


@pytest.mark.parametrize(("number", "late"), TURNS)
def test_killed_and_run_again_after_an_upgrade(acme: SftpHost, archives: Archives, number: int, late: float) -> None:
    """The same command again proves it, though the customer's database has another schema by now."""
    shelf = open_backups(archives.folder, "acme")
    with watched(acme) as saw:
        struck = _killed(acme, archives.folder, number, late)
        until(lambda: idle(acme) > LEASE.silence, "the lease is over", 30)
    assert struck
    assert {"memo 1.0 in vi" in text for text in saw} == {True}
    upgraded(acme, archives, shelf)
    written(acme, "second memo")
    assert acme.run("find /srv/acme/site -name 'crmhost-*'") == ""
    before = of_customer(acme).replace(COPY, "")
    kept, found = prove(acme, archives)
    assert found == kept
    assert titled(acme) == ["first\tfirst memo", "\tsecond memo"]
    assert "memo 2.0 in vi" in page(acme)
    assert (held(acme), left_over(acme)) == ("", "")
    assert acme.run(f"ls -d {OF_COPY} 2>/dev/null || true") == ""
    assert [line for line in of_customer(acme).splitlines() if line not in before] == []


def _killed(host: SftpHost, folder: Path, number: int, late: float) -> bool:
    command = [sys.executable, "-m", "tests.support.sftptrial", host.address, str(host.folder), str(folder)]
    done = subprocess.run(
        [*command, str(number), str(late)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    print(f"killed at {number} + {late}: {done.stderr.splitlines()[-1]}")  # noqa: T201 -- shown with -s
    return done.returncode == -signal.SIGKILL
