"""A customer's backups on a Docker host: made while he works, proven in a copy, put back. One walk, in its order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from crm.backup import Lost, Snapshot
from crm.errors import CrmhostError, LockHeld, Refused
from crm.plan import Event
from crmhost.backup.scratch import SUFFIX, prove_backup
from crmhost.backup.shelf import Shelf, open_shelf
from crmhost.backup.take import restore, take
from crmhost.deploy import Outcome
from crmhost.order import read_order
from crmhost.sequence import micros
from crmhost.target import Wish
from infra import naming
from infra.engine.connect import Reach, connect
from tests.support.cloud import Company, Customer, silent, yes

pytestmark = [pytest.mark.slow, pytest.mark.cloud]
NAME = "keeper"


@pytest.fixture(scope="module")
def acme(hosting: Company) -> Iterator[Customer]:
    customer = hosting.customer(NAME)
    yield customer
    customer.sweep()
    Customer(hosting, f"{NAME}{SUFFIX}").sweep()


@pytest.fixture(scope="module")
def shelf(acme: Customer) -> Shelf:
    return open_shelf(acme.company.fleet, NAME)


def backed_up(acme: Customer, shelf: Shelf, version: str = "1.0") -> Snapshot:
    with acme.target(version) as target:
        return take(target.driver, target.want, shelf, "asked", target.means())


def wish(acme: Customer) -> Wish:
    order, access = read_order(acme.company.fleet, NAME, micros())
    return Wish(acme.company.fleet, order, access, acme.recipe, silent, make_secrets=False, refresh=False)


def restored(acme: Customer, shelf: Shelf, snapshot: Snapshot, *, version: str = "1.0", keep: bool = True) -> Outcome:
    with acme.target(version) as target:
        return restore(target.driver, target.want, shelf, snapshot, target.means(yes), keep=keep)


def notes(acme: Customer) -> list[str]:
    return acme.ask("select text from note order by id")


def uploads(acme: Customer, *argv: str) -> str:
    """Run a program in the web container, where the data volume is."""
    (web,) = (name for name in acme.there()["containers"] if name.endswith("-web"))
    with connect(Reach(acme.company.engine.url)) as engine:
        output = engine.execute(web, argv, timeout=60)
    assert output.code == 0, output.text
    return output.said


def test_it_is_made_while_the_customer_works(acme: Customer, shelf: Shelf) -> None:
    acme.deploy("1.0")
    acme.write("before the backup")
    uploads(acme, "mkdir", "-p", "/data/files")
    uploads(acme, "tee", "/data/files/letter.txt")
    snapshot = backed_up(acme, shelf)
    assert shelf.list() == (snapshot,)
    assert snapshot.contents.tables["public.note"] == 1
    assert snapshot.contents.files == 1
    assert snapshot.contents.keys == ("secret-key",)
    assert acme.get("/ready").startswith("200 ready 1.0")
    assert acme.plan("1.0").changes == ()


def test_a_copy_of_it_proves_it_and_leaves_nothing(acme: Customer, shelf: Shelf) -> None:
    acme.write("after the backup")
    (snapshot,) = shelf.list()
    before = acme.there()
    proof = prove_backup(wish(acme), shelf, snapshot)
    assert proof.found == snapshot.contents
    assert shelf.find(snapshot.id).proven == proof.snapshot.proven is not None
    copy = Customer(acme.company, f"{NAME}{SUFFIX}")
    assert copy.there() == {"containers": set(), "volumes": set(), "networks": set()}
    fleet = acme.company.fleet
    assert not (fleet.state / "pulumi" / copy.contract).exists()
    assert not [owner for owner, _ in fleet.vault.names() if owner == copy.contract]
    assert acme.there() == before
    assert notes(acme) == ["before the backup", "after the backup"]
    assert acme.plan("1.0").changes == ()


def test_a_copy_that_cannot_be_used_proves_nothing_and_leaves_nothing(acme: Customer, shelf: Shelf) -> None:
    acme.ask("alter table account rename to gone")
    try:
        snapshot = backed_up(acme, shelf)
    finally:
        acme.ask("alter table gone rename to account")
    with pytest.raises(CrmhostError):
        prove_backup(wish(acme), shelf, snapshot)
    assert shelf.find(snapshot.id).proven is None
    assert Customer(acme.company, f"{NAME}{SUFFIX}").there()["containers"] == set()


def test_nothing_is_restored_until_somebody_says_that_writes_may_be_lost(acme: Customer, shelf: Shelf) -> None:
    asked: list[Lost] = []

    def no(lost: Lost) -> bool:
        asked.append(lost)
        return False

    oldest = shelf.list()[-1]
    with acme.target("1.0") as target:
        outcome = restore(target.driver, target.want, shelf, oldest, target.means(no), keep=True)
    assert outcome.did == "declined"
    assert asked[0].since == oldest.taken
    assert notes(acme) == ["before the backup", "after the backup"]


def test_a_damaged_one_is_refused_before_anybody_is_shut_out(acme: Customer, shelf: Shelf) -> None:
    snapshot = shelf.list()[-1]
    with shelf.store.reading(f"{snapshot.id}.age") as file:
        sealed = file.read()
    with shelf.store.writing(f"{snapshot.id}.age") as file:
        file.write(sealed[:500] + bytes([sealed[500] ^ 1]) + sealed[501:])
    try:
        with pytest.raises(CrmhostError, match="is damaged"):
            restored(acme, open_shelf(acme.company.fleet, NAME), snapshot)
    finally:
        with shelf.store.writing(f"{snapshot.id}.age") as file:
            file.write(sealed)
    assert acme.get("/ready").startswith("200 ready 1.0")
    assert notes(acme) == ["before the backup", "after the backup"]


def test_a_restore_brings_rows_and_files_back_and_keeps_what_was_there(acme: Customer, shelf: Shelf) -> None:
    uploads(acme, "rm", "/data/files/letter.txt")
    oldest = shelf.list()[-1]
    outcome = restored(acme, shelf, oldest)
    assert (outcome.did, outcome.backup) == ("restored", oldest.id)
    assert acme.get("/ready").startswith("200 ready 1.0")
    assert notes(acme) == ["before the backup"]
    assert uploads(acme, "ls", "/data/files") == "letter.txt"
    assert acme.plan("1.0").changes == ()
    kept = shelf.list()[0]
    assert (kept.why, kept.contents.tables["public.note"], kept.contents.files) == ("restore", 2, 0)
    acme.write("written after it")


def test_a_restore_is_undone_by_another_and_one_that_was_killed_is_finished_by_a_deploy(
    acme: Customer, shelf: Shelf
) -> None:
    class Killed(BaseException):
        """What nobody handles."""

    def die(event: Event) -> None:
        if (event.phase, event.state) in {("steps", "begin"), ("gate", "begin")}:
            raise Killed

    kept = shelf.list()[0]
    with pytest.raises(Killed), acme.target("1.0", die) as target:
        restore(target.driver, target.want, shelf, kept, target.means(yes), keep=False)
    assert acme.get("/ready").startswith("503")
    assert acme.deploy("1.0").backup == kept.id
    assert acme.get("/ready").startswith("200 ready 1.0")
    assert notes(acme) == ["before the backup", "after the backup"]


def test_one_of_another_schema_is_refused_unless_its_release_is_kept(acme: Customer, shelf: Shelf) -> None:
    acme.deploy("2.0")
    upgrade = shelf.list()[0]
    stranger = replace(upgrade, release=replace(upgrade.release, schema="7"))
    with pytest.raises(Refused, match=r"is of .* \(schema 7\), and the host keeps"):
        restored(acme, shelf, stranger, version="2.0")
    assert acme.get("/ready").startswith("200 ready 2.0")
    outcome = restored(acme, shelf, upgrade, version="2.0", keep=False)
    assert outcome.release == upgrade.release.id
    assert acme.get("/ready").startswith("200 ready 1.0")
    assert acme.plan("1.0").changes == ()


def test_nobody_is_waited_for_and_nothing_is_begun_while_somebody_is_at_work(acme: Customer, shelf: Shelf) -> None:
    listed = shelf.list()
    with (
        acme.target("1.0") as first,
        first.driver.lock("deploy something"),
        pytest.raises(LockHeld, match="deploy something"),
    ):
        backed_up(acme, shelf)
    assert shelf.list() == listed


def test_what_was_destroyed_comes_back_to_an_empty_host(acme: Customer, shelf: Shelf) -> None:
    outcome = acme.destroy("1.0", backup=True)
    last = shelf.list()[0]
    assert (outcome.backup, last.why) == (last.id, "destroy")
    with pytest.raises(Refused, match="there is no database on the host"):
        backed_up(acme, shelf)
    acme.deploy("1.0")
    restored(acme, shelf, last, keep=False)
    assert notes(acme) == ["before the backup", "after the backup"]
    assert {naming.database(NAME), naming.data(NAME)} <= acme.there()["volumes"]
