"""Asking the host about everything that a contract needs there, and what differs: the plan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from crm import crossing as crossings
from crm.errors import HostError
from crm.plan import Want
from crm.release import artifact_digest, template_key
from crm.steps import Records, of_copy, without_release
from playbooks.host import Host
from playbooks.kind import Resource
from playbooks.kinds.cron import CronSeen
from playbooks.manifest import Manifest
from playbooks.mover.memory import Memory, MemoryKind
from playbooks.observe import observe
from playbooks.planned import Survey, due_of
from playbooks.webhost import closed
from playbooks.webhost import resources as made
from playbooks.webhost.code import access_of
from playbooks.webhost.facts import Place, PlaceKind, PlaceWanted, RecordKind, RecordWanted
from playbooks.webhost.front import check_doors
from playbooks.webhost.layout import Layout, check_document_root, check_run
from playbooks.webhost.release import artifact_of, release_of
from playbooks.webhost.slots import values


def survey(host: Host, layout: Layout, want: Want, document_root: str | None, salt: str) -> Survey:
    """Ask the host about every resource of the contract in one round trip; changes nothing.

    A second one follows only where an earlier release had a process or a job that this one has not. Raises Refused for
    what cannot be or is not built, HostError when the host cannot be asked or holds what makes no sense.
    """
    release = release_of(want, layout.front)
    check_run(layout, release)
    check_document_root(layout, document_root)
    made_of = artifact_of(want)
    artifact = artifact_digest(made_of)
    known = values(layout, want, release, artifact)
    manifest = made.manifest_of(layout, want, release, artifact, known)
    staged = made.staged(layout, want, manifest, known, made_of, salt)
    facts = [
        Resource(PlaceKind(), layout.contract, PlaceWanted(layout, document_root)),
        Resource(MemoryKind(), layout.contract, closed.places(layout)),
        Resource(
            RecordKind(layout.artifacts),
            layout.contract,
            RecordWanted(layout.db, layout.template(template_key(want, artifact)), access_of(layout, want, made_of)),
        ),
    ]
    opened = closed.opening(layout, salt, made.serving(layout, manifest, ()))
    first = observe(host, [*staged.resources, *opened, *facts])
    place: Place = first.seen[f"place:{layout.contract}"]
    records: Records = first.seen[f"record:{layout.contract}"]
    memory: Memory = first.seen[f"memory:{layout.contract}"]
    check_document_root(layout, place.document_root)
    check_doors(layout, first.seen, place)
    if layout.copied and layout.database == "mysql":
        records = of_copy(layout.contract, salt, records)
    derived = records
    if place.find(release.id) is None:
        records = without_release(records, release.id)
    crossings.check(want.contract, release, memory.crossing, None)
    serving = closed.opening(layout, salt, made.serving(layout, manifest, [kept.manifest for kept in place.kept]))
    others = [resource for resource in serving if resource.id not in first.seen]
    seen = {**first.seen, **(observe(host, others).seen if others else {})}
    return Survey(
        want=want,
        release=release,
        manifest=manifest,
        known=known,
        staged=staged,
        serving=serving,
        place=place,
        records=records,
        due=due_of(want, release, records, memory.crossing),
        seen=seen,
        forget=records != derived,
        crossing=memory.crossing,
        notes=_notes(want.contract, manifest, seen),
    )


def recorded(host: Host, layout: Layout, template: str = "") -> Records:
    """Return what the customer's database says, or the template that it would begin as while it is empty."""
    access = "" if layout.database == "sqlite" else json.dumps({"kind": "mysql", "access": layout.access})
    wanted = RecordWanted(layout.db, template, access)
    resource = Resource(RecordKind(layout.artifacts), layout.contract, wanted)
    found: Records = observe(host, [resource]).seen[resource.id]
    return found


def look(host: Host, layout: Layout) -> Place:
    """Return what lies in the contract's folder, whatever the contract says today."""
    place = observe(host, [Resource(PlaceKind(), layout.contract, PlaceWanted(layout, None))]).seen[
        f"place:{layout.contract}"
    ]
    if not isinstance(place, Place):
        raise HostError(f"{host.name}: the host says nothing of {layout.contract}", "")
    return place


def _notes(contract: str, manifest: Manifest, seen: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what people should know of the host."""
    cron = [one for one in seen.values() if isinstance(one, CronSeen)]
    if all(one.usable for one in cron):
        return ()
    jobs = [job.name for job in manifest.jobs]
    why = "has no cron" if any(one.state == "no-tool" for one in cron) else "does not let this account use cron"
    never = f"; its jobs never run: {', '.join(jobs)}" if jobs else ""
    return (f"this host {why}: after a reboot or crash nothing restarts {contract} until the next deploy{never}",)
