"""Which steps are due, from the records in the customer's database. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from crm.errors import HostError, Refused
from crm.plan import Release, Want
from crm.recipe import Recipe, Recorded, Step

State: TypeAlias = Literal["absent", "started", "finished"]
PHASES = ("initialise", "admin")
"""What a deploy runs, in order. Steps of the phase `upgrade` belong to upgrades, which are not built yet."""


@dataclass(frozen=True, slots=True)
class Records:
    """What the customer's database says. schema: (recipe, version, schema); others: tables that are not ours.

    template: it is empty, and these are the records of the template that it begins as.
    """

    steps: Mapping[str, State]
    schema: tuple[str, str, str] | None = None
    others: int = 0
    template: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """The steps that are not known to be finished, in order. reset: begin with an empty database again, and why."""

    steps: tuple[Step, ...]
    reset: str | None = None


def parse(text: str, db: str) -> Records:
    """Return the records that the host printed; raises HostError when the database could not be read."""
    try:
        raw = json.loads(text)
        error, schema = raw["error"], raw["schema"]
        steps = {str(name): _state(row[0]) for name, row in raw["steps"].items()}
        records = Records(steps, None if schema is None else (schema[0], schema[1], schema[2]), int(raw["others"]))
    except (ValueError, KeyError, TypeError, IndexError) as problem:
        raise HostError(
            f"{db}: its records of steps read {text[:200]!r}", "look at the table crmhost_steps"
        ) from problem
    if error is not None:
        raise HostError(f"{db} could not be read: {error}", "look at the file; nothing was changed")
    return records


def without_release(records: Records, release_id: str) -> Records:
    """Return the records without what was derived for a release: its folder is not on the host (any more)."""
    steps = {name: state for name, state in records.steps.items() if not name.endswith(f"@{release_id}")}
    return replace(records, steps=steps)


def key(step: Step, release: Release) -> str:
    """Return the name of a step's record."""
    return f"{step.name}@{release.id}" if step.each_release else step.name


def ordered(recipe: Recipe) -> tuple[Step, ...]:
    """Return the steps of a deploy in the order of their phases."""
    return tuple(step for phase in PHASES for step in recipe.steps if step.phase == phase)


def admin_names(recipe: Recipe) -> tuple[str, ...]:
    """Return the names of the steps after whose beginning the database may hold a customer's secret."""
    return tuple(step.name for step in recipe.steps if step.phase == "admin")


def check_schema(want: Want, release: Release, records: Records, db: str) -> None:
    """Raise Refused when the database was made by another recipe, for another schema, or not by crmhost at all."""
    if records.schema is None:
        if records.others:
            raise Refused(
                f"{db} holds {records.others} tables, and no record that crmhost made them",
                "move the file away, or give the contract another name",
            )
        return
    recipe, version, schema = records.schema
    if recipe != release.recipe:
        raise Refused(
            f"the database of {want.contract} was made by {recipe} {version}, the contract asks for {release.recipe}",
            "write a contract of another name for the other CRM; nothing was done",
        )
    if schema != release.schema:
        raise Refused(
            f"{release.recipe} {release.version} needs schema {release.schema}, the database of {want.contract} has"
            f" schema {schema} ({version}): this version of crmhost does not upgrade databases yet",
            f"keep to a version with schema {schema} in crm.version; nothing was done",
        )


def due(want: Want, release: Release, records: Records) -> Due:
    """Return what is to be run; raises HostError or Refused for an interrupted step that may not be run again."""
    begun_anew = _reset(want, records)
    if begun_anew is not None:
        return Due(ordered(want.recipe), begun_anew)
    return Due(tuple(step for step in ordered(want.recipe) if _is_due(step, release, records)))


def _is_due(step: Step, release: Release, records: Records) -> bool:
    state = records.steps.get(key(step, release), "absent")
    if state == "started" and step.again == "never":
        name = key(step, release)
        raise HostError(
            f"step {name} was begun and not finished, and must not be run twice",
            "look in log/crm/steps.log and in the database at what it did; then, in its table crmhost_steps, write"
            " 'finished' into that row's state if the step is whole, or delete the row if it did nothing; and deploy"
            " again",
        )
    return state != "finished"


def _reset(want: Want, records: Records) -> str | None:
    """Return why the database must begin anew: a step that may not run on what it left behind was interrupted."""
    broken = [
        step
        for step in ordered(want.recipe)
        if step.again == "restore" and not step.each_release and records.steps.get(step.name) == "started"
    ]
    if not broken:
        return None
    name = broken[0].name
    if any(records.steps.get(admin) == "finished" for admin in admin_names(want.recipe)):
        raise Refused(
            f"step {name} was begun and not finished, and may only be run on a restored database:"
            " this version of crmhost does not restore yet",
            "look in log/crm/steps.log and restore the database by hand; nothing was done",
        )
    return f"step {name} was interrupted, and no customer has used the database yet"


def known_by_record(step: Step) -> bool:
    """Tell whether the record alone decides, or the recipe has a question for it."""
    return isinstance(step.done, Recorded)


def _state(text: object) -> State:
    match text:
        case "started":
            return "started"
        case "finished":
            return "finished"
        case _:
            raise ValueError(f"no such state: {text!r}")
