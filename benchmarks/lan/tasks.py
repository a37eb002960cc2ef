"""The resources of a server as tasks that any tool can be given: plain data, written for no tool. Pure.

One task for each resource, but that a tool's own way says it: packages are one task together, and a unit is two, its
file and its state. What crmhost keeps for itself (what a unit was last started from, what nginx last read) is no task.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from crm.due import FIRST
from crm.recipe import Recorded
from crm.steps import key, ordered
from playbooks.kind import Resource
from playbooks.kinds.account import SHELL, AccountWanted
from playbooks.kinds.cluster import FILE, ClusterWanted
from playbooks.kinds.file import FileWanted
from playbooks.kinds.folder import FolderWanted
from playbooks.kinds.link import LinkWanted
from playbooks.kinds.nftables import FirewallWanted
from playbooks.kinds.pgdatabase import PgDatabaseWanted
from playbooks.kinds.role import RoleWanted
from playbooks.kinds.service import ServiceWanted
from playbooks.kinds.site import FOLDER as SITES
from playbooks.kinds.site import SiteWanted
from playbooks.kinds.unit import FOLDER as UNITS
from playbooks.kinds.unit import UnitWanted
from playbooks.kinds.upstream import FOLDER as UPSTREAMS
from playbooks.kinds.upstream import UpstreamWanted
from playbooks.kinds.venv import MARKER, VenvWanted
from playbooks.lan.survey import Survey
from playbooks.shell import sh

Task = Mapping[str, Any]
"""`do` says what: packages, user, folder, file, link, service, role, database, query; or shell, for what no tool has a
way of its own: the rules in the kernel, and whether there is an interpreter."""


def tasks_of(seen: Survey) -> list[Task]:
    """Return the tasks of a contract on a server that is as it should be."""
    resources = [one for one in (*seen.staged.resources, *seen.serving) if one.want is not None]
    packages = [one.key for one in resources if one.kind.name == "package"]
    found: list[Task] = [{"do": "packages", "names": packages}]
    for resource in resources:
        found.extend(_tasks(resource, seen))
    return [*found, *_steps(seen)]


def things(tasks: Iterable[Task]) -> int:
    """Return how many resources the tasks ask about."""
    return sum(len(task["names"]) if task["do"] == "packages" else 1 for task in tasks)


def _tasks(resource: Resource, seen: Survey) -> Iterator[Task]:  # noqa: C901, PLR0912 -- a case for each kind
    match resource.want:
        case AccountWanted(home):
            yield {"do": "user", "name": resource.key, "home": home, "shell": SHELL}
        case FolderWanted() as one:
            yield {"do": "folder", "path": resource.key, **_access(one.mode, one.owner, one.group)}
        case FileWanted() as one:
            yield _file(resource.key, one.content.decode(), one.mode, one.owner, one.group)
        case VenvWanted():
            there = seen.seen[resource.id]
            yield _file(posixpath.join(resource.key, MARKER), f"{there.digest} {there.python}\n", 0o644)
            runs = sh("test -x {python} && echo runs", python=posixpath.join(resource.key, "bin/python"))
            yield {"do": "shell", "command": runs.text, "answer": "runs"}
        case LinkWanted(target):
            yield {"do": "link", "path": resource.key, "target": target}
        case UpstreamWanted() as one:
            yield {"do": "link", "path": f"{UPSTREAMS}/{resource.key}/now", "target": one.place}
        case SiteWanted(content):
            yield _file(f"{SITES}/crmhost-{resource.key}.conf", content)
        case ServiceWanted():
            yield _service(f"{resource.key}.service", active=True, enabled=None if "@" in resource.key else True)
        case UnitWanted() as one:
            yield _file(f"{UNITS}/{resource.key}", one.text)
            yield _service(resource.key, active=one.active, enabled=one.enabled)
        case ClusterWanted(connections):
            for folder in seen.seen[resource.id].connections:
                yield _file(posixpath.join(folder, FILE), f"max_connections = {connections}\n")
        case RoleWanted():
            yield {"do": "role", "name": resource.key, "port": seen.known["dbport"]}
        case PgDatabaseWanted(owner):
            yield {"do": "database", "name": resource.key, "owner": owner, "port": seen.known["dbport"]}
        case FirewallWanted() as one:
            yield _file(f"/etc/{resource.key}-firewall.nft", one.text(resource.key))
            live = sh("nft -s list table inet {table} | sha256sum | cut -d' ' -f1", table=resource.key)
            yield {"do": "shell", "command": live.text, "answer": seen.seen[resource.id].live}
            yield _service(f"{resource.key}-firewall.service", active=None, enabled=True)


def _steps(seen: Survey) -> Iterator[Task]:
    """Yield one question for each step, to the customer's database."""
    database = next(one.key for one in seen.staged.resources if one.kind.name == "pgdatabase")
    for step in ordered(seen.want.recipe, FIRST):
        if isinstance(step.done, Recorded):
            query = _STATE.format(key(step, seen.release))
            yield {"do": "query", "database": database, "query": query, "answer": "finished"}
        else:
            query = "SELECT count(*) >= 0 FROM public.crmhost_steps"
            yield {"do": "query", "database": database, "query": query, "answer": "t"}


_STATE = "SELECT state FROM public.crmhost_steps WHERE name = '{}'"


def _file(path: str, content: str, mode: int = 0o644, owner: str = "root", group: str = "root") -> Task:
    return {"do": "file", "path": path, "content": content, **_access(mode, owner, group)}


def _access(mode: int, owner: str, group: str) -> dict[str, str]:
    return {"mode": f"{mode:04o}", "owner": owner or "root", "group": group or "root"}


def _service(name: str, *, active: bool | None, enabled: bool | None) -> Task:
    return {"do": "service", "name": name, "active": active, "enabled": enabled}


def summary(tasks: Sequence[Task]) -> str:
    """Return how many tasks of each sort there are, as people read it."""
    sorts = [task["do"] for task in tasks]
    return ", ".join(f"{sorts.count(one)} {one}" for one in dict.fromkeys(sorts))
