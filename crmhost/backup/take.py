"""Making a backup of what a contract's target holds, under its lock, and putting one back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from crm.backup import Lost, Snapshot, Why
from crm.driver import Driver, Mover, Work
from crm.errors import CrmhostError, HostError, Refused
from crm.plan import Crossing, Release, Want
from crmhost import upgrade
from crmhost.backup.shelf import Shelf
from crmhost.deploy import Outcome
from crmhost.sequence import Means, locked
from crmhost.vault import Vault


def take(driver: Driver, want: Want, shelf: Shelf, why: Why, means: Means) -> Snapshot:
    """Make a backup while customers go on working; raises Refused where there is nothing that could be backed up."""
    with locked(driver, "backup", means) as work:
        mover, owner = _movable(work, want)
        under_way = driver.crossing()
        if under_way is not None and under_way.under_way:
            raise Refused(
                f"{want.contract}: an upgrade is under way, so its database is neither the old nor the new one",
                f"Finish it first: crmhost deploy {want.contract}, or crmhost rollback {want.contract}",
            )
        return _kept(mover, want, owner, shelf, why, means)


def restore(driver: Driver, want: Want, shelf: Shelf, snapshot: Snapshot, means: Means, *, keep: bool) -> Outcome:
    """Put a backup back, with a release that its database fits; customers see the maintenance page meanwhile.

    keep: back up first what is there now. Asks `means.sure` whether what was written since may be lost. The target
    remembers it, so killed at any point, `crmhost deploy` or the same command finishes it.
    """
    begun, means = means.clock(), replace(means, backups=lambda: shelf)
    with means.phase("backup", snapshot.id, "read through"):
        shelf.verify(snapshot)
    serving = driver.serving()
    release = fitting(snapshot, driver.releases(), serving, want.contract)
    if not means.sure(Lost(snapshot.taken, means.now())):
        return Outcome(want.contract, "declined", serving, None, means.clock() - begun)
    asked = replace(want, version=release.version)
    with locked(driver, f"restore {snapshot.id}", means) as work:
        mover, owner = _movable(work, want)
        _refuse_upgrade(driver.crossing(), want)
        if keep:
            _keep_first(mover, want, owner, shelf, means)
        crossing = Crossing(release, release, snapshot.taken, "restoring", snapshot.id)
        upgrade.undo(work, asked, crossing, means)
    return Outcome(want.contract, "restored", release.id, None, means.clock() - begun, snapshot.id)


def fitting(snapshot: Snapshot, kept: Iterable[Release], serving: str | None, contract: str) -> Release:
    """Return the release that serves a backup's data: the one that serves, or another that is kept. Pure.

    Raises Refused where none has the schema of the backup: old code never runs on a schema that it did not make, nor
    new code on one that no step has brought up to it.
    """
    releases = sorted(kept, key=lambda release: (release.id != serving, release.id != snapshot.release.id))
    for release in releases:
        if (release.recipe, release.schema) == (snapshot.release.recipe, snapshot.release.schema):
            return release
    there = ", ".join(f"{release.id} (schema {release.schema})" for release in releases) or "no release"
    raise Refused(
        f"{contract}: {snapshot.id} is of {snapshot.release.id} (schema {snapshot.release.schema}), and the host keeps"
        f" {there}",
        f"Deploy version {snapshot.release.version} to an empty host first (crmhost destroy {contract}, then"
        f" crm.version: {snapshot.release.version}, crmhost deploy {contract}); then the same command again.",
    )


def require_keys(vault: Vault, want: Want) -> None:
    """Raise CrmhostError where the fleet lacks a secret without which a backup could not be read by the CRM."""
    for name in want.recipe.backup.keys:
        if vault.get(want.contract, name) is None:
            raise CrmhostError(
                f"{vault.folder}/{want.contract}: no secret {name!r}, which encrypts what the backup would hold",
                f"Bring it back: from the fleet's repository, from the fleet that {want.contract} was deployed with, or"
                " out of an earlier backup (keys/). Only what was never deployed gets a new one.",
            )


def _movable(work: Work, want: Want) -> tuple[Mover, Release]:
    mover = work.mover()
    if mover is None:
        raise Refused(
            f"{want.contract}: this version of crmhost cannot copy the database that it has there",
            "Back it up by the host's own means.",
        )
    owner = mover.owner()
    if owner is None:
        raise Refused(
            f"{want.contract}: there is no database on the host", f"Deploy it first: crmhost deploy {want.contract}"
        )
    return mover, owner


def _kept(mover: Mover, want: Want, owner: Release, shelf: Shelf, why: Why, means: Means) -> Snapshot:
    with means.phase("backup", want.contract):
        return shelf.save(owner, why, lambda sink: mover.dump(want, sink))


def _refuse_upgrade(found: Crossing | None, want: Want) -> None:
    """Let a restore that was begun be followed by another one, but no upgrade be forgotten half-way."""
    if found is not None and found.under_way and (found.old != found.new or found.phase != "restoring"):
        raise Refused(
            f"{want.contract}: an upgrade from {found.old.id} to {found.new.id} is under way",
            f"Finish it or take it back first: crmhost deploy {want.contract}, crmhost rollback {want.contract}",
        )


def _keep_first(mover: Mover, want: Want, owner: Release, shelf: Shelf, means: Means) -> None:
    """Keep what is there now; customers stay outside from its beginning on, so nothing that they write is lost."""
    with means.phase("switch", "maintenance page on"):
        mover.close(want)
    try:
        snapshot = _kept(mover, want, owner, shelf, "restore", means)
    except CrmhostError as failure:
        with means.phase("switch", "maintenance page off"):
            mover.open(want)
        raise HostError(
            f"what is there now could not be backed up first: {failure.what}",
            "Nothing was restored. Mend it, or do without: add --no-backup.",
        ) from failure
    means.note("backup", snapshot.id, "holds what was there before the restore")
