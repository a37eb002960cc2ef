"""The one sequence of every driver: lock, plan, confirm, backup, stage, steps, gate, switch, retire, journal.

What was confirmed is what is done: the plan is made and confirmed before the lock is taken, made again under it, and
when the two digests differ, nothing is done. A change of the database's schema, which can lose data, goes the way of
`crmhost.upgrade`, with a backup; nothing else loses any, but `destroy`. Ctrl-C may come at any moment: the driver ends
what runs on the target, and the same command again finishes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from crm.backup import BackupId, Lost
from crm.driver import Driver, Mover
from crm.errors import CrmhostError, LockHeld, Refused, StepUnfinished
from crm.plan import Change, Crossing, Plan, Release, Want
from crmhost import upgrade
from crmhost.sequence import Means, locked, run_steps, serve

Confirm: TypeAlias = Callable[[Plan], bool]
Did: TypeAlias = Literal["nothing", "declined", "deployed", "rolled back", "restored", "destroyed"]
_OF_ALL = ("firewall:",)  # there is one for all customers of a host


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended. `release`: the id of what serves now; `seconds` of the whole, confirmation included.

    did: `restored` is a deploy that only finished going back to a backup. backup: the one that was made or restored.
    """

    contract: str
    did: Did
    release: str | None
    plan: Plan | None
    seconds: float
    backup: BackupId | None = None

    def fields(self) -> dict[str, object]:
        """Return it for machines."""
        return {
            "contract": self.contract,
            "did": self.did,
            "release": self.release,
            "seconds": round(self.seconds, 3),
            "backup": self.backup,
        }


@dataclass(frozen=True, slots=True)
class Destroy:
    """How much of a contract goes. backup: make one first; `keep_data`: the database and the uploads stay."""

    keep_data: bool = False
    backup: bool = True


def plan(driver: Driver, want: Want) -> Plan:
    """Return what a deploy would change; changes nothing and takes no lock.

    Raises LockHeld where a step that may not run twice is still running: only when nobody is at work has it been
    interrupted, and may a person say how it ended.
    """
    reason = driver.refuses(want.recipe)
    if reason is not None:
        raise Refused(reason, "choose another target for the contract; crmhost recipes says which one suits")
    try:
        return driver.plan(want)
    except StepUnfinished:
        holder = driver.status(want).holder
        if holder is not None:
            raise LockHeld(
                f"{want.contract}: a step that must not run twice is still running: {holder}",
                "Wait until it ends, then the same command again.",
            ) from None
    return driver.plan(want)  # it may have ended between the two looks


def deploy(driver: Driver, want: Want, means: Means, *, confirm: Confirm) -> Outcome:
    """Converge the target to what the contract wants, and let the release serve once it has proven itself.

    Raises Refused when the target changed between the confirmation and the lock, or was made with secrets that the
    fleet lacks; GateFailed when the release did not become ready (what served before still serves, or serves again);
    and what else the driver raises.
    """
    begun = means.clock()
    with means.phase("plan", want.contract):
        confirmed = plan(driver, want)
        if means.fresh is not None:
            means.fresh.check(driver, want)
    release = confirmed.release
    if not confirmed.changes:
        return Outcome(want.contract, "nothing", confirmed.serving, confirmed, means.clock() - begun)
    if not confirm(confirmed):
        return Outcome(want.contract, "declined", confirmed.serving, confirmed, means.clock() - begun)
    with locked(driver, f"deploy {release.id}", means) as work:
        check_covered(confirmed, work.plan(want))
        if means.fresh is not None:
            means.fresh.store()
        if confirmed.upgrade is not None or confirmed.unfinished is not None:
            end = upgrade.carry_out(work, want, confirmed, means)
            did: Did = "deployed" if end.release == release else "restored"
            return Outcome(want.contract, did, end.release.id, confirmed, means.clock() - begun, end.backup)
        with means.phase("stage", release.id):
            work.stage(want, confirmed)
        run_steps(work, want, means, upgrades=False)
        serve(work, want, release, means)
    return Outcome(want.contract, "deployed", release.id, confirmed, means.clock() - begun)


