"""What runs on the server now."""

from __future__ import annotations

from crm.driver import Status
from crm.plan import Want
from crm.recipe import Ask
from playbooks.asking import question, read_answer
from playbooks.holder import held_by
from playbooks.host import Host
from playbooks.kind import Resource
from playbooks.kinds.unit import UnitKind, UnitSeen
from playbooks.lan.asuser import PYTHON
from playbooks.lan.facts import Place
from playbooks.lan.layout import Layout, job
from playbooks.lan.slots import values
from playbooks.lan.survey import look, manner, port_of
from playbooks.manifest import Manifest
from playbooks.observe import observe
from playbooks.programs import program
from playbooks.shell import sh


def status_of(host: Host, layout: Layout, want: Want) -> Status:
    """Ask the server what serves, which processes are up, how many people may log in, and who is at work there."""
    place, memory = look(host, layout)
    kept = place.find(place.serving)
    page = (("maintenance", "up", "customers see it"),) if memory.closed else ()
    processes = () if kept is None else _processes(host, layout, kept.manifest)
    return Status(
        contract=layout.contract,
        serving=place.serving,
        releases=tuple(one.id for one in place.kept),
        processes=(*page, *processes),
        users=None if kept is None else _users(host, layout, want, kept.manifest, place),
        holder=held_by(host, layout.engine),
    )


def _processes(host: Host, layout: Layout, manifest: Manifest) -> tuple[tuple[str, str, str], ...]:
    """Return the processes, and the timers of the jobs."""
    units = {one.name: layout.unit(manifest.release, one.name) for one in manifest.processes}
    units |= {job(one.name): layout.unit(manifest.release, job(one.name), "timer") for one in manifest.jobs}
    seen = observe(host, [Resource(UnitKind(), unit, None) for unit in units.values()]).seen
    return tuple((name, *_state(unit, seen[f"unit:{unit}"])) for name, unit in units.items())


def _state(unit: str, seen: UnitSeen) -> tuple[str, str]:
    if not seen.file:
        return ("absent", "")
    return ("up", unit) if seen.state.up else ("down", f"{unit}: {seen.state.down}")


def _users(host: Host, layout: Layout, want: Want, manifest: Manifest, place: Place) -> int | None:
    """Return the number of active users, or None when the recipe's question has no such answer now."""
    known = values(layout, want, manifest.release, manifest.artifact, manifest.listen, port_of(place))
    ask = Ask(want.recipe.users.how, r"\d+\s*$")
    given = question(ask, want, known, manifest.listen, 0.0, manner(layout, known))
    script = sh("printf %s {given} | {ask}", given=given.decode(), ask=program("ask", PYTHON))
    answer = read_answer(host.ask(script, timeout=90.0).decode("utf-8", "replace"))
    words = answer.text.split()
    return int(words[-1]) if answer.held and words[-1].isdecimal() else None
