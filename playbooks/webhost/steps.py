"""Which steps are due on a web host, which has no backups yet and so neither upgrades nor restores. Pure."""

from __future__ import annotations

import json

from crm.errors import HostError, Refused
from crm.plan import Release, Want
from crm.recipe import Phase, Recipe, Step
from crm.steps import Due, Records, check_maker, in_use, state_of, torn, unfinished
from crm.steps import ordered as in_order

PHASES: tuple[Phase, ...] = ("initialise", "admin")
"""What a deploy runs, in order. Steps of the phase `upgrade` belong to upgrades."""
LOG = "log/crm/steps.log"
"""Where the output of every step is, below the contract's folder."""


def parse(text: str, db: str) -> Records:
    """Return the records that the host printed; raises HostError when the database could not be read."""
    try:
        raw = json.loads(text)
        error, schema = raw["error"], raw["schema"]
        steps = {str(name): state_of(row[0]) for name, row in raw["steps"].items()}
        records = Records(steps, None if schema is None else (schema[0], schema[1], schema[2]), int(raw["others"]))
    except (ValueError, KeyError, TypeError, IndexError) as problem:
        raise HostError(
            f"{db}: its records of steps read {text[:200]!r}", "look at the table crmhost_steps"
        ) from problem
    if error is not None:
        raise HostError(f"{db} could not be read: {error}", "look at the file; nothing was changed")
    return records


def ordered(recipe: Recipe) -> tuple[Step, ...]:
    """Return the steps of a deploy in the order of their phases."""
    return in_order(recipe, PHASES)


def check_schema(want: Want, release: Release, records: Records, db: str) -> None:
    """Raise Refused when the database was made by another recipe, for another schema, or not by crmhost at all."""
    check_maker(want.contract, release, records, db)
    if records.schema is not None and records.schema[2] != release.schema:
        _, version, schema = records.schema
        raise Refused(
            f"{release.recipe} {release.version} needs schema {release.schema}, the database of {want.contract} has"
            f" schema {schema} ({version}): this version of crmhost does not upgrade databases on web hosts yet",
            f"keep to a version with schema {schema} in crm.version; nothing was done",
        )


def due(want: Want, release: Release, records: Records) -> Due:
    """Return what is to be run; raises HostError or Refused for an interrupted step that may not be run again."""
    steps = ordered(want.recipe)
    name = torn(steps, release, records)
    if name is None:
        return Due(unfinished(steps, release, records, LOG))
    if in_use(want.recipe, records):
        raise Refused(
            f"step {name} was begun and not finished, and may only be run on a restored database:"
            " this version of crmhost does not restore on web hosts yet",
            f"look in {LOG} and restore the database by hand; nothing was done",
        )
    return Due(steps, reset=f"step {name} was interrupted, and no customer has used the database yet")
