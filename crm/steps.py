"""Which steps of a recipe are due, from the records in the customer's database. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from crm.errors import Refused, StepUnfinished
from crm.plan import Release
from crm.recipe import Phase, Recipe, Recorded, Step

State: TypeAlias = Literal["absent", "started", "finished"]


@dataclass(frozen=True, slots=True)
class Records:
    """What the customer's database says. schema: (recipe, version, schema); others: tables that are not ours.

    template: it is empty, and these are the records of the template that it begins as.
    trial: of a database for trials, whose copy is in it, and the one run of crmhost that brought that up.
    """

    steps: Mapping[str, State]
    schema: tuple[str, str, str] | None = None
    others: int = 0
    template: bool = False
    trial: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """The steps that are not known to be finished, in order.

    reset: why the database must first begin anew, which loses nothing of a customer's. restore: why a backup of it must
    come back first. With either, `steps` are those that follow.
    """

    steps: tuple[Step, ...]
    reset: str | None = None
    restore: str | None = None


def without_release(records: Records, release_id: str) -> Records:
    """Return the records without what was derived for a release: its folder is not there (any more)."""
    steps = {name: state for name, state in records.steps.items() if not name.endswith(f"@{release_id}")}
    return replace(records, steps=steps)


def key(step: Step, release: Release) -> str:
    """Return the name of a step's record: an upgrade's says to which schema, a derived file's for which release."""
    if step.phase == "upgrade":
        return f"{step.name}>{release.schema}"
    return f"{step.name}@{release.id}" if step.each_release else step.name


def ordered(recipe: Recipe, phases: Iterable[Phase]) -> tuple[Step, ...]:
    """Return the steps of the phases, in the order of both."""
    return tuple(step for phase in phases for step in recipe.steps if step.phase == phase)


def admin_names(recipe: Recipe) -> tuple[str, ...]:
    """Return the names of the steps after whose beginning the database may hold a customer's secret."""
    return tuple(step.name for step in recipe.steps if step.phase == "admin")


def in_use(recipe: Recipe, records: Records) -> bool:
    """Tell whether a customer may have written to the database: somebody could log in to it."""
    return any(records.steps.get(admin) == "finished" for admin in admin_names(recipe))


def unfinished(steps: Iterable[Step], release: Release, records: Records, log: str) -> tuple[Step, ...]:
    """Return those of the steps that are not finished.

    Raises StepUnfinished for one that was begun and may not be run twice; `log` says where its output is to be found.
    """
    return tuple(step for step in steps if _is_unfinished(step, release, records, log))


def torn(steps: Iterable[Step], release: Release, records: Records) -> str | None:
    """Return the record's name of the first step that was begun and may only run on a restored database."""
    keys = (key(step, release) for step in steps if step.again == "restore" and not step.each_release)
    return next((name for name in keys if records.steps.get(name) == "started"), None)


def check_maker(contract: str, release: Release, records: Records, db: str) -> None:
    """Raise Refused when the database was made by another recipe, or not by crmhost at all, or for a copy's trial."""
    if records.trial is not None and records.trial[0] != contract:
        raise Refused(
            f"{db} is one for trials: the copy {records.trial[0]} is in it, and empties it in the end",
            "Name the database that is this contract's own. What an ended copy left goes with the next"
            " crmhost restore --to scratch.",
        )
    if records.schema is None:
        if records.others:
            raise Refused(
                f"{db} holds {records.others} tables, and no record that crmhost made them",
                "move that database away, or give the contract another name",
            )
        return
    recipe, version, _ = records.schema
    if recipe != release.recipe:
        raise Refused(
            f"the database of {contract} was made by {recipe} {version}, the contract asks for {release.recipe}",
            "write a contract of another name for the other CRM; nothing was done",
        )


def of_copy(contract: str, run: str, records: Records) -> Records:
    """Return the records that hold for a copy in the database for trials, whose text for this run is `run`.

    What an earlier run of the same copy left says nothing: it goes before anything comes. Raises Refused for tables
    that no such run left there: a copy's database is emptied, and they may be a customer's.
    """
    if records.trial is None and not records.others and not records.steps and records.schema is None:
        return records
    if records.trial is not None and records.trial[0] == contract:
        return records if records.trial[1] == run else Records({})
    whose = f"and the copy {records.trial[0]} is in it" if records.trial else "and no record that a copy left them"
    raise Refused(
        f"{contract}: target.database.scratch holds {records.others} tables, {whose}; nothing was done",
        "Name a database there that is empty and used for nothing else: a copy's database is emptied. Another"
        " contract's copy goes with its own end, or with its own crmhost restore --to scratch.",
    )


def known_by_record(step: Step) -> bool:
    """Tell whether the record alone decides, or the recipe has a question for it."""
    return isinstance(step.done, Recorded)


def state_of(text: object) -> State:
    """Return a record's state; raises ValueError for what is none."""
    match text:
        case "started":
            return "started"
        case "finished":
            return "finished"
        case _:
            raise ValueError(f"no such state: {text!r}")


def _is_unfinished(step: Step, release: Release, records: Records, log: str) -> bool:
    name = key(step, release)
    state = records.steps.get(name, "absent")
    if state == "started" and step.again == "never":
        raise StepUnfinished(
            f"step {name} was begun and not finished, and must not be run twice",
            f"look in {log} and in the database at what it did; then, in its table crmhost_steps, write"
            " 'finished' into that row's state if the step is whole, or delete the row if it did nothing; and deploy"
            " again",
        )
    return state != "finished"
