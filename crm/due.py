"""Which steps are due on a target that can make and restore backups, so upgrades among them. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from crm.errors import Refused
from crm.plan import Release
from crm.recipe import Phase, Recipe, Step
from crm.steps import Due, Records, check_maker, in_use, key, ordered, torn, unfinished

FIRST: tuple[Phase, ...] = ("initialise", "admin")
"""The phases of a database that begins, or has the release's schema already."""
UPGRADE: tuple[Phase, ...] = ("upgrade", "initialise", "admin")
"""The phases after which a database has the release's schema: what derives files for a release follows the upgrade."""
LOG = "what it printed (crmhost logs NAME steps)"


def is_upgrade(records: Records, release: Release) -> bool:
    """Tell whether the database has a schema, and it is not the one that the release needs."""
    return records.schema is not None and records.schema[2] != release.schema


def due(recipe: Recipe, records: Records, release: Release) -> Due:
    """Return what is to be run before the release may start.

    Where the database must begin anew (`reset`) or a backup must come back first (`restore`), the steps are those that
    follow. Raises StepUnfinished for an interrupted step that may never be run again by itself.
    """
    if is_upgrade(records, release) and not in_use(recipe, records):
        why = f"it has another schema than {release.id} needs, and no customer has used it yet"
        return Due(ordered(recipe, FIRST), reset=why)
    steps = ordered(recipe, UPGRADE if is_upgrade(records, release) else FIRST)
    name = torn(steps, release, records)
    if name is None:
        return Due(unfinished(steps, release, records, LOG))
    if in_use(recipe, records):
        before = _before(steps, release, records)
        return Due(unfinished(steps, release, before, LOG), restore=f"step {name} was begun and not finished")
    return Due(ordered(recipe, FIRST), reset=f"step {name} was interrupted, and no customer has used the database yet")


def last_of_upgrade(recipe: Recipe, records: Records, release: Release) -> Step | None:
    """Return the step with whose end the database has the release's schema; None where this is no upgrade."""
    if not is_upgrade(records, release):
        return None
    steps = ordered(recipe, ("upgrade",))
    return steps[-1] if steps else None


def check_schema(contract: str, recipe: Recipe, release: Release, records: Records) -> None:
    """Raise Refused when the release cannot come to run on this database.

    It was made by another recipe or not by crmhost, a newer release has used it (old code never runs on a schema that
    it did not make), or the way to the release leads through a version that must be deployed first.
    """
    check_maker(contract, release, records, f"the database of {contract}")
    if records.schema is None or not is_upgrade(records, release) or not in_use(recipe, records):
        return
    _, version, schema = records.schema
    path = recipe.path(version, release.version)
    if len(path) > 1:
        raise Refused(
            f"{contract}: {recipe.title} {version} → {release.version} goes through {', '.join(path[:-1])}",
            f"write crm.version: {path[0]}, deploy, and go on from there",
        )
    if not ordered(recipe, ("upgrade",)):
        raise Refused(
            f"{release.recipe} {release.version} needs schema {release.schema}, the database of {contract} has schema"
            f" {schema} ({version}), and the recipe has no step that upgrades it",
            f"keep to a version with schema {schema} in crm.version; nothing was done",
        )


def _before(steps: Iterable[Step], release: Release, records: Records) -> Records:
    """Return the records as a backup from before the release has them, as far as steps go."""
    new = {key(step, release) for step in steps if step.phase == "upgrade" or step.each_release}
    old = {name: state for name, state in records.steps.items() if name not in new and state == "finished"}
    return Records(old, records.schema)
