"""A database gets another schema, or goes back to a backup, and nobody is inside meanwhile.

Old code does not survive a schema that it did not make. So the maintenance page is shown, every process ends, a backup
is kept, the steps run, and only a release that is ready is let in. The target remembers where an upgrade is
(`crm.plan.Crossing`), written before each phase that it names, so the same command goes on after a crash at any point:

| remembered | nobody inside | the data | what the same command does |
|---|---|---|---|
| begun | from here on | untouched | begin again |
| saved | yes | steps may have begun | put the backup back unless no step is due, run them |
| open | no | of the new release | ask the public URL, retire |
| restoring | from here on | of the backup, perhaps half | put the backup back with the old release |
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from crm.backup import BackupId, Backups, Lost
from crm.driver import Mover, Work
from crm.errors import CrmhostError, GateFailed, HostError, Refused
from crm.plan import Crossing, Plan, Release, Want
from crmhost.sequence import Means, ask_public, gate, retire, run_steps


@dataclass(frozen=True, slots=True)
class End:
    """What serves now, and the backup that was made for it, or put back."""

    release: Release
    backup: BackupId | None


def carry_out(work: Work, want: Want, plan: Plan, means: Means) -> End:
    """Bring the database to the schema of the planned release, or finish what was begun before.

    Raises the failure of a step or gate once the backup is back and the old release serves again.
    """
    found = plan.unfinished
    if found is not None and (found.phase == "restoring" or found.old == plan.release):
        undo(work, replace(want, version=found.old.version), found, means)
        return End(found.old, found.backup)
    if found is not None:
        crossing = found
    elif plan.upgrade is not None:
        crossing = Crossing(plan.upgrade.old, plan.upgrade.new, means.now())
    else:
        raise ValueError("this plan changes no schema")
    mover, backups = _able(work, want, means)
    if crossing.phase != "open":
        crossing = _cross(work, mover, backups, want, crossing, means)
    return _let_in(work, mover, want, crossing, means)


def undo(work: Work, want: Want, crossing: Crossing, means: Means) -> None:
    """Put the backup of an upgrade back, with the release that made the data; `want` is of that release's version."""
    mover, backups = _able(work, want, means)
    old = crossing.old
    mover.mark(replace(crossing, phase="restoring"))
    with means.phase("switch", "maintenance page on"):
        mover.close(want)
    with means.phase("stage", old.id):
        mover.halt(want, old)
    if crossing.backup is not None:
        with means.phase("backup", crossing.backup, "put back"):
            backups.load(crossing.backup, lambda source: mover.load(want, source))
    run_steps(work, want, means, upgrades=True)
    gate(work, want, old, means)
    _serve_and_open(work, mover, want, old, means)
    retire(work, want, old, means)
    mover.mark(None)


def _cross(work: Work, mover: Mover, backups: Backups, want: Want, crossing: Crossing, means: Means) -> Crossing:
    """Return the crossing with its backup, the new release ready; after a failure the backup is back first."""
    with means.phase("stage", crossing.new.id, "its artifact"):
        mover.fetch(want)
    mover.mark(crossing)
    shut = False
    try:
        with means.phase("switch", "maintenance page on"):
            mover.close(want)
        shut = True
        with means.phase("stage", crossing.new.id):
            mover.halt(want)
        crossing = _secured(work, mover, backups, want, crossing, means)
        run_steps(work, want, means, upgrades=True)
        gate(work, want, crossing.new, means)
    except CrmhostError as failure:
        raise _given_up(work, want, crossing, failure, means, shut=shut) from failure
    return crossing


def _secured(work: Work, mover: Mover, backups: Backups, want: Want, crossing: Crossing, means: Means) -> Crossing:
    """Keep a backup; where one was kept and steps have begun since, put it back, so that they begin on whole data."""
    if crossing.backup is None:
        with means.phase("backup", want.contract):
            saved = backups.save(crossing.old, "upgrade", lambda sink: mover.dump(want, sink))
        crossing = replace(crossing, phase="saved", backup=saved.id)
        mover.mark(crossing)
    elif work.due(want):
        with means.phase("backup", crossing.backup, "put back, since the upgrade was interrupted"):
            backups.load(crossing.backup, lambda source: mover.load(want, source))
    return crossing


def _let_in(work: Work, mover: Mover, want: Want, crossing: Crossing, means: Means) -> End:
    """Let customers in and prove it at the public URL; back to the backup only when somebody is sure of it."""
    new = crossing.new
    crossing, there = replace(crossing, phase="open"), "is ready, but does not serve"
    try:
        mover.mark(crossing)
        _serve_and_open(work, mover, want, new, means)
        there = "serves on the host, but not at its public URL"
        ask_public(want, new, means)
    except GateFailed as failure:
        if not means.sure(Lost(crossing.begun, means.now())):
            raise GateFailed(
                f"{new.id} {there}: {failure.what}",
                f"Mend the way to it, then: crmhost deploy {want.contract}. Or go back to {crossing.old.id} and lose"
                f" what was written since: crmhost rollback {want.contract}",
            ) from failure
        raise _given_up(work, want, crossing, failure, means) from failure
    retire(work, want, new, means)
    mover.mark(replace(crossing, phase="done"))
    return End(new, crossing.backup)


def _serve_and_open(work: Work, mover: Mover, want: Want, release: Release, means: Means) -> None:
    with means.phase("switch", release.id):
        work.switch(want, release)
    with means.phase("switch", "maintenance page off"):
        mover.open(want)


def _given_up(
    work: Work, want: Want, crossing: Crossing, failure: CrmhostError, means: Means, *, shut: bool = False
) -> CrmhostError:
    """Go back to the old release and return the error that says so; or that going back failed as well.

    shut: the maintenance page is surely shown.
    """
    old = crossing.old
    means.note("switch", old.id, "the upgrade failed; going back")
    try:
        undo(work, replace(want, version=old.version), crossing, means)
    except CrmhostError as second:
        kept = f"backup {crossing.backup} is kept" if crossing.backup is not None else "the data was not touched"
        return HostError(
            f"the upgrade to {crossing.new.id} failed: {failure.what}\n"
            f"and going back to {old.id} failed: {second.what}",
            f"The maintenance page {'is' if shut else 'may be'} shown; {kept}. Mend the cause, then"
            f" crmhost rollback {want.contract} goes on going back.",
        )
    restored = f"backup {crossing.backup} was put back and " if crossing.backup is not None else ""
    return type(failure)(
        f"the upgrade to {crossing.new.id} failed: {failure.what}", f"{restored}{old.id} serves again."
    )


def _able(work: Work, want: Want, means: Means) -> tuple[Mover, Backups]:
    mover = work.mover()
    if mover is None:
        raise Refused(
            f"{want.contract}: its database would get another schema, and this version of crmhost cannot copy the"
            " database that it has there, so nothing could be put back",
            "Keep to a version of the same schema in crm.version; nothing was done.",
        )
    if means.backups is None:
        raise Refused(
            f"{want.contract}: its database would get another schema, and there is nowhere to keep a backup of it",
            "say in crmhost.yaml where backups are kept (backups:); nothing was done",
        )
    return mover, means.backups()