def rollback(driver: Driver, want: Want, to: str | None, means: Means) -> Outcome:
    """Let a kept release serve again through the same gate; one of another schema with the backup made for it.

    `to`: a release's id or its version; None: the one that served before. Raises Refused when there is none such, or
    when nobody is sure (`means.sure`) that what was written since the backup may be lost.
    """
    begun = means.clock()
    back = going_back(driver, want, to, means)
    if back.crossing is not None and not means.sure(Lost(back.crossing.begun, means.now())):
        return Outcome(want.contract, "declined", back.serving, None, means.clock() - begun)
    asked = replace(want, version=back.release.version)
    with locked(driver, f"rollback to {back.release.id}", means) as work:
        if going_back(driver, want, to, means) != back:
            raise Refused(
                f"{want.contract}: the target has changed since the question was asked; nothing was done",
                "look at crmhost status and roll back again",
            )
        if back.crossing is not None:
            upgrade.undo(work, asked, back.crossing, means)
        else:
            with means.phase("stage", back.release.id):
                work.bring(asked, back.release)
            run_steps(work, asked, means, upgrades=False)
            serve(work, asked, back.release, means)
    backup = back.crossing.backup if back.crossing is not None else None
    return Outcome(want.contract, "rolled back", back.release.id, None, means.clock() - begun, backup)


def destroy(driver: Driver, want: Want, what: Destroy, means: Means) -> Outcome:
    """Remove everything of the contract from its target, but for the data where it is to be kept; may run twice.

    Raises Refused where a backup is to be made while an upgrade is under way.
    """
    begun = means.clock()
    saved = None
    with locked(driver, "destroy", means) as work:
        mover = work.mover() if what.backup else None
        owner = mover.owner() if mover is not None else None
        if mover is not None and owner is not None:
            _refuse_torn(driver.crossing(), want.contract)
            saved = _last_backup(mover, want, owner, means)
        if what.backup and mover is None and not what.keep_data and driver.releases():
            raise Refused(
                f"{want.contract}: this version of crmhost makes no backup of a database that a host gave",
                "Make one with the host's own means, then: crmhost destroy … --no-backup --lose-data",
            )
        with means.phase("retire", want.contract):
            work.destroy(keep_data=what.keep_data)
    return Outcome(want.contract, "destroyed", None, None, means.clock() - begun, saved)


@dataclass(frozen=True, slots=True)
class Back:
    """Where a rollback goes: to `release`, and with the backup of `crossing` where the schema changed in between."""

    release: Release
    serving: str | None
    crossing: Crossing | None


def going_back(driver: Driver, want: Want, to: str | None, means: Means) -> Back:
    """Return what a rollback would do; raises Refused when it cannot."""
    serving = driver.serving()
    last = driver.crossing()
    if last is not None and last.under_way:
        if to not in (None, last.old.id, last.old.version):
            raise Refused(
                f"{want.contract}: an upgrade from {last.old.id} to {last.new.id} is under way, and can only be taken"
                f" back to {last.old.id}",
                f"crmhost rollback {want.contract} does so; crmhost deploy {want.contract} finishes it",
            )
        return Back(last.old, serving, last)
    kept = driver.releases()
    release = choose(kept, serving, to, want.contract)
    now = next((one for one in kept if one.id == serving), None)
    if now is None or now.schema == release.schema:
        return Back(release, serving, None)
    return Back(release, serving, _across(last, now, release, want, means))


def choose(releases: Sequence[Release], serving: str | None, to: str | None, contract: str) -> Release:
    """Return the release to go back to; `releases` are newest first. Pure; raises Refused when there is none."""
    now = next((release for release in releases if release.id == serving), None)
    others = [release for release in releases if release.id != serving]
    named = [release for release in others if to in (None, release.id, release.version)]
    if to is not None and now is not None and to in (now.id, now.version) and not named:
        raise Refused(f"{contract}: {now.id} serves already", "")
    same = [release for release in named if now is None or release.schema == now.schema]
    if same or named:
        return (same or named)[0]
    kept = ", ".join(release.id for release in others) or "no other release"
    if to is not None:
        raise Refused(
            f"{contract}: no release {to} is kept there; besides what serves the host keeps {kept}",
            f"Name one of these, or leave --to out: crmhost status {contract} lists them" if others else "",
        )
    raise Refused(f"{contract}: there is no release to go back to; the host keeps {kept}", "")


