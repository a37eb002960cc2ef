"""An upgrade of a database's schema as its target remembers it, and what it means for a plan. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from crm.due import is_upgrade
from crm.errors import HostError, Refused
from crm.plan import Change, Crossing, Disrupts, Release, Upgrade, Want
from crm.steps import Due, Records, in_use

_REMEDY = "Look at that file on the host; if no upgrade is under way, remove it there."


def encode(crossing: Crossing) -> bytes:
    """Return its text."""
    return json.dumps(asdict(crossing), sort_keys=True).encode()


def decode(content: bytes, where: str) -> Crossing:
    """Return what a text says; raises HostError that names `where`."""
    try:
        raw = json.loads(content)
        return Crossing(**{**raw, "old": Release(**raw["old"]), "new": Release(**raw["new"])})
    except (ValueError, KeyError, TypeError) as error:
        raise HostError(f"{where}: reads {content[:100]!r}, which crmhost did not write", _REMEDY) from error


def unfinished(crossing: Crossing | None) -> Crossing | None:
    """Return the upgrade that was begun and did not end."""
    return crossing if crossing is not None and crossing.under_way else None


def going_back(crossing: Crossing | None, release: Release) -> bool:
    """Tell whether all that a deploy of the release does is to put the backup of an unfinished upgrade back."""
    found = unfinished(crossing)
    return found is not None and (found.phase == "restoring" or found.old.id == release.id)


def check(contract: str, release: Release, crossing: Crossing | None, due: Due | None) -> None:
    """Raise Refused for a third release during an upgrade, and for a torn step without a backup to put back."""
    found = unfinished(crossing)
    if found is not None and release.id not in (found.old.id, found.new.id):
        raise Refused(
            f"{contract}: an upgrade from {found.old.id} to {found.new.id} is under way; {release.id} is"
            " neither of them",
            f"Finish it with crm.version: {found.new.version}, or take it back: crmhost rollback {contract}",
        )
    if due is not None and due.restore is not None and found is None:
        raise Refused(
            f"{contract}: {due.restore}, and may only be run on a restored backup",
            f"Restore one: crmhost backup {contract} list, crmhost restore {contract} --backup ID; then deploy again.",
        )


def upgrade_of(
    want: Want, release: Release, records: Records | None, crossing: Crossing | None, old: Release | None
) -> Upgrade | None:
    """Return the change of schema that the release needs. `old`: the release that made the data, where one is known.

    Raises Refused where it is needed and nobody knows one.
    """
    if records is None or not is_upgrade(records, release) or not in_use(want.recipe, records):
        return None
    found = unfinished(crossing)
    if found is not None:
        return Upgrade(found.old, release)
    if old is None:
        raise Refused(
            f"{want.contract}: its database has another schema than {release.id} needs, and no release is"
            " known that made it",
            "Deploy the version that made it first (crm.version), then this one.",
        )
    return Upgrade(old, release)


def unfinished_change(crossing: Crossing | None, release: Release) -> Iterator[Change]:
    """Yield what a deploy of the release does with an upgrade that did not end."""
    found, back = unfinished(crossing), going_back(crossing, release)
    if found is None:
        return
    why = f"back to {found.old.id} with backup {found.backup or '(none is needed)'}" if back else f"to {found.new.id}"
    disrupts: Disrupts = "no" if found.phase == "open" and not back else "data"
    yield Change(f"upgrade:{found.old.id}", "run", f"it was begun and not finished: {why}", disrupts=disrupts)


def schema_changes(
    contract: str, due: Due | None, upgrade: Upgrade | None, crossing: Crossing | None
) -> Iterator[Change]:
    """Yield what happens to the database as a whole: it begins anew, or gets another schema."""
    database = f"database:{contract}"
    if due is not None and due.reset is not None:
        yield Change(database, "replace", due.reset, disrupts="data")
    if upgrade is not None and unfinished(crossing) is None:
        yield Change(
            database,
            "update",
            f"schema {upgrade.old.schema} → {upgrade.new.schema}, {upgrade.old.version} → {upgrade.new.version}",
            diff=("! maintenance page, every process ended, a backup kept; it comes back if anything fails",),
            disrupts="data",
        )
