"""Upgrades across schemas, backups and restores on a LAN server with its own PostgreSQL and nginx."""

from __future__ import annotations

import pytest

from crm.errors import CrmhostError, Refused
from crm.plan import Event
from crmhost.backup.take import restore, take
from tests.support.lanhost import LanHost
from tests.support.lans import LanCustomer

pytestmark = [pytest.mark.slow, pytest.mark.cloud]


class Killed(BaseException):
    """What nobody handles."""


@pytest.fixture
def acme(lan: LanHost) -> LanCustomer:
    customer = LanCustomer(lan)
    customer.deploy("1.1")
    customer.write("precious")
    customer.lan.run(f"setpriv --reuid={customer.layout.user} --clear-groups -- sh -c 'echo kept >{letter(customer)}'")
    return customer


def letter(customer: LanCustomer) -> str:
    return f"{customer.layout.data}/files/letter.txt"


def notes(customer: LanCustomer) -> list[str]:
    return customer.ask("select text from note order by id").splitlines()


def test_an_upgrade_and_the_way_back(acme: LanCustomer) -> None:
    seen: list[str] = []

    def look(event: Event) -> None:
        if event.phase in ("backup", "steps") and event.state == "begin":
            seen.append(acme.get()[:4])

    old = acme.deploy("1.1").release
    plan = acme.plan("2.0")
    assert plan.upgrade is not None
    outcome = acme.deploy("2.0", progress=look)
    (backup,) = acme.shelf.list()
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


def test_one_that_fails_and_one_that_is_killed_lose_nothing(acme: LanCustomer) -> None:
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


def test_a_backup_is_put_back_and_what_was_there_is_kept(acme: LanCustomer) -> None:
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
    kept = acme.shelf.list()[0]
    assert (kept.why, kept.contents.tables["public.note"], kept.contents.files) == ("restore", 2, 0)
    assert acme.ask("select count(*) from pg_database where datname like '%incoming'") == "0"
