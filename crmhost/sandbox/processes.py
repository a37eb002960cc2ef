"""Finding and ending what a sandbox started, daemons too: by a cookie in the environment, by descent, by session."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

COOKIE = "CRMHOST_SANDBOX"
"""The environment variable that every process of a sandbox inherits."""


def members(cookie: str, proc: Path = Path("/proc")) -> frozenset[int]:
    """Return the ids of the processes whose environment has the cookie, with their descendants and sessions.

    A process that overwrote its environment is found by its parent or its session. This process is never a member.
    """
    wanted = f"{COOKIE}={cookie}".encode()
    parents: dict[int, tuple[int, int]] = {}
    found: set[int] = set()
    for folder in proc.iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int(folder.name)
            state, parent, _group, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if state == "Z":
                continue
            parents[pid] = (int(parent), int(session))
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.add(pid)
    sessions = {parents[pid][1] for pid in found} - {os.getsid(0)}
    grown = True
    while grown:
        kin = {pid for pid, (parent, session) in parents.items() if parent in found or session in sessions}
        grown = not kin <= found
        found |= kin
    return frozenset(found - {os.getpid()})


def end(cookie: str, patience: float = 2.0) -> int:
    """End all members: TERM, then KILL after `patience` seconds; returns how many there were at first."""
    first = members(cookie)
    _signal(first, signal.SIGTERM)
    until = time.monotonic() + patience
    while (left := members(cookie)) and time.monotonic() < until:
        time.sleep(0.02)
    while left:
        _signal(left, signal.SIGKILL)
        time.sleep(0.02)
        left = members(cookie)
    return len(first)


def _signal(pids: frozenset[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
