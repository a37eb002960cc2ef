"""The plan of a contract on a host over SSH, from what its driver has seen there. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from crm import crossing as crossings
from crm.due import FIRST, check_schema, due
from crm.plan import Change, Crossing, Plan, Release, Want
from crm.steps import Due, Records, key, known_by_record, ordered
from playbooks.converge import changes
from playbooks.kept import Place, maker
from playbooks.kind import Resource
from playbooks.manifest import Manifest

_DATABASES = ("database:", "pgdatabase:")


@dataclass(frozen=True, slots=True)
class Staged:
    """What a release needs before it is tried, in order.

    read: ids of what its processes read when they start; secrets: by resource id, the names of those in a file.
    """

    resources: tuple[Resource, ...]
    read: frozenset[str]
    secrets: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Survey:
    """What a contract wants of a host, and what was seen there. `staged` comes before the steps, `serving` after.

    known: the release's slots. seen: by resource id. forget: the database says that files were derived for the release,
    whose folder is not there. crossing: the last upgrade that the host remembers. notes: what people should know of it.
    """

    want: Want
    release: Release
    manifest: Manifest
    known: Mapping[str, str]
    staged: Staged
    serving: tuple[Resource, ...]
    place: Place
    records: Records
    due: Due
    seen: Mapping[str, Any]
    forget: bool
    crossing: Crossing | None
    notes: tuple[str, ...]

    @property
    def serves(self) -> bool:
        """Tell whether the wanted release is the one that serves."""
        return self.place.serving == self.release.id

    @property
    def proven(self) -> bool:
        """Tell whether the wanted release has passed every gate since it was last switched to."""
        kept = self.place.find(self.release.id)
        return self.serves and kept is not None and bool(kept.proven) and self.place.settled


def due_of(want: Want, release: Release, records: Records, crossing: Crossing | None = None) -> Due:
    """Return what is to be run before the release may start; nothing is known of it before a backup is put back.

    Raises Refused for a database that the release cannot come to run on.
    """
    if crossings.going_back(crossing, release):
        return Due(())
    check_schema(want.contract, want.recipe, release, records)
    return due(want.recipe, records, release)


def plan_of(survey: Survey) -> Plan:
    """Return what differs, in the order in which it would be made right.

    Raises Refused for what a deploy must not touch.
    """
    contract, release, crossing = survey.want.contract, survey.release, survey.crossing
    crossings.check(contract, release, crossing, survey.due)
    unfinished = tuple(crossings.unfinished_change(crossing, release))
    if crossings.going_back(crossing, release):
        return _plan(survey, unfinished)
    old = maker(survey.place.kept, survey.place.serving, survey.records)
    upgrade = crossings.upgrade_of(survey.want, release, survey.records, crossing, old)
    everything = (*survey.staged.resources, *survey.serving)
    differing = {change.resource: change for change in changes(everything, survey.seen)}
    ground = [differing[resource.id] for resource in survey.staged.resources if resource.id in differing]
    service = [differing[resource.id] for resource in survey.serving if resource.id in differing]
    found = (
        *(_ground(change, survey) for change in ground),
        *unfinished,
        *crossings.schema_changes(contract, survey.due, upgrade, crossing),
        *_steps(survey, later=bool(ground)),
        *service,
        *_gate(survey, later=bool(ground or service or survey.due.steps)),
    )
    return replace(_plan(survey, found), upgrade=upgrade)


def changed_ground(survey: Survey) -> Sequence[Change]:
    """Return the changes of the release that serves which make it restart."""
    return [change for change in changes(survey.staged.resources, survey.seen) if _restarts(survey, change)]


def _plan(survey: Survey, found: tuple[Change, ...]) -> Plan:
    return Plan(
        contract=survey.want.contract,
        release=survey.release,
        serving=survey.place.serving,
        resources=len(survey.staged.resources) + len(survey.serving) + len(ordered(survey.want.recipe, FIRST)) + 1,
        changes=found,
        notes=survey.notes,
        unfinished=crossings.unfinished(survey.crossing),
    )


def _restarts(survey: Survey, change: Change) -> bool:
    """Tell whether what serves must restart because of a change on the ground: it reads this only when it starts."""
    return survey.serves and change.resource in survey.staged.read


def _ground(change: Change, survey: Survey) -> Change:
    names = survey.staged.secrets.get(change.resource)
    if names:
        change = replace(change, diff=(*change.diff, f"with the secrets: {', '.join(names)}"))
    if change.resource.startswith(_DATABASES) and change.action == "create" and survey.records.template:
        change = replace(change, diff=("+ from the template of this version, initialised before",))
    return replace(change, disrupts="restart") if _restarts(survey, change) else change


def _steps(survey: Survey, *, later: bool) -> tuple[Change, ...]:
    return tuple(
        Change(
            f"step:{key(step, survey.release)}",
            "run",
            step.summary or f"phase {step.phase}",
            later=later or not known_by_record(step),
        )
        for step in survey.due.steps
    )


def _gate(survey: Survey, *, later: bool) -> tuple[Change, ...]:
    if survey.proven:
        return ()
    why = "it serves, and was never seen at its public URL" if survey.serves else "it was not proven yet"
    return (Change(f"gate:{survey.release.id}", "run", why, later=later),)
