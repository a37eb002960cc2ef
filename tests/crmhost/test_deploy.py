"""The one sequence: its order, what stops it, and what it leaves. The target here is a small one in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crm.backup import Lost
from crm.errors import CrmhostError, GateFailed, HostError, Refused
from crm.plan import Change, Crossing, CrossingPhase, Event, Release, Want
from crmhost.deploy import Destroy, Outcome, choose, deploy, destroy, plan, rollback
from crmhost.sequence import Means
from tests.support.standin import NEW, OLD, TWO, WANT, Backups, Target


def means(target: Target, *, public: BaseException | None = None, backups: Backups | None = None) -> Means:
    ticks = iter(range(1000))

    def ask_public(_want: Want) -> None:
        target.calls.append("public")
        if public is not None:
            raise public

    keep = None if backups is None else lambda: backups
    return Means(lambda _: None, ask_public, keep, clock=lambda: next(ticks))


def go(target: Target, *, yes: bool = True, public: BaseException | None = None) -> tuple[Outcome, list[Event]]:
    events: list[Event] = []
    with_events = replace(means(target, public=public), progress=events.append)
    return deploy(target, WANT, with_events, confirm=lambda _: yes), events


def test_the_order_is_that_of_the_design() -> None:
    target = Target([OLD], OLD.id)
    outcome, events = go(target)
    assert target.calls == [
        "plan", "lock", "plan", "stage", "run schema", "run seed", "ready 1.1", "switch 1.1", "public", "retire 1.1",
        "record done", "unlock",
    ]  # fmt: skip
    assert (outcome.did, outcome.release) == ("deployed", NEW.id)
    ended = [(event.phase, event.subject) for event in events if event.state == "done"]
    assert [phase for phase, _ in ended] == [
        "plan", "lock", "stage", "steps", "steps", "gate", "switch", "gate", "retire", "journal",
    ]  # fmt: skip
    assert all(event.seconds is not None and event.seconds > 0 for event in events if event.state == "done")


def test_nothing_to_do_takes_no_lock() -> None:
    target = Target([NEW], NEW.id)
    assert go(target)[0].did == "nothing"
    assert target.calls == ["plan"]


def test_what_is_not_confirmed_is_not_done() -> None:
    target = Target([OLD], OLD.id)
    assert go(target, yes=False)[0].did == "declined"
    assert target.calls == ["plan"]


def test_a_target_that_changed_after_the_confirmation_is_left_alone() -> None:
    target = Target([OLD], OLD.id)
    target.between = lambda: setattr(target, "served", "smallapp-0.9")
    with pytest.raises(Refused, match="has changed since the plan was shown"):
        go(target)
    assert target.calls == ["plan", "lock", "plan", "record failed", "unlock"]


def test_what_a_neighbour_did_after_the_confirmation_need_not_be_confirmed_again() -> None:
    folder, venv = (Change(name, "create", "it is not there") for name in ("folder:artifacts", "venv:artifacts/1"))
    target = Target([OLD], OLD.id, shared=(folder, replace(venv, later=True)))
    target.between = lambda: setattr(target, "shared", (venv,))
    assert go(target)[0].did == "deployed"


@pytest.mark.parametrize(
    "now",
    [
        Change("folder:a", "create", "it is not there"),
        Change("file:a", "update", "its content differs", ("- x", "+ z")),
    ],
)
def test_what_nobody_confirmed_is_named_and_not_done(now: Change) -> None:
    target = Target([OLD], OLD.id, shared=(Change("file:a", "update", "its content differs", ("- x", "+ y")),))
    target.between = lambda: setattr(target, "shared", (now,))
    with pytest.raises(Refused, match=r"changed since the plan was shown \(.*a\); nothing was done"):
        go(target)
    assert target.calls == ["plan", "lock", "plan", "record failed", "unlock"]


def test_a_recipe_that_the_target_refuses_is_not_even_planned() -> None:
    target = Target(refusal="it needs PHP")
    with pytest.raises(Refused, match="it needs PHP"):
        plan(target, WANT)
    assert target.calls == []


@pytest.mark.parametrize(
    ("where", "error", "last"),
    [
        ("stage", HostError("disk full"), "stage"),
        ("run seed", HostError("step seed"), "run seed"),
        ("ready 1.1", GateFailed("500", "old serves"), "ready 1.1"),
        ("switch 1.1", GateFailed("500", "old serves"), "switch 1.1"),
        ("stage", KeyboardInterrupt(), "stage"),
    ],
)
def test_a_failure_ends_the_sequence_there_and_frees_the_lock(where: str, error: BaseException, last: str) -> None:
    target = Target([OLD], OLD.id, breaks={where: error})
    with pytest.raises(type(error)):
        go(target)
    assert target.calls[-3:] == [last, "record failed", "unlock"]
    assert target.served == OLD.id


def test_a_public_url_that_does_not_answer_switches_back() -> None:
    target = Target([OLD], OLD.id)
    with pytest.raises(GateFailed, match="not at its public URL: 502") as failure:
        go(target, public=GateFailed("502"))
    assert failure.value.remedy == f"{OLD.id} serves"
    assert target.served == OLD.id
    assert "retire 1.1" not in target.calls


def test_a_first_release_that_fails_in_public_leaves_nothing_serving() -> None:
    target = Target()
    with pytest.raises(GateFailed) as failure:
        go(target, public=GateFailed("502"))
    assert failure.value.remedy == "nothing serves"
    assert target.served is None


def test_rollback_goes_through_the_same_gate() -> None:
    target = Target([NEW, OLD], NEW.id)
    outcome = rollback(target, WANT, None, means(target))
    assert target.calls == [
        "lock", "bring 1.0", "run schema", "run seed", "ready 1.0", "switch 1.0", "public", "retire 1.0", "record done",
        "unlock",
    ]  # fmt: skip
    assert (outcome.did, outcome.release) == ("rolled back", OLD.id)


def test_a_rollback_is_refused_when_the_target_changed_before_the_lock() -> None:
    target = Target([NEW, OLD], NEW.id)
    target.between = lambda: setattr(target, "served", OLD.id)
    with pytest.raises(Refused, match="has changed since the question"):
        rollback(target, WANT, None, means(target))
    assert target.calls == ["lock", "record failed", "unlock"]


def test_destroy_runs_under_the_lock() -> None:
    target = Target([NEW], NEW.id, movable=False)
    assert destroy(target, WANT, Destroy(keep_data=True), means(target)).did == "destroyed"
    assert target.calls == ["lock", "destroy True", "record done", "unlock"]


def test_destroy_keeps_a_backup_and_names_it() -> None:
    target, backups = Target([NEW], NEW.id), Backups()
    outcome = destroy(target, WANT, Destroy(), means(target, backups=backups))
    assert target.calls == ["lock", "close", "dump", "destroy False", "record done", "unlock"]
    assert [outcome.backup] == [one.id for one in backups.list()]
    assert [one.why for one in backups.list()] == ["destroy"]


def test_destroy_without_a_backup_makes_none() -> None:
    target = Target([NEW], NEW.id)
    assert destroy(target, WANT, Destroy(backup=False), means(target)).backup is None
    assert "dump" not in target.calls


def test_nothing_is_destroyed_when_its_backup_fails() -> None:
    target, backups = Target([NEW], NEW.id, running=NEW), Backups(breaks={"save": HostError("bucket full")})
    with pytest.raises(HostError, match="no backup could be made first: bucket full"):
        destroy(target, WANT, Destroy(), means(target, backups=backups))
    assert target.calls == ["lock", "close", "open", "record failed", "unlock"]


def test_nothing_is_destroyed_where_no_backup_could_be_kept() -> None:
    target = Target([NEW], NEW.id)
    with pytest.raises(Refused, match="nowhere to keep a backup"):
        destroy(target, WANT, Destroy(), means(target))
    assert "destroy False" not in target.calls


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("phase", ["begun", "saved", "open", "restoring"])
def test_nothing_is_destroyed_in_the_middle_of_an_upgrade(phase: CrossingPhase, keep: bool) -> None:
    target, backups = Target([OLD], OLD.id, running=OLD), Backups()
    target.remembered = Crossing(OLD, TWO, 5, phase, "acme-1")
    with pytest.raises(
        Refused, match=rf"an upgrade from {OLD.id} to {TWO.id} is under way, .*nothing was rem"
    ) as error:
        destroy(target, WANT, Destroy(keep_data=keep), means(target, backups=backups))
    assert "crmhost deploy acme) or take it back (crmhost rollback acme). Backup acme-1, made" in error.value.remedy
    assert "destroy acme --no-backup, with --lose-data or --keep-data" in error.value.remedy
    assert target.calls == ["lock", "record failed", "unlock"]
    assert destroy(target, WANT, Destroy(keep_data=keep, backup=False), means(target)).did == "destroyed"


def test_a_restore_that_was_cut_off_is_named_as_such() -> None:
    target = Target([OLD], OLD.id, remembered=Crossing(OLD, OLD, 5, "restoring", "acme-1"))
    with pytest.raises(Refused, match=f"going back to {OLD.id} is under way"):
        destroy(target, WANT, Destroy(), means(target, backups=Backups()))


def test_what_is_not_there_is_destroyed_without_a_backup() -> None:
    target = Target()
    assert destroy(target, WANT, Destroy(), means(target)).backup is None
    assert "destroy False" in target.calls


@pytest.mark.parametrize(
    ("kept", "serving", "to", "chosen"),
    [
        ([NEW, OLD], NEW, None, OLD),
        ([NEW, OLD], NEW, "1.0", OLD),
        ([NEW, OLD], NEW, OLD.id, OLD),
        ([NEW, TWO, OLD], NEW, None, OLD),
        ([NEW, TWO], NEW, "2.0", TWO),
        ([NEW, replace(NEW, config="f" * 64)], NEW, "1.1", replace(NEW, config="f" * 64)),
    ],
)
def test_the_release_to_go_back_to(kept: list[Release], serving: Release, to: str | None, chosen: Release) -> None:
    assert choose(kept, serving.id, to, "acme") == chosen


@pytest.mark.parametrize(
    ("kept", "serving", "to", "what"),
    [
        ([NEW], NEW, None, "there is no release to go back to"),
        ([NEW, OLD], NEW, "1.1", "serves already"),
        ([NEW, OLD], NEW, "0.9", "no release 0.9 is kept there; besides what serves the host keeps smallapp-1.0-"),
        ([NEW], NEW, "0.9", "no release 0.9 is kept there; .* the host keeps no other release"),
    ],
)
def test_what_cannot_be_gone_back_to(kept: list[Release], serving: Release, to: str | None, what: str) -> None:
    with pytest.raises(CrmhostError, match=what):
        choose(kept, serving.id, to, "acme")


def test_a_release_of_another_schema_needs_a_backup_from_before_it() -> None:
    target = Target([TWO, OLD], TWO.id)
    with pytest.raises(Refused, match=r"needs schema 1, the database has schema 2: .* no backup from before"):
        rollback(target, WANT, None, means(target, backups=Backups()))
    assert target.calls == []


def test_a_rollback_that_loses_writes_is_confirmed_first() -> None:
    target, backups = Target([TWO, OLD], TWO.id), Backups()
    backups.save(OLD, "upgrade", lambda sink: target.dump(WANT, sink))
    asked: list[Lost] = []

    def sure(lost: Lost) -> bool:
        asked.append(lost)
        return False

    outcome = rollback(target, WANT, None, replace(means(target, backups=backups), sure=sure, now=lambda: 9_000_000))
    assert (outcome.did, asked) == ("declined", [Lost(1_000_000, 9_000_000)])
    assert "lock" not in target.calls
