"""A database that gets another schema on a web host: nobody inside, a backup first, and back when anything fails."""

from __future__ import annotations

import http.client
import itertools
import os
import signal
import socket
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crm.errors import CrmhostError, GateFailed, HostError, Refused
from crm.plan import Event, Want
from tests.support.deployments import Customer, by_resource
from tests.support.hosts import until
from tests.support.wants import SECRETS

pytestmark = pytest.mark.slow
MINUTE = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Killed(BaseException):
    """What nobody handles."""


def dying(phase: str, state: str, subject: str = "") -> list[Event]:
    """Events that raise at one of them."""

    class Deadly(list[Event]):
        def append(self, event: Event) -> None:
            super().append(event)
            if (event.phase, event.state) == (phase, state) and subject in event.subject + event.detail:
                raise Killed

    return Deadly()


def page(customer: Customer) -> tuple[int, str | None, str]:
    """Return status, Retry-After and body of a write while customers are shut out."""
    with closing(http.client.HTTPConnection("127.0.0.1", customer.port, timeout=10)) as connection:
        connection.request("POST", "/notes", "text=x" * 1000, {"Content-Type": "application/x-www-form-urlencoded"})
        response = connection.getresponse()
        return response.status, response.getheader("Retry-After"), response.read().decode()


def serving(customer: Customer) -> str | None:
    with customer.driver() as driver:
        return driver.serving()


def test_the_plan_says_what_an_upgrade_does_and_it_is_done(customer: Customer) -> None:
    old = customer.deploy("1.1")
    customer.write("precious")
    (customer.root / "data" / "files" / "letter.txt").write_text("kept")
    plan = customer.plan("2.0")
    change = by_resource(plan)["database:acme"]
    assert (change.action, change.why, change.disrupts) == ("update", "schema 1 → 2, 1.1 → 2.0", "data")
    assert "step:upgrade>2" in by_resource(plan)
    assert plan.upgrade is not None
    assert (plan.upgrade.old.id, plan.upgrade.new.id) == (old.release, plan.release.id)
    outcome = customer.deploy("2.0")
    (backup,) = customer.shelf.list()
    assert (outcome.did, outcome.release, outcome.backup) == ("deployed", plan.release.id, backup.id)
    assert (backup.why, backup.release.id, backup.contents.tables["main.note"]) == ("upgrade", old.release, 1)
    assert (backup.contents.files, backup.contents.bytes) == (1, 4)
    assert backup.contents.database.startswith("SQLite 3.")
    assert customer.get() == "200 ready 2.0, 1 accounts"
    customer.write("written by new code")
    assert customer.notes() == ["precious", "written by new code"]
    assert customer.plan("2.0").changes == ()
    assert customer.ask("select recipe, version, schema from crmhost_schema") == [("smallapp", "2.0", "2")]
    assert (customer.root / "data" / "files" / "letter.txt").read_text() == "kept"
    assert not (customer.root / "maintenance").exists()


def test_customers_see_the_page_and_only_the_page_meanwhile(customer: Customer) -> None:
    customer.deploy("1.1")
    seen: list[tuple[int, str | None, str]] = []

    def look(event: Event) -> None:
        if event.phase in ("backup", "steps") and event.state == "begin":
            seen.append(page(customer))

    customer.deploy("2.0", progress=look)
    assert len(seen) >= 3
    assert {(status, after) for status, after, _ in seen} == {(503, "120")}
    assert all("We are updating this system." in body for _, _, body in seen)


@pytest.mark.parametrize("fault", ["upgrade", "ready"])
def test_an_upgrade_that_fails_goes_back_to_what_served(customer: Customer, fault: str) -> None:
    old = customer.deploy("1.1").release
    customer.write("precious")
    customer.fault(fault)
    with pytest.raises(CrmhostError, match=r"the upgrade to smallapp-2\.0-.* failed") as failure:
        customer.deploy("2.0")
    (backup,) = customer.shelf.list()
    assert failure.value.remedy == f"backup {backup.id} was put back and {old} serves again."
    assert customer.get() == "200 ready 1.1, 1 accounts"
    assert serving(customer) == old
    customer.write("after it")
    assert customer.notes() == ["precious", "after it"]
    assert customer.plan("1.1").changes == ()
    with customer.driver() as driver:
        assert driver.crossing() is None


def test_a_rollback_restores_the_backup_once_somebody_is_sure(customer: Customer) -> None:
    old = customer.deploy("1.1", language="vi").release
    customer.write("precious")
    customer.deploy("2.0")
    customer.write("lost by going back")
    assert customer.rollback(version="2.0").did == "declined"
    assert customer.notes() == ["precious", "lost by going back"]
    back = customer.rollback(version="2.0", language="fa", sure=lambda _: True)
    assert (back.did, back.release, back.backup) == ("rolled back", old, customer.shelf.list()[0].id)
    assert customer.get() == "200 ready 1.1, 1 accounts"
    assert customer.get("/static/style.css").startswith("200 /* 1.1 */")
    assert customer.notes() == ["precious"]
    assert customer.plan("1.1").changes == ()
    assert customer.deploy("2.0").did == "deployed"


