"""After a kill: whose lock it was, what his run left in the middle, and how the stack gets sound again.

Pulumi's lock has no end of its own, and what it says of unfinished creations it never repairs: the next run would make
second containers. So, before a run: (1) a lock whose holder lives is respected; the plugins of a dead one are ended;
(2) the dead one's lock is taken away; (3) the containers and networks that he was creating are removed by their names,
with those that he made and that a damaged state forgot; (4) the state is refreshed. Then the run does the rest.
Volumes are never removed here: one that is there already is taken over as it is.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypeAlias

import docker.errors
import psutil

from crm.errors import LockHeld
from infra.backend import Lock
from infra.engine.engine import Engine
from infra.runner import STARTED_BY

Verdict: TypeAlias = Literal["alive", "dead", "elsewhere"]
FORGOTTEN = timedelta(hours=2)
"""No run lasts so long: a lock of another machine that is older belongs to nobody."""
_SLACK = 2.0
"""Seconds by which a process may be younger than the lock that it took, as clocks are rounded."""
_PATIENCE = 90.0
_PLUGINS = ("pulumi-resource-", "pulumi-language-")


@dataclass(frozen=True, slots=True)
class Here:
    """What is known of this machine when a lock is judged. started: when the lock's process began; None: it is gone."""

    host: str
    started: float | None
    now: datetime


def judge(lock: Lock, here: Here) -> Verdict:
    """Tell whether the holder of a lock could still be at work. Pure."""
    if lock.pid == 0:
        return "dead"  # its file was never finished
    if lock.host != here.host:
        return "dead" if here.now - lock.since > FORGOTTEN else "elsewhere"
    if here.started is None or here.started > lock.since.timestamp() + _SLACK:
        return "dead"  # nobody has that pid, or another process got it since
    return "alive"


def held(stack: str, folder: Path, lock: Lock, verdict: Verdict) -> LockHeld:
    """Return the error that names the holder."""
    who = f"{lock.user}@{lock.host} (pid {lock.pid}), since {lock.since:%Y-%m-%d %H:%M:%S %Z}"
    if verdict == "alive":
        return LockHeld(
            f"{stack}: Pulumi is changing this stack: {who}",
            f"Wait until it has ended, or end it: kill -INT {lock.pid}; then the same command again.",
        )
    return LockHeld(
        f"{stack}: Pulumi on another machine is changing this stack: {who}",
        f"Wait until it has ended. If that machine is gone: cd {folder} && pulumi cancel {stack};"
        f" after {FORGOTTEN.seconds // 3600} hours crmhost does so by itself.",
    )


def look(lock: Lock) -> Here:
    """Return what this machine knows of the lock's holder."""
    try:
        started: float | None = psutil.Process(lock.pid).create_time() if lock.pid else None
    except psutil.Error:
        started = None
    return Here(socket.gethostname(), started, datetime.now(UTC))


def end_orphan(lock: Lock) -> bool:
    """End a `pulumi` whose crmhost was killed: it can never finish, since it ran its program there.

    Returns whether that is what it was; it is interrupted, so that it saves its state, and killed if it does not.
    """
    try:
        process = psutil.Process(lock.pid)
        pid, _, started = process.environ().get(STARTED_BY, "").partition(":")
        if not pid or _lives(int(pid), float(started)):
            return False
        process.send_signal(signal.SIGINT)
        _wait_or_kill([process])
    except psutil.NoSuchProcess:
        return True
    except (psutil.Error, ValueError):
        return False
    return True


def end_plugins(folder: Path) -> int:
    """End the plugins that a killed `pulumi` left behind in this stack's folder; returns how many.

    Ours is one that works in the folder, which only this stack uses, and whose parent is no `pulumi`.
    """
    found = list(_plugins(folder))
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _wait_or_kill(found)
    return len(found)


def remove_unfinished(engine: Engine, unfinished: Iterable[tuple[str, str, str]]) -> tuple[str, ...]:
    """Remove the containers and networks whose creation was never finished; returns what was there of them."""
    removed = []
    for done, kind, name in unfinished:
        if done != "creating":
            continue
        if kind.endswith(":Container") and engine.container(name) is not None:
            engine.remove(name)
            removed.append(f"container:{name}")
        elif kind.endswith(":Network") and _remove_network(engine, name):
            removed.append(f"network:{name}")
    return tuple(removed)


def remove_unknown(
    engine: Engine, contract: str, deployment: Mapping[str, Any], ours: Iterable[str]
) -> tuple[str, ...]:
    """Remove those of `ours` that the engine has and the stack's state does not know; returns what was removed."""
    known = {name for each in deployment.get("resources") or () if (name := (each.get("inputs") or {}).get("name"))}
    there = engine.seen(contract).containers
    unknown = sorted(name for name in set(ours) - known if name in there)
    for name in unknown:
        engine.remove(name)
    return tuple(f"container:{name}" for name in unknown)


def _remove_network(engine: Engine, name: str) -> bool:
    with engine.asking(name):
        try:
            engine.client.remove_network(name)
        except docker.errors.NotFound:
            return False
    return True


def _plugins(folder: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            named = [Path(word).name for word in process.cmdline()[:2]]
            if not any(name.startswith(_PLUGINS) for name in named):
                continue
            parent = process.parent()
            orphaned = parent is None or parent.name() != "pulumi"
            if orphaned and Path(process.cwd()).samefile(folder):
                yield process


def _lives(pid: int, started: float) -> bool:
    try:
        return abs(psutil.Process(pid).create_time() - started) < _SLACK
    except psutil.NoSuchProcess:
        return False


def _wait_or_kill(processes: list[psutil.Process]) -> None:
    patience = _PATIENCE if len(processes) == 1 and processes[0].name() == "pulumi" else 3.0
    _, alive = psutil.wait_procs(processes, patience)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            os.kill(process.pid, signal.SIGKILL)
    psutil.wait_procs(alive, 3.0)
