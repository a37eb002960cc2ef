"""Asking a server about everything that a contract needs there, and what differs: the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crm import crossing as crossings
from crm.errors import HostError
from crm.plan import Plan, Release, Want
from crm.release import artifact_digest, digest, template_key
from crm.sql import script
from crm.steps import Records, key, ordered, without_release
from playbooks import planned
from playbooks.asking import Manner
from playbooks.host import Host
from playbooks.kind import Resource
from playbooks.lan import resources as made
from playbooks.lan.asuser import PYTHON, before, psql
from playbooks.lan.facts import Place, PlaceKind, RecordKind, RecordSeen, RecordWanted
from playbooks.lan.layout import Layout
from playbooks.lan.names import Names, names_of, refuse_taken
from playbooks.lan.release import lock_of, release_of
from playbooks.lan.resources import Site
from playbooks.lan.server import Setup
from playbooks.lan.slots import free_port, values
from playbooks.mover.memory import Memory, MemoryKind, Places
from playbooks.observe import observe
from playbooks.planned import Staged, due_of

PORT = "5432"
"""PostgreSQL's port where none is installed yet: Debian gives it to the first cluster."""


@dataclass(frozen=True, slots=True)
class Survey(planned.Survey):
    """What a contract wants of a server, and what was seen there.

    template: the name of the initialised database, and whether there is one. names: what the site is called.
    others: the names of the other customers' sites, by contract.
    """

    template: tuple[str, bool]
    names: Names
    others: Mapping[str, Names]


def survey(host: Host, layout: Layout, want: Want, setup: Setup, salt: str) -> Survey:
    """Ask the server about every resource of the contract, in two round trips; changes nothing.

    The first says what the server is and which ports are taken, which decides what is wanted. Raises Refused for what
    cannot be built, HostError when the server cannot be asked or holds what makes no sense.
    """
    place, memory = look(host, layout)
    release = release_of(want)
    lock = lock_of(want)
    artifact = artifact_digest(lock)
    known = slots(layout, want, release, artifact, place)
    manifest = made.manifest_of(want, release, artifact, known)
    staged = made.staged(made.Ground(layout, place, setup, salt), want, manifest, known, lock)
    site = Site(want.slots["url"], setup.secured)
    taking_over = made.serving(layout, manifest, place, site, closed=memory.closed)
    serving = (*taking_over, *made.drained(layout, manifest, place))
    crossings.check(want.contract, release, memory.crossing, None)
    template = template_name(want, artifact, place)
    wanted = RecordWanted(layout, known["dbport"], layout.template(template))
    record = Resource(RecordKind(), layout.contract, wanted)
    seen = observe(host, [*staged.resources, *serving, record], timeout=60.0).seen
    found: RecordSeen = seen[record.id]
    derived = _begun(want, release, found)
    records = derived if place.find(release.id) is not None else without_release(derived, release.id)
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
        notes=_notes(staged),
        template=(template, found.template),
        names=names_of(site.url, site.certificate),
        others=place.names,
    )


def plan_of(survey: Survey) -> Plan:
    """Return what differs; raises Refused for what a deploy must not touch, such as another customer's site."""
    refuse_taken(survey.want.contract, survey.want.slots["url"], survey.names, survey.others)
    return planned.plan_of(survey)


def recorded(host: Host, layout: Layout, port: str) -> Records:
    """Return what the customer's database says."""
    resource = Resource(RecordKind(), layout.contract, RecordWanted(layout, port, layout.template("none")))
    found: RecordSeen = observe(host, [resource]).seen[resource.id]
    return found.records or Records({})


def look(host: Host, layout: Layout) -> tuple[Place, Memory]:
    """Return what lies in the contract's folder, what the server is, and what it remembers of an upgrade."""
    asked = (
        Resource(PlaceKind(), layout.contract, layout),
        Resource(MemoryKind("root"), layout.contract, places(layout)),
    )
    seen = observe(host, asked).seen
    place, memory = (seen[one.id] for one in asked)
    if not isinstance(place, Place) or not isinstance(memory, Memory):
        raise HostError(f"{host.name}: the server says nothing of {layout.contract}", "")
    return place, memory


def places(layout: Layout) -> Places:
    """Return the files by which the server remembers an upgrade, and that customers are shut out."""
    return Places(layout.crossing, layout.closed)


def slots(layout: Layout, want: Want, release: Release, artifact: str, place: Place) -> Mapping[str, str]:
    """Return the slots of a release: with the address that it has, or one that is free."""
    kept = place.find(release.id)
    if kept is not None:
        listen = kept.manifest.listen
    else:
        others = {int(one.manifest.listen.rpartition(":")[2]) for one in place.kept}
        taken = place.taken | place.server.listening | others
        listen = f"127.0.0.1:{free_port(layout, release, taken)}"
    return values(layout, want, release, artifact, listen, port_of(place))


def port_of(place: Place) -> str:
    """Return the port of the server's PostgreSQL, or the one that it will have."""
    return PORT if place.server.cluster is None else place.server.cluster[2]


def manner(layout: Layout, known: Mapping[str, str], *, reached: bool = False) -> Manner:
    """Return how programs of the recipe run, and how its database is asked: as the customer's user."""
    db = {
        "psql": psql(layout, known["dbport"]),
        "owner": layout.user,
        "mark": script("mark"),
        "query": script("query"),
    }
    return Manner(PYTHON, db, before(layout, known["run"]), reached)


def template_name(want: Want, artifact: str, place: Place) -> str:
    """Return the name of the initialised database that the contract can begin with.

    PostgreSQL's version is part of it: an older one cannot read what a newer one wrote.
    """
    cluster = place.server.cluster
    return f"{template_key(want, artifact)}-{digest(cluster[0] if cluster else '')[:8]}"


def _begun(want: Want, release: Release, found: RecordSeen) -> Records:
    """Return the records: of an empty database with a template, those with which it would begin."""
    records = found.records or Records({})
    if records.schema is not None or records.others or not found.template:
        return records
    steps = [step for step in ordered(want.recipe, ("initialise",)) if not step.each_release]
    made_by = (release.recipe, release.version, release.schema)
    return Records({key(step, release): "finished" for step in steps}, made_by, template=True)


def _notes(staged: Staged) -> tuple[str, ...]:
    """Return what people should know of the server."""
    if any(one.kind.name == "firewall" and one.want is not None for one in staged.resources):
        return ()
    return (
        "no firewall is touched on this server: target.firewall is absent, so its network alone decides who reaches it",
    )