def test_what_is_no_public_answer_loses_nothing_until_somebody_is_sure(customer: Customer) -> None:
    customer.deploy("1.1")

    def no(_want: Want) -> None:
        raise GateFailed("502")

    with pytest.raises(GateFailed, match="serves on the host, but not at its public URL: 502"):
        customer.deploy("2.0", public=no)
    assert customer.get() == "200 ready 2.0, 1 accounts"
    plan = customer.plan("2.0")
    assert plan.unfinished is not None
    assert customer.deploy("2.0").did == "deployed"
    assert customer.plan("2.0").changes == ()


@pytest.mark.parametrize(
    ("phase", "state", "subject"),
    [
        ("switch", "done", "maintenance page on"),
        ("backup", "done", "acme"),
        ("steps", "begin", "upgrade"),
        ("steps", "done", "upgrade"),
        ("switch", "begin", "smallapp-2.0"),
        ("retire", "begin", "smallapp-2.0"),
    ],
)
@pytest.mark.parametrize("version", ["2.0", "1.1"])
def test_one_that_was_stopped_is_finished_or_taken_back_by_the_next_deploy(
    customer: Customer, phase: str, state: str, subject: str, version: str
) -> None:
    customer.deploy("1.1")
    customer.write("precious")
    events = dying(phase, state, subject)
    with pytest.raises(Killed):
        customer.deploy("2.0", progress=events.append)
    plan = customer.plan(version)
    assert plan.unfinished is not None
    with pytest.raises(Refused, match=r"is under way; smallapp-1\.0-.* is neither of them"):
        customer.plan("1.0")
    outcome = customer.deploy(version)
    assert outcome.did == "deployed"
    assert customer.get() == f"200 ready {version}, 1 accounts"
    assert customer.notes() == ["precious"]
    assert customer.plan(version).changes == ()


def test_the_page_is_started_again_by_the_scheduler_and_the_old_code_is_not(customer: Customer) -> None:
    customer.deploy("1.1")
    with pytest.raises(Killed):
        customer.deploy("2.0", progress=dying("steps", "begin", "upgrade").append)
    os.killpg(customer.pid("maintenance"), signal.SIGKILL)
    until(lambda: customer.get() == "down", "the page ends")

    def shown() -> bool:
        customer.box.tick(MINUTE)
        return customer.get().startswith("503 ")

    until(shown, "the page is there again")
    assert not Path(customer.layout.current).exists()
    with customer.driver() as driver:
        assert driver.status(customer.want("1.1")).processes[0][:2] == ("maintenance", "up")
    assert customer.deploy("2.0").did == "deployed"


@pytest.mark.parametrize("fails", [False, True])
def test_no_acknowledged_write_is_lost_by_an_upgrade_under_load(customer: Customer, fails: bool) -> None:
    """Whoever was told that his note is kept finds it, also when the upgrade fails and the backup comes back."""
    customer.deploy("1.1")
    session = customer.log_in("admin", SECRETS["admin-password"])
    assert session is not None
    stop, kept, refused = threading.Event(), list[str](), list[int]()

    def use(name: int) -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            text = f"{name}-{number}"
            try:
                status, _, _ = customer.post("/notes", {"text": text}, session)
            except (OSError, http.client.HTTPException):
                continue  # nobody was told anything
            kept.append(text) if status == 303 else refused.append(status)

    users = [threading.Thread(target=use, args=(name,)) for name in range(3)]
    for user in users:
        user.start()
    try:
        until(lambda: len(kept) > 10, "notes are written")
        if fails:
            customer.fault("upgrade")
            with pytest.raises(CrmhostError, match="failed"):
                customer.deploy("2.0")
        else:
            customer.deploy("2.0")
        before = len(kept)
        until(lambda: len(kept) > before + 10, "notes are written again")
    finally:
        stop.set()
        for user in users:
            user.join()
    assert set(refused) == {503}
    assert sorted(kept) == sorted(set(kept) & set(customer.notes()))
    assert customer.get().startswith(f"200 ready {'1.1' if fails else '2.0'}")


def test_a_step_torn_without_an_upgrade_asks_for_a_restore(customer: Customer) -> None:
    customer.deploy("1.1")
    with closing(sqlite3.connect(customer.layout.db, isolation_level=None)) as db:
        db.execute("update crmhost_steps set state = 'started' where name = 'schema'")
    with pytest.raises(Refused, match="step schema was begun and not finished, and may only be run on a restored"):
        customer.plan("1.1")


def test_a_port_that_another_process_holds_is_no_page(customer: Customer) -> None:
    customer.deploy("1.1")
    os.killpg(customer.pid("web"), signal.SIGKILL)
    until(lambda: customer.get() == "down", "the web process ends")
    with socket.create_server(("127.0.0.1", customer.port)), pytest.raises(HostError, match=r"upgrade to .* failed"):
        customer.deploy("2.0")
