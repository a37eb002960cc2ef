"""A customer's backups on a web host: made while he works, proven in a copy, put back. One walk, in its order."""

from __future__ import annotations

import io
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from crm.backup import Contents, Lost, Snapshot
from crm.bundle import POSTGRESQL, Writer
from crm.errors import HostError, Refused
from crm.plan import Event, Want
from crmhost.backup import scratch
from crmhost.backup.scratch import SUFFIX, letting_in
from crmhost.backup.take import restore, take
from crmhost.deploy import Outcome
from crmhost.sandbox.host import Sandbox
from crmhost.target import Target
from playbooks.mover import copying
from playbooks.webhost.driver import WebHostDriver
from playbooks.webhost.mover import WebHostMover
from tests.support.deployments import PATIENT, Customer, lend_artifacts
from tests.support.hosts import reach, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def acme(artifacts: Path) -> Iterator[Customer]:
    with tempfile.TemporaryDirectory(prefix="crmhost-") as root, Sandbox(Path(root)) as box:
        lend_artifacts(artifacts, box)
        customer = Customer(box)
        customer.deploy("1.1")
        yield customer


def backed_up(customer: Customer) -> Snapshot:
    with customer.driver() as driver:
        return take(driver, customer.want("1.1"), customer.shelf, "asked", customer.means())


def restored(customer: Customer, snapshot: Snapshot, *, version: str = "1.1", keep: bool = True) -> Outcome:
    with customer.driver() as driver:
        means = customer.means(sure=lambda _: True)
        return restore(driver, customer.want(version), customer.shelf, snapshot, means, keep=keep)


def letter(customer: Customer) -> Path:
    return Path(customer.layout.data) / "files" / "letters" / "one.txt"


def test_it_is_made_while_the_customer_works(acme: Customer) -> None:
    acme.write("before the backup")
    letter(acme).parent.mkdir()
    letter(acme).write_text("dear")
    snapshot = backed_up(acme)
    assert acme.shelf.list() == (snapshot,)
    held = snapshot.contents
    assert (held.tables["main.note"], held.files, held.bytes, held.keys) == (1, 1, 4, ("secret-key",))
    assert acme.get() == "200 ready 1.1, 1 accounts"
    assert acme.plan("1.1").changes == ()
    assert not list((acme.root / "staging").iterdir())


def test_one_of_an_application_that_is_written_to_is_of_one_instant(acme: Customer) -> None:
    """A note is written to two tables in one transaction: in every backup both have as many rows."""
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            acme.write("busy")

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    try:
        until(lambda: len(acme.notes()) > 5, "somebody writes")
        first = backed_up(acme)
        until(lambda: time.time() >= first.taken / 1e6 + 1, "the next second: a backup is named by its own")
        taken = [first, backed_up(acme)]
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    counts = [(one.contents.tables["main.note"], one.contents.tables["main.history"]) for one in taken]
    assert all(notes == acts > 1 for notes, acts in counts)
    assert counts[0] < counts[1]


def test_what_could_not_be_put_in_place_is_no_success(acme: Customer) -> None:
    want, dumped = acme.want("1.1"), io.BytesIO()
    with acme.driver() as driver, driver.lock("restore") as work:
        mover = work.mover()
        assert isinstance(mover, WebHostMover)
        mover.dump(want, dumped)
        elsewhere = replace(mover._ground(), db=f"{acme.root}/not-there/db.sqlite3")  # noqa: SLF001 - as if it had gone
        dumped.seek(0)
        with pytest.raises(HostError, match=r"could not be put in place: [^$]*not-there"):
            copying.load(work.session, elsewhere, want.recipe.backup, dumped, want.recipe.folders)
    assert acme.get() == "200 ready 1.1, 1 accounts"


def proven(acme: Customer, snapshot: Snapshot) -> tuple[Contents, Want]:
    """Bring a copy up, log in to it, count, and remove it, as `crmhost restore --to scratch` does."""
    copy = Customer(acme.box, f"{acme.contract}{SUFFIX}", acme.port)
    host = "acme.scratch.invalid"
    want = replace(copy.want(snapshot.release.version, host=host, url=f"http://{host}"))
    want = replace(want, secrets={**want.secrets, "admin-password": "of-the-copy-alone-3"})
    with reach(acme.box) as connection:
        driver = WebHostDriver(
            connection, copy.contract, document_root=None, who="test@here", progress=lambda _: None, patience=PATIENT
        )
        target = Target(driver, want, lambda _: None)
        _, found = scratch._used(target, want, acme.shelf, snapshot, acme.means())  # noqa: SLF001 - without a fleet
    return found, want


