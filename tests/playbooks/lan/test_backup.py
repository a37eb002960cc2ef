"""Backups, restores and upgrades across schemas on a LAN server with its own PostgreSQL and nginx: one walk."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crm.backup import Contents, Snapshot
from crm.errors import CrmhostError, Refused
from crm.plan import Event
from crmhost.backup import scratch
from crmhost.backup.scratch import SUFFIX
from crmhost.backup.take import restore, take
from crmhost.target import Target
from playbooks.lan.driver import LanDriver
from playbooks.lan.firewall import Asked
from playbooks.lan.server import Setup
from tests.support.lanhost import LanHost
from tests.support.lans import PATIENT, LanCustomer

pytestmark = [pytest.mark.slow, pytest.mark.cloud]


class Killed(BaseException):
    """What nobody handles."""


def proven(acme: LanCustomer, snapshot: Snapshot) -> Contents:
    """Bring a copy up, log in to it, count, and remove it, as `crmhost restore --to scratch` does."""
    host = f"{acme.contract}.scratch.invalid"
    want = replace(acme.want(snapshot.release.version, host=host, url=f"http://{host}"), contract=f"acme{SUFFIX}")
    want = replace(want, secrets={**want.secrets, "admin-password": "of-the-copy-alone-3"})
    with acme.lan.root() as connection:
        setup = Setup(Asked(22, (80,)))
        driver = LanDriver(connection, want.contract, setup, who="test@here", progress=lambda _: None, patience=PATIENT)
        target = Target(driver, want, lambda _: None)
        return scratch._used(target, want, acme.shelf, snapshot, acme.means())[1]  # noqa: SLF001 - without a fleet


def letter(customer: LanCustomer) -> str:
    return f"{customer.layout.data}/files/letter.txt"


def notes(customer: LanCustomer) -> list[str]:
    return customer.ask("select text from note order by id").splitlines()


def upgraded_and_taken_back(acme: LanCustomer) -> None:
    seen: list[str] = []

    def look(event: Event) -> None:
        if event.phase in ("backup", "steps") and event.state == "begin":
            seen.append(acme.get()[:4])

    old = acme.deploy("1.1").release
    plan = acme.plan("2.0")
    assert plan.upgrade is not None
    outcome = acme.deploy("2.0", progress=look)
    backup = acme.shelf.list()[0]
    assert (outcome.did, outcome.backup, backup.why, backup.release.id) == ("deployed", backup.id, "upgrade", old)
    assert backup.contents.tables["public.note"] == 1
    assert (backup.contents.files, backup.contents.database.startswith("PostgreSQL ")) == (1, True)
    assert seen
    assert set(seen) == {"503 "}
    assert acme.get() == "200 ready 2.0, 1 accounts"
    acme.write("lost by going back")
    assert acme.plan("2.0").changes == ()
    assert acme.rollback(version="2.0").did == "declined"
    back = acme.rollback(version="2.0", sure=lambda _: True)
    assert (back.did, back.release, back.backup) == ("rolled back", old, backup.id)
    assert acme.get() == "200 ready 1.1, 1 accounts"
    assert notes(acme) == ["precious"]
    assert acme.lan.run(f"cat {letter(acme)}").strip() == "kept"
    assert acme.ask("select distinct tableowner from pg_tables where schemaname = 'public'") == acme.layout.user
    assert acme.plan("1.1").changes == ()


def failed_and_killed(acme: LanCustomer) -> None:
    acme.fault("upgrade")
    with pytest.raises(CrmhostError, match=r"the upgrade to smallapp-2\.0-.* failed") as failure:
        acme.deploy("2.0")
    assert failure.value.remedy.endswith("serves again.")
    assert acme.get() == "200 ready 1.1, 1 accounts"
    assert notes(acme) == ["precious"]

    def die(event: Event) -> None:
        if (event.phase, event.subject, event.state) == ("steps", "upgrade", "done"):
            raise Killed

    with pytest.raises(Killed):
        acme.deploy("2.0", progress=die)
    assert acme.get().startswith("503 ")
    with pytest.raises(Refused, match="is neither of them"):
        acme.plan("1.0")
    assert acme.deploy("2.0").did == "deployed"
    assert acme.get() == "200 ready 2.0, 1 accounts"
    assert notes(acme) == ["precious"]
    assert acme.plan("2.0").changes == ()


def backed_up_proven_and_put_back(acme: LanCustomer) -> None:
    want = acme.want("1.1")
    with acme.driver() as driver:
        snapshot = take(driver, want, acme.shelf, "asked", acme.means())
    assert acme.get() == "200 ready 1.1, 1 accounts"
    acme.write("after it")
    acme.lan.run(f"rm {letter(acme)}")
    with acme.driver() as driver:
        means = acme.means(sure=lambda _: True)
        outcome = restore(driver, want, acme.shelf, snapshot, means, keep=True)
    assert (outcome.did, outcome.backup) == ("restored", snapshot.id)
    assert notes(acme) == ["precious"]
    assert acme.lan.run(f"cat {letter(acme)}").strip() == "kept"
    assert acme.lan.run(f"stat -c %U:%a {letter(acme)}").startswith(f"{acme.layout.user}:")
    assert acme.plan("1.1").changes == ()
    assert proven(acme, snapshot) == snapshot.contents
    assert acme.lan.run("ls /var/lib/crmhost/customers").split() == ["acme"]
    assert f"acme{SUFFIX}" not in acme.lan.run("cat /etc/passwd; systemctl list-units --all; ls /etc/systemd/system")
    assert acme.ask("select count(*) from pg_database where datname like '%try%'") == "0"
    assert acme.plan("1.1").changes == ()
    kept = acme.shelf.list()[0]
    assert (kept.why, kept.contents.tables["public.note"], kept.contents.files) == ("restore", 2, 0)
    assert acme.ask("select count(*) from pg_database where datname like '%incoming'") == "0"


@pytest.mark.timeout(2400)
def test_no_data_is_lost_by_what_is_done_to_it(lan: LanHost) -> None:
    """In one walk, since a server is brought up for each test."""
    acme = LanCustomer(lan)
    acme.deploy("1.1")
    acme.write("precious")
    user = acme.layout.user
    lan.run(f"setpriv --reuid={user} --regid={user} --init-groups -- sh -c 'echo kept >{letter(acme)}'")
    backed_up_proven_and_put_back(acme)
    upgraded_and_taken_back(acme)
    failed_and_killed(acme)
