"""After a kill: whose lock it was, what his run left in the middle, and how the stack gets sound again.

Pulumi's lock has no end of its own, and unfinished creations it only warns of: the next run would make second
containers. So, before a run: (1) damaged files are brought back; a lock whose holder lives is respected; (2) a dead
one's plugins are ended and his lock is taken away; (3) the containers and networks that he was creating are removed by
their names; (4) the state is refreshed and forgets them; what a damaged state never knew is removed too. Then the run
does the rest. Volumes are never removed here: one that is there already is taken over as it is.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias

import docker.errors

from crm.driver import Progress
from crm.errors import LockHeld
from crm.plan import Event
from infra import leftovers, torn
from infra.backend import Lock, StateDamaged, unfinished
from infra.complaints import Where
from infra.engine.connect import connect
from infra.engine.engine import Engine
from infra.naming import LABEL_ROLE
from infra.runner import Program, Runner

Verdict: TypeAlias = Literal["alive", "dead", "elsewhere"]
FORGOTTEN = timedelta(hours=2)
"""No run lasts so long: a lock of another machine that is older belongs to nobody."""
_CONTAINER = "docker:index/container:Container"
_SLACK = 2.0
"""Seconds by which a process may be younger than the lock that it took, as clocks are rounded."""


@dataclass(frozen=True, slots=True)
class Here:
    """What is known of this machine when a lock is judged. started: when the lock's process began; None: it is gone."""

    host: str
    started: float | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """What the stack was last asked to hold. containers: their names, of which the killed run may have made some."""

    program: Program
    containers: tuple[str, ...]


def recover(runner: Runner, asked: Asked | None, progress: Progress, locks: Sequence[Lock] = ()) -> tuple[str, ...]:
    """Mend what a killed run left, and return what was done; nothing left: nothing is done or asked of the engine.

    locks: those that a run has met, where the state is not in files. Raises LockHeld naming a holder who lives.
    """
    done = [] if runner.files is None else list(torn.mend(runner.files))
    locks = locks or (() if runner.files is None else runner.files.held())
    for lock in locks:
        _respect(lock, runner.where)
    left = unfinished(runner.deployment())
    if not (done or locks or left):
        return ()
    subject = runner.where.stack
    progress(Event("recover", subject, "begin"))
    ended = leftovers.end_plugins(runner.folder.path)
    done += [f"ended {ended} plugin processes that were left behind"] * bool(ended)
    if locks:
        runner.cancel()
        done.append("took the lock of a run that was killed")
    with connect(runner.where.reach) as engine:
        done += [f"removed {name}" for name in remove_unfinished(engine, left)]
        if asked is not None:
            runner.refresh(asked.program, progress)
            unknown = remove_unknown(engine, runner.deployment(), asked.containers)
            done += [f"removed {name}" for name in unknown]
    progress(Event("recover", subject, "done", "; ".join(done)))
    return tuple(done)


def pending(runner: Runner) -> tuple[str, ...]:
    """Return what a killed run left, in words; starts Pulumi only where the state is not in files."""
    try:
        left = unfinished(runner.deployment())
    except StateDamaged as error:
        return (error.what,)
    locks = () if runner.files is None else runner.files.held()
    return (
        *(f"a lock of {lock.user}@{lock.host} (pid {lock.pid})" for lock in locks),
        *(f"{done} {name}" for done, _, name in left),
    )


def judge(lock: Lock, here: Here) -> Verdict:
    """Tell whether the holder of a lock could still be at work. Pure."""
    if lock.pid == 0:
        return "dead"  # its file was never finished
    if lock.host != here.host:
        return "dead" if here.now - lock.since > FORGOTTEN else "elsewhere"
    if here.started is None or here.started > lock.since.timestamp() + _SLACK:
        return "dead"  # nobody has that pid, or another process got it since
    return "alive"


def held(lock: Lock, verdict: Verdict, where: Where) -> LockHeld:
    """Return the error that names the holder. Pure."""
    who = f"{lock.user}@{lock.host} (pid {lock.pid}), since {lock.since:%Y-%m-%d %H:%M:%S %Z}"
    if verdict == "alive":
        return LockHeld(
            f"{where.stack}: Pulumi is changing this stack: {who}",
            f"Wait until it has ended, or end it: kill -INT {lock.pid}; then the same command again.",
        )
    return LockHeld(
        f"{where.stack}: Pulumi on another machine is changing this stack: {who}",
        f"Wait until it has ended. If that machine is gone: cd {where.folder} && pulumi cancel {where.stack};"
        f" after {FORGOTTEN.seconds // 3600} hours crmhost does so by itself.",
    )


def remove_unfinished(engine: Engine, left: Iterable[tuple[str, str, str]]) -> tuple[str, ...]:
    """Remove the containers and networks whose creation was never finished; returns what was there of them.

    A container of that name without crmhost's labels is somebody else's, and stays.
    """
    removed = []
    for done, kind, name in left:
        if done != "creating":
            continue
        if kind.endswith(":Container"):
            removed += [f"container:{name}"] * _remove_ours(engine, name)
        elif kind.endswith(":Network") and _remove_network(engine, name):
            removed.append(f"network:{name}")
    return tuple(removed)


def remove_unknown(engine: Engine, deployment: Mapping[str, Any], ours: Iterable[str]) -> tuple[str, ...]:
    """Remove those of our containers that the engine has and the state does not know; returns what was removed.

    A container of that name without crmhost's labels is somebody else's, and stays.
    """
    known = {(each.get("inputs") or {}).get("name") for each in deployment.get("resources") or ()}
    return tuple(f"container:{name}" for name in sorted(set(ours) - known) if _remove_ours(engine, name))


def made(deployment: Mapping[str, Any]) -> frozenset[str]:
    """Return the ids of the containers that the stack has made. Pure."""
    resources = deployment.get("resources") or ()
    return frozenset(str(each["id"]) for each in resources if each["type"] == _CONTAINER and each.get("id"))


def protected(deployment: Mapping[str, Any], *, containers_only: bool = False) -> tuple[str, ...]:
    """Return the urns of what cannot be deleted. Pure."""
    return tuple(
        each["urn"]
        for each in deployment.get("resources") or ()
        if each.get("protect") and (not containers_only or each["type"] == _CONTAINER)
    )


def failed_once(deployment: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the urns of containers that run once and failed: a run would leave them as they are. Pure."""
    return tuple(
        each["urn"]
        for each in deployment.get("resources") or ()
        if each["type"] == _CONTAINER
        and (each.get("inputs") or {}).get("attach")
        and (each.get("outputs") or {}).get("exitCode")
    )


def _respect(lock: Lock, where: Where) -> None:
    here = Here(socket.gethostname(), leftovers.started(lock.pid), datetime.now(UTC))
    verdict = judge(lock, here)
    if verdict == "elsewhere" or (verdict == "alive" and not leftovers.end_orphan(lock.pid)):
        raise held(lock, verdict, where)


def _remove_ours(engine: Engine, name: str) -> bool:
    there = engine.container(name)
    if there is None or LABEL_ROLE not in there.labels:
        return False
    engine.remove(name)
    return True


def _remove_network(engine: Engine, name: str) -> bool:
    with engine.asking(name):
        try:
            engine.client.remove_network(name)
        except docker.errors.NotFound:
            return False
    return True
