"""Shelves (containers that never start, through which files go in and out of volumes) that a killed crmhost left."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from infra import leftovers
from infra.engine.engine import Engine
from infra.engine.files import LABEL_MAKER
from infra.engine.seen import Seen
from infra.naming import LABEL_ROLE
from infra.recovery import FORGOTTEN

_SLACK = 2.0
"""Seconds by which the begin of a process is rounded."""


@dataclass(frozen=True, slots=True)
class Here:
    """What is known where crmhost runs.

    host: its name. started: when a process of it began, in seconds since 1970, or None. now: by the engine's clock.
    """

    host: str
    started: Callable[[int], float | None]
    now: datetime


def remove_left(engine: Engine, contract: str) -> tuple[str, ...]:
    """Remove the contract's shelves whose makers are gone; returns their names."""
    left = left_of(engine.seen(contract), Here(socket.gethostname(), leftovers.started, engine.now()))
    for name in left:
        engine.remove(name)
    return left


def left_of(seen: Seen, here: Here) -> tuple[str, ...]:
    """Return the names of the shelves that nobody uses any more; one of another machine: after hours."""
    return tuple(
        each.name
        for each in seen.containers.values()
        if each.labels.get(LABEL_ROLE) == "shelf" and not _used(each.labels.get(LABEL_MAKER, ""), each.created, here)
    )


def _used(maker: str, created: datetime, here: Here) -> bool:
    pid, began, host = [*maker.split(" ", 2), "", "", ""][:3]
    if host != here.host:
        return here.now - created < FORGOTTEN
    started = here.started(int(pid))
    return started is not None and abs(started - float(began)) < _SLACK
