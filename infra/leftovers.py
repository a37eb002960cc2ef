"""Processes of Pulumi's that outlived a crmhost that was killed: which are ours can be told, and they are ended."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from infra.runner import STARTED_BY

_SLACK = 2.0
"""Seconds by which clocks are rounded."""
_SAVING, _ENDING = 90.0, 3.0
"""Seconds that an interrupted `pulumi`, and a plugin, have to end by themselves."""
_PLUGINS = ("pulumi-resource-", "pulumi-language-")


def started(pid: int) -> float | None:
    """Return when a process began, in seconds since 1970; None where there is none, or only what nobody buried."""
    try:
        process = psutil.Process(pid)
        return None if pid == 0 or _over(process) else process.create_time()
    except psutil.Error:
        return None


def end_orphan(pid: int) -> bool:
    """End a `pulumi` whose crmhost was killed: it can never finish, since it ran its program there.

    Returns whether that is what it was; it is interrupted, so that it saves its state, and killed if it does not.
    """
    try:
        process = psutil.Process(pid)
        parent, _, since = process.environ().get(STARTED_BY, "").partition(":")
        if not parent or _lives(int(parent), float(since)):
            return False
        process.send_signal(signal.SIGINT)
        _wait_or_kill([process], _SAVING)
    except psutil.NoSuchProcess:
        return True
    except (psutil.Error, ValueError):
        return False
    return True


def end_plugins(folder: Path) -> int:
    """End the plugins that a killed `pulumi` left behind in this stack's folder; returns how many.

    Ours is one that works in the folder, which only this stack uses, and whose parent is no `pulumi`.
    """
    found = list(plugins(folder))
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _wait_or_kill(found, _ENDING)
    return len(found)


def plugins(folder: Path) -> Iterator[psutil.Process]:
    """Yield the plugins of this stack that no `pulumi` is the parent of."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            named = [Path(word).name for word in process.cmdline()[:2]]
            if not any(name.startswith(_PLUGINS) for name in named):
                continue
            parent = process.parent()
            orphaned = parent is None or _over(parent) or parent.name() != "pulumi"
            if orphaned and Path(process.cwd()).samefile(folder):
                yield process


def _lives(pid: int, since: float) -> bool:
    now = started(pid)
    return now is not None and abs(now - since) < _SLACK


def _over(process: psutil.Process) -> bool:
    """Tell whether a process has ended; its parent may never ask, and so it stays in the table."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _wait_or_kill(processes: list[psutil.Process], patience: float) -> None:
    """Wait until all have ended; after `patience` seconds they are killed."""
    deadline = time.monotonic() + patience
    while alive := [process for process in processes if not _over(process)]:
        if time.monotonic() > deadline:
            for process in alive:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            deadline += patience
        time.sleep(0.02)
