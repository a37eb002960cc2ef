"""A backup is proven where the host gave the customer's database, in a second one that it gave for trials alone."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from crm.errors import GateFailed, HostError, Refused
from crm.plan import Event
from playbooks.onhost.mysql import TABLES
from playbooks.programs import program
from tests.support.hosted import EMPTY, Visitor
from tests.support.sharedhost import DATABASE, SharedHost
from tests.support.trials import SCRATCH, TRIAL, TRIAL_PASSWORD, Trial, give_trial, proving
from tests.support.until import until

pytestmark = pytest.mark.slow
OURS = ["account", "crmhost_schema", "crmhost_steps", "crmhost_trial", "note", "notes"]
SECRET = "scratch-database-password"  # noqa: S105 - its name


@pytest.fixture(scope="module")
def acme(sharedhost: SharedHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """Return the guestbook, which somebody uses, with a backup."""
    one = Trial(sharedhost, tmp_path_factory.mktemp("trial") / "fleet").begin()
    one.deploy()
    sharedhost.sql(f"insert into {DATABASE}.note (text) values ('before')")  # noqa: S608 - a name of ours
    sharedhost.run("echo dear >.crmhost/acme/data/uploads/letter.txt")
    sharedhost.run("echo '0 0 1 1 * true' | crontab -")  # a line of his own, and no job that writes rows meanwhile
    one.back_up()
    yield one
    one.destroy()
    assert sorted(sharedhost.run("ls -A; ls -A public_html").split()) == sorted(EMPTY)


@pytest.fixture(autouse=True)
def _nothing_is_left(acme: Trial) -> Iterator[None]:
    """Show after each test that nothing of the customer's was touched, and that nothing of a copy is left."""
    give_trial(acme.host)
    before = acme.customers()
    yield
    assert acme.tables() == []
    assert acme.host.run("ls -A .crmhost").split() == ["acme", "artifacts", "crontab.lock", "templates"]
    assert acme.customers() == before


def test_a_copy_is_used_in_the_second_database_and_leaves_nothing(acme: Trial) -> None:
    seen: list[str] = []
    before = acme.customers()

    def look(event: Event) -> None:
        if (event.subject, event.state) == ("log in", "begin"):
            seen.extend(acme.tables())
            assert acme.host.run("ls -A .crmhost").split()[:2] == ["acme", "acme_try"]
            assert [line for line in acme.customers().splitlines() if "acme_try" not in line] == before.splitlines()

    (snapshot,), visitor = acme.shelf.list(), Visitor(lambda: acme.get("/ready.php"))
    with visitor.visiting():
        proof = acme.prove(snapshot, look)
    assert proof.found == snapshot.contents
    assert (proof.found.tables["note"], proof.found.files) == (1, 1)
    assert seen == OURS
    assert visitor.answers
    assert visitor.wrong() == []
    assert acme.shelf.find(snapshot.id).proven == proof.snapshot.proven is not None
    assert not [owner for owner, _ in acme.fleet.vault.names() if owner != "acme"]


def refused(acme: Trial, kind: type[Exception], said: str) -> None:
    """Show that nothing is proven, and why."""
    with pytest.raises(kind, match=said):
        acme.prove(acme.shelf.list()[0])


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"dbuser": TRIAL},
        {"dbhost": "127.0.0.1", "dbport": "3307"},
        {"dbhost": "LOCALHOST", "dbname": DATABASE.upper()},
    ],
)
def test_the_customers_own_database_is_never_a_copys(acme: Trial, own: dict[str, str]) -> None:
    own = {**SCRATCH, "dbname": DATABASE, "dbuser": DATABASE, **own}
    refused(replace(acme, changes={"scratch": own}), Refused, r"in which the customer works, and a copy's is emptied")


def test_nor_under_another_name_of_its_server(acme: Trial) -> None:
    """The file says nothing of it, and the account may do everything there: what lies in it says whose it is."""
    acme.host.run("echo 127.0.0.1 db.example >>/etc/hosts", user="root")
    acme.host.sql(f"grant all on {DATABASE}.* to {TRIAL}@localhost")
    other = {**SCRATCH, "dbhost": "db.example", "dbname": DATABASE}
    refused(
        replace(acme, changes={"scratch": other}),
        Refused,
        r"acme_try: target\.database\.scratch holds 3 tables, and no record that a copy left them; nothing was done",
    )
    acme.host.sql(f"revoke all on {DATABASE}.* from {TRIAL}@localhost")


def test_what_no_copy_left_there_is_refused_and_stays(acme: Trial) -> None:
    for made, gone, kind, said in (
        ("create table {}.theirs (id int)", "drop table {}.theirs", Refused, "scratch holds 1 tables, and no record"),
        ("create procedure {}.theirs() select 1", "drop procedure {}.theirs", HostError, "what no copy left there"),
        (
            "create table {}.crmhost_trial (one int) comment = 'beta_try 1f'",
            "drop table {}.crmhost_trial",
            Refused,
            "and the copy beta_try is in it",
        ),
    ):
        acme.host.sql(made.format(TRIAL))
        refused(acme, kind, said)
        assert len(acme.tables()) == 1
        acme.host.sql(gone.format(TRIAL))


