"""What runs on the host now."""

from __future__ import annotations

from crm.driver import Status
from crm.plan import Want
from crm.recipe import Ask
from playbooks.asking import logged_in, question, read_answer
from playbooks.holder import held_by
from playbooks.host import Host
from playbooks.kind import Resource
from playbooks.kinds.process import ProcessKind, ProcessSeen
from playbooks.manifest import Manifest
from playbooks.mover.memory import recall
from playbooks.observe import observe
from playbooks.programs import program
from playbooks.shell import sh
from playbooks.webhost import closed
from playbooks.webhost import resources as made
from playbooks.webhost.facts import Place
from playbooks.webhost.layout import Layout
from playbooks.webhost.slots import values
from playbooks.webhost.survey import look


def status_of(host: Host, layout: Layout, want: Want) -> Status:
    """Ask the host what serves, which processes are up, how many people may log in, and who is at work there."""
    place = look(host, layout)
    kept = place.find(place.serving)
    return Status(
        contract=layout.contract,
        serving=place.serving,
        releases=tuple(one.id for one in place.kept),
        processes=(*_page(host, layout), *(() if kept is None else _processes(host, layout, kept.manifest, place))),
        users=None if kept is None else _users(host, layout, want, kept.manifest),
        holder=held_by(host, layout.root),
    )


def _processes(host: Host, layout: Layout, manifest: Manifest, place: Place) -> tuple[tuple[str, str, str], ...]:
    wanted = made.serving(layout, manifest, [one.manifest for one in place.kept])
    resources = [resource for resource in wanted if resource.kind.name == "process"]
    seen = observe(host, resources).seen
    return tuple((name, *_state(seen[resource_id])) for name, resource_id in made.process_ids(layout, manifest).items())


def _page(host: Host, layout: Layout) -> tuple[tuple[str, str, str], ...]:
    """Return the maintenance page's process, while customers are shut out."""
    if not recall(host, layout.contract, closed.places(layout)).closed:
        return ()
    page = Resource(ProcessKind(), closed.page_key(layout), None)
    return ((closed.NAME, *_state(observe(host, [page]).seen[page.id])),)


def _state(seen: ProcessSeen) -> tuple[str, str]:
    return ("up", f"process {seen.pid}") if seen.up else ("down", "")


def _users(host: Host, layout: Layout, want: Want, manifest: Manifest) -> int | None:
    """Return the number of active users, or None when the recipe's question has no such answer now."""
    known = {**values(layout, want, manifest.release, manifest.artifact), "listen": manifest.listen}
    ask = Ask(want.recipe.users.how, r"\d+\s*$")
    given = question(ask, want, known, manifest.listen, 0.0, logged_in(known))
    script = sh("printf %s {given} | {ask}", given=given.decode(), ask=program("ask", known["python"]))
    answer = read_answer(host.ask(script, timeout=90.0).decode("utf-8", "replace"))
    words = answer.text.split()
    return int(words[-1]) if answer.held and words[-1].isdecimal() else None
