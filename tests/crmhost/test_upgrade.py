"""Another schema: nobody inside, a backup first, and the same command converges after a crash at any call."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crm.errors import CrmhostError, GateFailed, HostError, Refused
from crm.plan import Event, Want
from crmhost.cli.deploy import exit_code, sentence
from crmhost.deploy import Outcome, deploy, rollback
from crmhost.sequence import Means
from tests.support.standin import NEW, OLD, TWO, Backups, Target, wants

UPGRADE = [
    "plan", "lock", "plan", "fetch 2.0", "mark begun", "close", "halt for 2.0", "dump", "mark saved", "run schema",
    "run seed", "ready 2.0", "mark open", "switch 2.0", "open", "public", "retire 2.0", "mark done", "record done",
    "unlock",
]  # fmt: skip
BACK = ["mark restoring", "close", "halt for 1.0", "load", "ready 1.0", "switch 1.0", "open", "retire 1.0",
        "mark nothing"]  # fmt: skip


class Killed(BaseException):
    """What a kill -9 is to the sequence: nothing more is run."""


def serving_one() -> Target:
    return Target([OLD], OLD.id, running=OLD, done={"schema>1.0", "seed>1.0"})


def course(target: Target, backups: Backups, *, sure: bool = True) -> Means:
    def public(_want: Want) -> None:
        target.did("public")

    return Means(lambda _: None, public, lambda: backups, sure=lambda _: sure, now=lambda: 5)


def up(target: Target, backups: Backups, *, version: str = "2.0", sure: bool = True) -> Outcome:
    return deploy(target, wants(version), course(target, backups, sure=sure), confirm=lambda _: True)


def test_the_order_of_an_upgrade() -> None:
    target, backups = serving_one(), Backups()
    outcome = up(target, backups)
    assert target.calls == UPGRADE
    assert (outcome.did, outcome.release, outcome.backup) == ("deployed", TWO.id, backups.list()[0].id)
    assert backups.list()[0].release == OLD
    assert target.remembered is not None
    assert (target.remembered.phase, target.remembered.backup) == ("done", outcome.backup)
    assert (target.data, target.closed) == ("2 rows", False)


def test_its_phases_are_told_with_their_seconds() -> None:
    target, backups, events = serving_one(), Backups(), list[Event]()
    deploy(target, wants("2.0"), replace(course(target, backups), progress=events.append), confirm=lambda _: True)
    told = [(event.phase, event.subject) for event in events if event.state == "done"]
    assert told[3:] == [
        ("switch", "maintenance page on"), ("stage", TWO.id), ("backup", "acme"), ("steps", "schema"),
        ("steps", "seed"), ("gate", TWO.id), ("switch", TWO.id), ("switch", "maintenance page off"),
        ("gate", "http://127.0.0.1:8100"), ("retire", TWO.id), ("journal", f"deploy {TWO.id}"),
    ]  # fmt: skip
    assert all(event.seconds is not None for event in events if event.state == "done")


@pytest.mark.parametrize("where", ["run schema", "run seed", "ready 2.0"])
def test_a_failure_puts_the_backup_back_and_the_old_release_serves_again(where: str) -> None:
    target, backups = serving_one(), Backups()
    target.breaks = {where: GateFailed("500") if where == "ready 2.0" else HostError("no such table")}
    with pytest.raises(CrmhostError, match=f"the upgrade to {TWO.id} failed: ") as failure:
        up(target, backups)
    assert failure.value.remedy == f"backup {backups.list()[0].id} was put back and {OLD.id} serves again."
    assert target.calls[-11:-2] == BACK
    assert (target.data, target.served, target.closed, target.remembered) == ("1 rows", OLD.id, False, None)


def test_a_backup_that_fails_changes_nothing() -> None:
    target, backups = serving_one(), Backups(breaks={"save": HostError("bucket full")})
    with pytest.raises(HostError, match="bucket full") as failure:
        up(target, backups)
    assert failure.value.remedy == f"{OLD.id} serves again."
    assert not {"run schema", "load"} & set(target.calls)
    assert (target.data, target.served, target.closed) == ("1 rows", OLD.id, False)


def test_without_a_place_for_backups_no_schema_is_changed() -> None:
    target = serving_one()
    with pytest.raises(Refused, match="nowhere to keep a backup"):
        deploy(target, wants("2.0"), Means(lambda _: None, lambda _: None), confirm=lambda _: True)
    assert target.calls == ["plan", "lock", "plan", "record failed", "unlock"]


def test_when_going_back_fails_too_both_are_told_and_the_page_stays() -> None:
    target, backups = serving_one(), Backups()
    target.breaks = {"run seed": HostError("no such table"), "load": HostError("disk full")}
    with pytest.raises(HostError, match=r"no such table\nand going back to smallapp-1\.0-\w+ failed: disk full"):
        up(target, backups)
    assert target.closed
    target.breaks = {}
    assert rollback(target, wants("2.0"), None, course(target, backups)).release == OLD.id
    assert (target.data, target.served, target.closed, target.remembered) == ("1 rows", OLD.id, False, None)


def test_a_page_that_could_not_be_shown_is_not_said_to_be_shown() -> None:
    target, backups = serving_one(), Backups()
    target.breaks = {"close": HostError("disk full")}
    with pytest.raises(HostError) as failure:
        up(target, backups)
    assert failure.value.remedy.startswith("The maintenance page may be shown; the data was not touched. ")
    assert target.served == OLD.id


def test_a_public_url_that_says_no_goes_back_when_somebody_is_sure() -> None:
    target, backups = serving_one(), Backups()
    target.breaks = {"public": GateFailed("502")}
    with pytest.raises(GateFailed, match="failed: 502"):
        up(target, backups)
    assert (target.data, target.served, target.closed) == ("1 rows", OLD.id, False)


def test_a_public_url_that_says_no_loses_nothing_when_nobody_is_sure() -> None:
    target, backups = serving_one(), Backups()
    target.breaks = {"public": GateFailed("502")}
    with pytest.raises(GateFailed, match="not at its public URL: 502"):
        up(target, backups, sure=False)
    assert (target.data, target.served, target.closed) == ("2 rows", TWO.id, False)
    target.breaks = {}
    assert up(target, backups).release == TWO.id
    assert target.remembered is not None
    assert target.remembered.phase == "done"


@pytest.mark.parametrize("call", [*dict.fromkeys(name for name in UPGRADE if name not in ("plan", "unlock"))])
def test_the_same_command_converges_after_a_crash_at_any_call(call: str) -> None:
    target, backups = serving_one(), Backups()
    target.breaks = {call: Killed()}
    with pytest.raises(Killed) if call != "record done" else pytest.MonkeyPatch.context():
        up(target, backups)
    target.breaks = {}
    assert up(target, backups).did in ("deployed", "nothing")
    assert (target.data, target.served, target.closed, target.running) == ("2 rows", TWO.id, False, TWO)
    assert up(target, backups).did == "nothing"


@pytest.mark.parametrize("call", BACK)
def test_going_back_converges_after_a_crash_at_any_call(call: str) -> None:
    target, backups = serving_one(), Backups()
    up(target, backups)
    target.breaks = {call: Killed()}
    with pytest.raises(Killed):
        rollback(target, wants("2.0"), None, course(target, backups))
    target.breaks = {}
    back = rollback(target, wants("2.0"), None, course(target, backups))
    assert (back.did, back.release) == ("rolled back", OLD.id)
    assert (target.data, target.served, target.closed, target.running) == ("1 rows", OLD.id, False, OLD)
    assert target.remembered is None


def test_a_deploy_that_meets_an_unfinished_way_back_finishes_that_alone() -> None:
    target, backups = serving_one(), Backups()
    up(target, backups)
    target.breaks = {"load": Killed()}
    with pytest.raises(Killed):
        rollback(target, wants("2.0"), None, course(target, backups))
    target.breaks = {}
    outcome = up(target, backups)
    assert (outcome.did, outcome.release) == ("restored", OLD.id)
    assert exit_code(outcome) == 1, "what serves is not what the contract asks for"
    assert sentence("acme", replace(outcome, seconds=2.0)) == (
        f"acme: {OLD.id} serves again with backup {outcome.backup}, as was begun before (2.0 s)."
        " Deploy again for what the contract asks for."
    )
    again = up(target, backups)
    assert (again.did, exit_code(again)) == ("deployed", 0)


def test_going_back_before_there_is_a_backup_names_none() -> None:
    target, backups = serving_one(), Backups(breaks={"save": HostError("bucket full")})
    target.breaks = {"ready 1.0": HostError("PostgreSQL does not answer")}
    with pytest.raises(HostError, match=r"bucket full\nand going back to smallapp-1\.0-\w+ failed: Postg") as failure:
        up(target, backups)
    assert failure.value.remedy.startswith("The maintenance page is shown; the data was not touched. Mend the cause, ")
    target.breaks = {}
    outcome = up(target, backups)
    assert (outcome.did, outcome.backup, exit_code(outcome)) == ("restored", None, 1)
    assert f"{OLD.id} serves again, as was begun before" in sentence("acme", outcome)


def test_a_contract_that_names_the_old_version_again_takes_a_broken_upgrade_back() -> None:
    target, backups = serving_one(), Backups()
    target.breaks = {"run seed": Killed()}
    with pytest.raises(Killed):
        up(target, backups)
    target.breaks = {}
    outcome = up(target, backups, version="1.0")
    assert (outcome.did, outcome.release) == ("deployed", OLD.id)
    assert (target.data, target.served, target.closed) == ("1 rows", OLD.id, False)


def test_a_rollback_goes_nowhere_else_than_back_while_an_upgrade_is_under_way() -> None:
    target, backups = serving_one(), Backups()
    target.keep(NEW)
    target.breaks = {"run seed": Killed()}
    with pytest.raises(Killed):
        up(target, backups)
    with pytest.raises(Refused, match="is under way, and can only be taken back to"):
        rollback(target, wants("2.0"), "1.1", course(target, backups))