def test_no_program_of_ours_empties_what_is_not_said_to_be_the_copys(acme: Trial) -> None:
    told = {"kind": "mysql", "host": "localhost", "port": "3306", "name": TRIAL, "user": TRIAL, "php": ["php"]}
    access = json.dumps({**told, "password": TRIAL_PASSWORD, "trial": "acme_try"})
    acme.host.sql(f"create table {TRIAL}.theirs (id int)")
    acme.host.write("/home/customer/access.json", access)
    run = {
        verb: acme.host.run(program("mysql", "python3", verb, "access.json", "1f").text, check=False)
        for verb in ("empty", "take", "leave")
    }
    acme.host.sql(f"create table {TRIAL}.crmhost_trial (one int) comment = 'beta_try 1f'")
    acme.host.write("/home/customer/access.json", json.dumps({**told, "password": TRIAL_PASSWORD}))
    customers = acme.host.run(program("mysql", "python3", "empty", "access.json").text, check=False)
    acme.host.sql(f"drop table {TRIAL}.crmhost_trial")
    acme.host.run("rm access.json")
    assert "no copy is in it by what it says, so it is not emptied" in run["empty"]
    assert "the copy beta_try is in it by what it says, so it is not emptied" in customers
    assert "it holds what no copy left there" in run["take"]
    assert run["leave"] == ""
    assert acme.tables() == ["theirs"]
    acme.host.sql(f"drop table {TRIAL}.theirs")


def test_what_may_not_be_dropped_is_met_before_a_table_goes(acme: Trial) -> None:
    """A routine of another account's, as a view may be on MySQL: no row is lost for it."""
    told = {"kind": "mysql", "host": "localhost", "port": "3306", "name": TRIAL, "user": TRIAL, "php": ["php"]}
    acme.host.write("/home/customer/access.json", json.dumps({**told, "password": TRIAL_PASSWORD, "trial": "acme_try"}))
    acme.host.sql(
        f"use {TRIAL}; create table crmhost_trial (one int) comment = 'acme_try 1f'; create table aaa (id int);"
        f"create procedure theirs() begin end; revoke alter routine on {TRIAL}.* from {TRIAL}@localhost"
    )
    said = acme.host.run(program("mysql", "python3", "empty", "access.json").text, check=False)
    left = acme.tables()
    acme.host.sql(f"grant all on {TRIAL}.* to {TRIAL}@localhost; drop procedure {TRIAL}.theirs")
    acme.host.run(program("mysql", "python3", "leave", "access.json").text + "; rm access.json")
    assert f"alter routine command denied to user '{TRIAL}'@'localhost'" in said
    assert left[:2] == ["aaa", "crmhost_trial"], "and the routine"
    assert acme.tables() == []


def test_a_password_that_is_missing_or_wrong_is_said_before_anything_is_done(acme: Trial) -> None:
    kept = acme.folder / "secrets" / "acme" / f"{SECRET}.age"
    text = kept.read_bytes()
    kept.unlink()
    refused(
        acme,
        Refused,
        r"(?s)target\.database\.scratch: the fleet lacks the password .* secrets set acme scratch-database-password",
    )
    acme.fleet.vault.set("acme", SECRET, "wrong")
    refused(acme, HostError, r"(?s)acme_try could not be read: .*Access denied.*host's panel")
    kept.write_bytes(text)
    alone = replace(acme, changes={"scratch": {}})
    refused(alone, Refused, r"(?s)a copy needs a database of its own.*database\.scratch: \{name: ")


def test_a_copy_that_cannot_be_used_proves_nothing_and_leaves_nothing(acme: Trial) -> None:
    snapshot = acme.shelf.list()[0]
    proven = snapshot.proven

    def spoil(event: Event) -> None:
        if (event.subject, event.state) == ("log in", "begin"):
            acme.host.sql(f"drop table {TRIAL}.account")

    with pytest.raises(GateFailed, match="the copy is up, but its administrator is not let in"):
        acme.prove(snapshot, spoil)
    assert acme.shelf.find(snapshot.id).proven == proven


KILLED = {
    "before the database is taken": ("begin folder:.crmhost/acme_try/releases", 1),
    "when it is taken": ("done acme_try", 1),
    "while it is filled": ("begin acme-", 2),
    "while it is used": ("begin log in", 1),
    "while it is emptied": ("begin acme_try", 2),
}


@pytest.mark.parametrize("when", KILLED)
def test_what_a_killed_copy_left_goes_with_the_same_command(acme: Trial, when: str) -> None:
    (snapshot,), (line, times) = acme.shelf.list(), KILLED[when]
    with proving(acme, snapshot) as process:
        assert process.stdout is not None
        seen = (said for said in process.stdout if said.startswith(line))
        assert len([next(seen) for _ in range(times)]) == times
        if "filled" in when:
            until(lambda: len(acme.tables()) > 1, "the first table is there")
        process.send_signal(signal.SIGKILL)
        process.wait()
    free = "flock -n .crmhost/acme_try/lock true"
    until(lambda: acme.host.run(f"{free} && echo free || true") == "free\n", "nobody holds the lock", 90)
    if "before" not in when:
        assert "crmhost_trial" in acme.tables()
    assert acme.prove(snapshot).found == snapshot.contents


def test_what_it_left_of_another_schema_goes_too(acme: Trial) -> None:
    """Its records say what this release would refuse, a step that may not run twice among it."""
    for left in (
        "create table crmhost_trial (one int) comment = 'acme_try 1f'",
        "create table other (id int)",
        *TABLES,
        "insert into crmhost_steps values ('tables', 'started', 'r', 't')",
        "insert into crmhost_schema values (1, 'other', '9', '9', 't')",
    ):
        acme.host.sql(f"use {TRIAL}; {left}")
    (snapshot,) = acme.shelf.list()
    assert acme.prove(snapshot).found == snapshot.contents
