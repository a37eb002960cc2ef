"""What differs on a host without commands, as a plan: from what was seen there. Pure."""

from __future__ import annotations

from dataclasses import replace

from crm import crossing as crossings
from crm.plan import Action, Change, Plan
from crm.recipe import Http, Job, Secret
from crm.slots import fill
from crm.steps import key, known_by_record
from playbooks.sftponly.survey import Survey, folders_of
from playbooks.terminal import safe_line

_SHOWN = 20
"""How many altered files a plan names one by one."""


def plan_of(seen: Survey) -> Plan:
    """Return what differs, in the order in which it would be made right. Pure.

    Raises Refused for what a deploy must not touch.
    """
    contract, crossing = seen.want.contract, seen.crossing
    crossings.check(contract, seen.release, crossing, seen.due)
    begun = tuple(crossings.unfinished_change(crossing, seen.release))
    if crossings.going_back(crossing, seen.release):
        return _plan(seen, begun)
    upgrade = crossings.upgrade_of(seen.want, seen.release, seen.records, crossing, seen.place.maker(seen.records))
    ground = (*_tree(seen), *_files(seen), *_rest(seen))
    later = bool(ground)
    schema = crossings.schema_changes(contract, seen.due, upgrade, crossing)
    found = (*ground, *begun, *schema, *_steps(seen, later=later), *_switch(seen))
    return replace(_plan(seen, (*found, *_gate(seen, later=bool(found)))), upgrade=upgrade)


def _plan(seen: Survey, changes: tuple[Change, ...]) -> Plan:
    return Plan(
        contract=seen.want.contract,
        release=seen.release,
        serving=seen.place.serving,
        resources=seen.files + _count(seen),
        changes=changes,
        notes=(*_jobs(seen), *_unasked(seen)),
        unfinished=crossings.unfinished(seen.crossing),
    )


def _count(seen: Survey) -> int:
    """Return how many things are looked at besides a tree's files: the tree, the root, the link and the gate too."""
    recipe = seen.want.recipe
    return len(recipe.files) + len(recipe.steps) + len(recipe.kept) + len(folders_of(seen.want)) + 4


def _tree(seen: Survey) -> tuple[Change, ...]:
    name = f"tree:releases/{seen.release.id}"
    if not seen.whole:
        return (Change(name, "create", "is not on the host"),)
    shown = tuple(f"{drift.state} on the host: {safe_line(drift.path)}" for drift in seen.drift[:_SHOWN])
    if not shown:
        return ()
    more = (f"and {len(seen.drift) - _SHOWN} more",) if len(seen.drift) > _SHOWN else ()
    why = f"{len(seen.drift)} files are not as they were sent; what is there is kept in {seen.layout.below('kept')}"
    return (Change(name, "update", why, (*shown, *more), disrupts="restart" if seen.serves else "no"),)


def _files(seen: Survey) -> tuple[Change, ...]:
    changes = []
    for one, state in seen.wrong:
        secrets = (f"with the secrets: {', '.join(one.secrets)}",) if one.secrets else ()
        why = "is not on the host" if state == "missing" else f"{state} on the host"
        action: Action = "create" if state == "missing" else "update"
        name = f"file:releases/{seen.release.id}/{one.path}"
        changes.append(Change(name, action, why, secrets, disrupts="restart" if seen.serves else "no"))
    return tuple(changes)


def _rest(seen: Survey) -> tuple[Change, ...]:
    folders = [Change(f"folder:data/{name}", "create", "is not on the host") for name in seen.folders]
    links = [Change(f"link:releases/{seen.release.id}/app/{path}", "create", "is missing") for path in seen.links]
    return (*folders, *links)


def _steps(seen: Survey, *, later: bool) -> tuple[Change, ...]:
    return tuple(
        Change(
            f"step:{key(step, seen.release)}",
            "run",
            step.summary or f"phase {step.phase}",
            later=later or not known_by_record(step),
        )
        for step in seen.due.steps
    )


def _switch(seen: Survey) -> tuple[Change, ...]:
    changes = []
    if seen.place.root.link is None:
        why = f"becomes a link to what serves; what is there is kept in {seen.layout.found} until destroy"
        changes.append(Change(f"root:{seen.layout.document_root}", "replace", why))
    elif seen.place.root.link != seen.served:
        changes.append(Change(f"root:{seen.layout.document_root}", "update", f"must lead to {seen.served}"))
    if seen.place.shut and crossings.unfinished(seen.crossing) is None:
        changes.append(Change("page:maintenance", "delete", "is shown, and nobody is at work"))
    if seen.place.serving != seen.release.id:
        changes.append(Change("link:current", "switch", f"must lead to {seen.release.id}"))
    return tuple(changes)


def _gate(seen: Survey, *, later: bool) -> tuple[Change, ...]:
    if seen.proven:
        return ()
    why = "it serves, and was never seen at its public URL" if seen.serves else "it was not proven yet"
    return (Change(f"gate:{seen.release.id}", "run", why, later=later),)


def _jobs(seen: Survey) -> tuple[str, ...]:
    return tuple(
        f"this host gives no scheduler to crmhost: have the control panel {_job(job, seen)} every {job.every} min"
        for job in seen.want.recipe.jobs
    )


def _job(job: Job, seen: Survey) -> str:
    """Return what the control panel must do for a job; a path through the link that every switch moves."""
    known = {**seen.known, **{name: _steady(seen, seen.known[name]) for name in ("app", "release", "public")}}
    if job.by_url is not None and isinstance(job.by_url.how, Http):
        request = job.by_url.how
        secret = sorted({part.name for text in request.form.values() for part in text if isinstance(part, Secret)})
        fields = f" with the fields {', '.join(sorted(request.form))}" if request.form else ""
        held = f" (in them the secrets {', '.join(secret)})" if secret else ""
        return f"call {request.method} {seen.known['url']}{request.path}{fields}{held}"
    where = f"job {job.name}"
    words = " ".join(fill(arg, known, where) for arg in job.run.argv)
    cwd = known["release"] if job.run.cwd is None else fill(job.run.cwd, known, where)
    return f"run `cd {cwd} && {words}`"


def _steady(seen: Survey, path: str) -> str:
    return path.replace(f"/releases/{seen.release.id}", "/current", 1)


def _unasked(seen: Survey) -> tuple[str, ...]:
    told = []
    if seen.want.recipe.jobs:
        told.append("whether the control panel starts the jobs")
    if folders_of(seen.want):
        told.append("what is in the folders below data/")
    if not seen.whole:
        told.append("any file's digest, since the release is not there yet")
    return (f"could not be asked: {'; '.join(told)}",) if told else ()