def _across(last: Crossing | None, now: Release, to: Release, want: Want, means: Means) -> Crossing:
    """Return the upgrade that a rollback to a release of another schema takes back; raises Refused for none."""
    if last is not None and (last.old, last.new) == (to, now) and last.backup is not None:
        return last
    found = None if means.backups is None else means.backups().before_upgrade_from(to)
    if found is None:
        raise Refused(
            f"{want.contract}: {to.id} needs schema {to.schema}, the database has schema {now.schema}: old code never"
            " runs on a schema that it did not make, and no backup from before that upgrade is known",
            f"crmhost backup {want.contract} list shows what can be restored; nothing was done",
        )
    return Crossing(to, now, found.taken, "done", found.id)


def _refuse_torn(found: Crossing | None, contract: str) -> None:
    """Raise Refused where a last backup would hold data that is neither the old release's nor the new one's."""
    if found is None or not found.under_way:
        return
    what = (
        f"an upgrade from {found.old.id} to {found.new.id} is under way"
        if found.old != found.new
        else f"going back to {found.old.id} is under way"
    )
    whole = f" Backup {found.backup}, made before it, is whole and stays." if found.backup is not None else ""
    raise Refused(
        f"{contract}: {what}, so a backup of what is there would fit no release; nothing was removed",
        f"Finish it first (crmhost deploy {contract}) or take it back (crmhost rollback {contract}).{whole} Without a"
        f" backup of what is there now: crmhost destroy {contract} --no-backup, with --lose-data or --keep-data",
    )


def _last_backup(mover: Mover, want: Want, owner: Release, means: Means) -> BackupId:
    """Keep a backup of what is about to go; customers stay outside from its beginning on."""
    remedy = "Nothing was removed. Mend it, or give the backup up: crmhost destroy … --no-backup --lose-data"
    if means.backups is None:
        raise Refused(f"{want.contract}: there is nowhere to keep a backup of what is about to be removed", remedy)
    with means.phase("backup", want.contract):
        mover.close(want)
        try:
            return means.backups().save(owner, "destroy", lambda sink: mover.dump(want, sink)).id
        except CrmhostError as failure:
            mover.open(want)
            raise type(failure)(f"no backup could be made first: {failure.what}", remedy) from failure


def check_covered(confirmed: Plan, now: Plan, *, beside: bool = False) -> None:
    """Raise Refused where something would be done that nobody confirmed.

    What was done meanwhile need not be done again: customers of one host share folders and artifacts, and whoever is
    deployed first brings them. A change that need not wait for another one any more (`later`) is the same change.
    beside: other customers of the host may have been deployed meanwhile. How a change is made may follow from that (a
    database begins from their template, the firewall lets their users in too), and what it changes may not.
    """
    known, asked = ({_compared(change, beside=beside) for change in plan.changes} for plan in (confirmed, now))
    if asked <= known and _frame(now) == _frame(confirmed):
        return
    differs = ", ".join(sorted({change.resource for change in asked ^ known})) or "what is to be done with them"
    raise Refused(
        f"{now.contract}: the target has changed since the plan was shown ({differs}); nothing was done",
        "look at the new plan and deploy again",
    )


def _compared(change: Change, *, beside: bool) -> Change:
    if not beside:
        return replace(change, later=False)
    action = "update" if change.resource.startswith(_OF_ALL) else change.action
    return replace(change, action=action, why="", diff=(), later=False)


def _frame(plan: Plan) -> tuple[object, ...]:
    """Return what a plan is about, besides its changes."""
    return plan.release, plan.serving, plan.upgrade, plan.unfinished
