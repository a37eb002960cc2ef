"""What differs, and making it right: `changes` is pure, `apply` works under the lock and asks again afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from itertools import groupby
from typing import Any

from crm.driver import Progress
from crm.errors import HostError
from crm.plan import Change
from playbooks.batch import Todo, script
from playbooks.kind import Resource
from playbooks.observe import observe
from playbooks.session import Session


def changes(resources: Sequence[Resource], seen: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return what differs, in an order in which each need comes first; needs that are not resources count as right.

    A change that depends on another one is `later`: it is decided when that one is done. Raises ValueError for needs
    that go in a circle.
    """
    found: list[Change] = []
    pending: set[str] = set()  # ids that change, or depend on one that does
    for resource in ordered(resources):
        behind = any(need in pending for need in resource.needs)
        change = resource.kind.diff(resource.key, resource.want, seen.get(resource.id))
        if change is not None:
            found.append(replace(change, later=True) if behind else change)
        if behind or change is not None:
            pending.add(resource.id)
    return tuple(found)


def ordered(resources: Sequence[Resource]) -> tuple[Resource, ...]:
    """Return the resources so that needs come first, otherwise in the order given."""
    by_id = {resource.id: resource for resource in resources}
    if len(by_id) != len(resources):
        raise ValueError("a resource is wanted twice")
    graph = {resource.id: [need for need in resource.needs if need in by_id] for resource in resources}
    try:
        return tuple(by_id[name] for name in TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise ValueError(f"resources need each other: {' -> '.join(error.args[1])}") from error


def apply(session: Session, resources: Sequence[Resource], seen: Mapping[str, Any], progress: Progress) -> None:
    """Make right what differs, under the lock, and prove it by asking again.

    Each maximal run of changes of one account is one batch; on a host where everything runs as root, all are one.
    Raises HostError naming the resource that failed, or the ones that still differ.
    """
    differing = {change.resource for change in changes(resources, seen)}
    due = [resource for resource in ordered(resources) if resource.id in differing]
    if not due:
        return
    for batch in batches(due, seen, root=session.host.root):
        puts = [put for todo in batch for put in todo.act.puts]
        session.batch(script(batch), puts, progress=progress)
    again = observe(session.host, due)
    left = changes(due, again.seen)
    if left:
        what = "; ".join(f"{change.resource}: {change.why}" for change in left)
        raise HostError(
            f"{session.host.name}: still not as it should be after it was made so: {what}",
            "Something on the host changes it back, or the file system does not keep what is written there.",
        )


def batches(due: Sequence[Resource], seen: Mapping[str, Any], *, root: bool) -> Iterator[list[Todo]]:
    """Yield what is done by one script each. root: the host does everything as root."""
    for _, run in groupby(due, key=lambda resource: root or resource.kind.account):
        yield [
            Todo(resource.id, resource.kind.act(resource.key, resource.want, seen.get(resource.id))) for resource in run
        ]