def lying(acme: Customer) -> list[str]:
    """What lies on the account, but for logs, cron's locks, and what SQLite keeps beside a database that is open."""
    found = (str(path) for path in acme.root.parent.rglob("*"))
    passing = ("-wal", "-shm", ".cron")
    return sorted(path for path in found if "/acme/log" not in path and not path.endswith(passing))


def test_a_copy_of_it_is_logged_in_to_and_leaves_nothing(acme: Customer) -> None:
    snapshot, before = acme.shelf.list()[-1], lying(acme)
    lines = (acme.box.home / ".crontab").read_text()
    assert "acme/keep" in lines
    found, want = proven(acme, snapshot)
    assert found == snapshot.contents
    assert letting_in(want.recipe)
    assert (lying(acme), (acme.box.home / ".crontab").read_text()) == (before, lines)
    assert acme.get() == "200 ready 1.1, 1 accounts"


def test_a_restore_brings_rows_and_files_back_and_keeps_what_was_there(acme: Customer) -> None:
    letter(acme).unlink()
    oldest = acme.shelf.list()[-1]
    asked: list[Lost] = []

    def no(lost: Lost) -> bool:
        asked.append(lost)
        return False

    with acme.driver() as driver:
        declined = restore(driver, acme.want("1.1"), acme.shelf, oldest, acme.means(sure=no), keep=True)
    assert (declined.did, asked[0].since) == ("declined", oldest.taken)
    outcome = restored(acme, oldest)
    assert (outcome.did, outcome.backup) == ("restored", oldest.id)
    assert acme.get() == "200 ready 1.1, 1 accounts"
    assert acme.get("/static/style.css").startswith("200 /* 1.1 */")
    assert acme.notes() == ["before the backup"]
    assert letter(acme).read_text() == "dear"
    assert acme.plan("1.1").changes == ()
    kept = acme.shelf.list()[0]
    assert (kept.why, kept.contents.files) == ("restore", 0)
    assert kept.contents.tables["main.note"] > 2


def test_one_that_was_killed_is_finished_by_a_deploy(acme: Customer) -> None:
    class Killed(BaseException):
        """What nobody handles."""

    def die(event: Event) -> None:
        if (event.phase, event.state) == ("gate", "begin"):
            raise Killed

    oldest = acme.shelf.list()[-1]
    acme.write("lost by going back")
    means = acme.means(die, sure=lambda _: True)
    with pytest.raises(Killed), acme.driver(die) as driver:
        restore(driver, acme.want("1.1"), acme.shelf, oldest, means, keep=False)
    assert acme.get().startswith("503 ")
    with pytest.raises(Refused, match="an upgrade is under way"):
        backed_up(acme)
    assert acme.deploy("1.1").backup == oldest.id
    assert acme.get() == "200 ready 1.1, 1 accounts"
    assert acme.notes() == ["before the backup"]


def test_what_is_of_another_database_changes_nothing(acme: Customer) -> None:
    sink = io.BytesIO()
    writer = Writer(sink)
    writer.database(iter([POSTGRESQL + b"-" * 100]))
    writer.data(io.BytesIO(bytes(1024)))
    writer.end("acme", {}, "PostgreSQL 15.6")
    with acme.driver() as driver, driver.lock("look") as work:
        mover = work.mover()
        assert mover is not None
        with pytest.raises(HostError, match="holds PostgreSQL, and the target keeps the data in SQLite"):
            mover.load(acme.want("1.1"), io.BytesIO(sink.getvalue()))
    assert acme.get() == "200 ready 1.1, 1 accounts"


def test_what_is_destroyed_is_backed_up_first(acme: Customer) -> None:
    outcome = acme.destroy(backup=True)
    last = acme.shelf.list()[0]
    assert (outcome.backup, last.why) == (last.id, "destroy")
    assert not acme.root.exists()
    with pytest.raises(Refused, match="there is no database on the host"):
        backed_up(acme)
